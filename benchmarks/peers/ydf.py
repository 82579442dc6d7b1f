"""YDF: scikit-learn's forest, converted by YDF's own reader: a vote a tree, not the mean of the leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ydf

from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]

_FOLDER = "model"


def prepare(run: Path, folder: Path) -> None:
    """Convert the forest and keep it in YDF's format."""
    from benchmarks.peers import source

    (member,) = source.members(run)
    model = ydf.from_sklearn(source.forest(member.path), label_name="label", feature_name="x")
    model.save(str(folder / _FOLDER))
    write_members(folder, [MemberFile(member.name, member.weight, _FOLDER)])


def load(folder: Path, threads: int) -> Scorer:
    """Load the forest."""
    (member,) = read_members(folder)
    model = ydf.load_model(str(folder / member.file))

    def predict(rows: Rows) -> Any:
        return np.asarray(model.predict({"x": rows}, num_threads=threads))

    return vote([(member.weight, predict)])
