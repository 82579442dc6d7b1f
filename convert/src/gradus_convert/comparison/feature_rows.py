"""Rows to compare versions on: a file of rows, or the holdout rows of a run folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.contracts import npz_file
from gradus_runtime.errors import DataError
from gradus_runtime.rows.files import read_table
from gradus_runtime.rows.values import read_value

__all__ = ["FeatureRows", "read_feature_rows"]


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Feature rows, float32 [N, columns], NaN where missing; `names` is None for the artifact's own order."""

    features: NDArray[np.float32]
    names: tuple[str, ...] | None


def read_feature_rows(path: Path, features: Collection[str]) -> FeatureRows:
    """Read rows as `rows.files` does, or a run folder's `holdout.npz`; what is no number is missing.

    Args:
        path: The file.
        features: Names of the columns that are read.

    Raises:
        DataError: It is neither, or cannot be read, or a row of it cannot.
    """
    if path.suffix == ".npz":
        return FeatureRows(_holdout(path), None)
    table = read_table(path, features, whole=True)
    names = tuple(name for name in table.columns if name in frozenset(features))
    values = np.empty((table.count, len(names)), np.float32)
    for i, name in enumerate(names):
        values[:, i] = [read_value(value) for value in table.columns[name]]
    return FeatureRows(values, names)


def _holdout(path: Path) -> NDArray[np.float32]:
    try:
        data = path.read_bytes()
    except OSError as e:
        raise DataError("rows must be a readable file", place=str(path), cause=e.strerror) from None
    arrays = npz_file.read(data, place=str(path), error=DataError)
    if "features" not in arrays:
        raise DataError("an npz file of rows must hold `features`", place=str(path), value=sorted(arrays))
    return np.ascontiguousarray(arrays["features"], dtype=np.float32)
