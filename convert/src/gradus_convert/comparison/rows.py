"""Rows to compare versions on: a CSV table, or the holdout rows of a run folder."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.errors import DataError

__all__ = ["Table", "read_rows"]


@dataclass(frozen=True, slots=True)
class Table:
    """Feature rows, float32 [N, columns], NaN where missing; `names` is None for the artifact's own order."""

    features: NDArray[np.float32]
    names: tuple[str, ...] | None


def read_rows(path: Path) -> Table:
    """Read a `.csv` with a line of names (what is no number is missing), or a run folder's `holdout.npz`.

    Raises:
        DataError: It is neither, or cannot be read.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return Table(np.ascontiguousarray(arrays["features"], dtype=np.float32), None)
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file, strict=True)
            head = tuple(next(lines, ()))
            rows = [[_number(x) for x in line] for line in lines]
    except (OSError, KeyError, ValueError, csv.Error) as e:
        raise DataError("rows must be a readable .csv or .npz", place=str(path), cause=str(e)) from None
    for i, row in enumerate(rows, start=2):
        if len(row) != len(head):
            rule = f"a line must have {len(head)} columns, as the first has"
            raise DataError(rule, place=f"{path}:{i}", value=len(row))
    return Table(np.array(rows, dtype=np.float32).reshape(len(rows), len(head)), head)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
