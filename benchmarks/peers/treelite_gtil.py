"""Treelite's GTIL: the reference interpreter of treelite models, without a compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import treelite
from numpy.typing import NDArray

from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["convert", "load", "prepare"]


def convert(member: Any) -> Any:
    """Return treelite's model of a member (see `source.Member`)."""
    from benchmarks.peers import source

    if member.library == "lightgbm":
        return treelite.frontend.load_lightgbm_model(member.path)
    if member.library == "xgboost":
        return treelite.frontend.load_xgboost_model(member.path)
    return treelite.sklearn.import_model(source.forest(member.path))


def prepare(run: Path, folder: Path) -> None:
    """Write treelite's checkpoints."""
    from benchmarks.peers import source

    kept = []
    for member in source.members(run):
        file = f"{member.name}.tl"
        convert(member).serialize(folder / file)
        kept.append(MemberFile(member.name, member.weight, file))
    write_members(folder, kept)


def load(folder: Path, threads: int) -> Scorer:
    """Read the checkpoints."""
    return vote([(m.weight, _member(folder / m.file, threads)) for m in read_members(folder)])


def _member(path: Path, threads: int) -> Any:
    model = treelite.Model.deserialize(path)

    def predict(rows: Rows) -> NDArray[np.float32]:
        result: NDArray[np.float32] = treelite.gtil.predict(model, rows, nthread=threads)
        return result.reshape(len(rows), -1)

    return predict
