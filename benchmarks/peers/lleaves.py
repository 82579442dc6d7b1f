"""lleaves: a LightGBM model compiled by LLVM. Boosted trees of LightGBM only."""

from __future__ import annotations

from pathlib import Path

import lleaves
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]


def prepare(run: Path, folder: Path) -> None:
    """Compile the member and keep the machine code."""
    from benchmarks.peers import source

    (member,) = source.members(run)
    (folder / "model.txt").write_bytes(member.path.read_bytes())
    lleaves.Model(model_file=folder / "model.txt").compile(cache=folder / "model.elf")
    write_members(folder, [MemberFile(member.name, member.weight, "model.txt")])


def load(folder: Path, threads: int) -> Scorer:
    """Load the kept machine code."""
    (member,) = read_members(folder)
    model = lleaves.Model(model_file=folder / member.file)
    model.compile(cache=folder / "model.elf")

    def predict(rows: Rows) -> NDArray[np.float64]:
        result: NDArray[np.float64] = model.predict(rows, n_jobs=threads)
        return result

    return vote([(member.weight, predict)])
