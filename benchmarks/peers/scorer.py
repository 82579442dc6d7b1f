"""What a loaded peer offers to the worker, and the note that `prepare` leaves for `load`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MemberFile", "Scorer", "read_members", "vote", "write_members"]

Rows = NDArray[np.float32]
_NOTE = "members.json"


@dataclass(frozen=True, slots=True)
class Scorer:
    """A peer that is ready to serve.

    Attributes:
        batch: Rows float32 [N, F] to probabilities [N, C].
        row: Turns one row, float32 [1, F], into what `one` takes; not timed.
        one: One answer, as the peer's users ask for it; timed.
        inner: The share of `one` that another project's code does, on the same row, if known.
    """

    batch: Callable[[Rows], NDArray[Any]]
    row: Callable[[Rows], Any]
    one: Callable[[Any], Any]
    inner: Callable[[Rows], Any] | None = None


@dataclass(frozen=True, slots=True)
class MemberFile:
    """A member as a peer keeps it: its name, its weight in the vote, its file inside the peer's folder."""

    name: str
    weight: float
    file: str


def write_members(folder: Path, members: list[MemberFile]) -> None:
    """Leave the note for `read_members`."""
    value = [{"name": m.name, "weight": m.weight, "file": m.file} for m in members]
    (folder / _NOTE).write_text(json.dumps(value))


def read_members(folder: Path) -> list[MemberFile]:
    """Return what `write_members` left."""
    return [MemberFile(**m) for m in json.loads((folder / _NOTE).read_text())]


def vote(parts: list[tuple[float, Callable[[Rows], NDArray[Any]]]]) -> Scorer:
    """Return the scorer of a weighted soft vote, as a user would write it in numpy."""

    def batch(rows: Rows) -> NDArray[Any]:
        result = parts[0][1](rows) * parts[0][0]
        for weight, member in parts[1:]:
            result += member(rows) * weight
        return result

    return Scorer(batch=batch, row=lambda row: row, one=batch)
