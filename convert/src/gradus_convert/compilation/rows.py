"""What users bring as rows: arrays, lists, dataframes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_runtime.errors import DataError

__all__ = ["read_rows"]


def read_rows(X: Any, names: Sequence[str] | None, width: int) -> npt.NDArray[np.float32]:
    """Return rows as float32 [N, width].

    Args:
        X: An array or a list of rows, whose columns are taken in their order; or a dataframe (or a mapping of
            names to columns), whose columns are taken by name where the model knows names.
        names: Of the model's columns.
        width: How many columns there must be.

    Raises:
        DataError: A column is missing, or what is there are not numbers in rows.
    """
    if isinstance(X, Mapping) or (hasattr(X, "columns") and hasattr(X, "__getitem__")):
        X = _by_name(X, names)
    try:
        rows = np.asarray(X)
        if rows.dtype == object or rows.dtype.kind not in "fiub":
            rows = rows.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.ascontiguousarray(rows, np.float32)
    except (TypeError, ValueError) as e:
        raise DataError("rows must hold numbers", place="X", cause=str(e)) from None
    if rows.ndim != 2 or rows.shape[1] != width:
        raise DataError(
            f"rows must be [N, {width}]",
            place="X",
            value=rows.shape,
            hint="One row is X[None]." if rows.ndim == 1 else None,
        )
    return rows


def _by_name(X: Any, names: Sequence[str] | None) -> npt.NDArray[Any]:
    present = {str(name): name for name in (X if isinstance(X, Mapping) else X.columns)}
    missing = [name for name in names or () if name not in present]
    if missing:
        raise DataError("a dataframe must have the model's columns", place="X", value=missing[:5])
    columns = [np.asarray(X[present[name]]) for name in (names or present)]
    if len({len(c) for c in columns}) > 1:
        raise DataError("columns must be of one length", place="X")
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))
