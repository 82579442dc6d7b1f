"""TL2cgen: the members as C, compiled to one shared library each."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import tl2cgen
from numpy.typing import NDArray

from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]

_PARTS = 64
"""Source files a member is split into: a compiler needs minutes and gigabytes for one of 300,000 branches."""


def prepare(run: Path, folder: Path) -> None:
    """Generate C from treelite's models and compile it."""
    from benchmarks.peers import source, treelite_gtil

    kept = []
    for member in source.members(run):
        file = f"{member.name}.so"
        tl2cgen.export_lib(
            treelite_gtil.convert(member),
            toolchain="gcc",
            libpath=folder / file,
            params={"parallel_comp": _PARTS},
            nthread=2,
            options=["-O1"],  # -O3 compiles twice as long and serves no faster: caches decide
        )
        kept.append(MemberFile(member.name, member.weight, file))
    write_members(folder, kept)


def load(folder: Path, threads: int) -> Scorer:
    """Open the shared libraries."""
    return vote([(m.weight, _member(folder / m.file, threads)) for m in read_members(folder)])


def _member(path: Path, threads: int) -> Any:
    predictor = tl2cgen.Predictor(path, nthread=threads)
    return functools.partial(_predict, predictor)


def _predict(predictor: Any, rows: Rows) -> NDArray[np.float32]:
    result: NDArray[np.float32] = predictor.predict(tl2cgen.DMatrix(rows))
    return result.reshape(len(rows), -1)
