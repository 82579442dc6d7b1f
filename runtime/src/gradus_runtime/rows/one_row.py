"""The one row in what `decide` is given: a mapping, or a dataframe or columns of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.rows.adapt import columns_of
from gradus_runtime.rows.arrays import StructuredRows
from gradus_runtime.rows.base import Rows
from gradus_runtime.rows.frames import FrameRows, is_frame
from gradus_runtime.rows.mappings import is_column, is_mapping
from gradus_runtime.rows.values import by_name

__all__ = ["one_row", "row_of_columns"]


def one_row(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a row that is no plain dict as one.

    Args:
        row: A mapping, a dataframe of one row, or a structured array of one row.
        names: Of the features.

    Raises:
        UsageError: It is nothing of the kind, or has another number of rows.
    """
    kind = type(row)
    if issubclass(kind, dict):
        return by_name(row)
    if issubclass(kind, np.ndarray | np.void) and row.dtype.names is not None:
        return _only(StructuredRows(row.reshape(-1), names), names)
    if is_frame(row):
        return _only(FrameRows(row, names), names)
    if is_mapping(row):
        return by_name(row)
    raise UsageError("a row must be a mapping of names to values", value=kind.__name__)


def row_of_columns(row: dict[Any, Any], names: Sequence[str], masks: Sequence[int]) -> dict[str, Any] | None:
    """Return the row that columns of one value make.

    A list in the place of a number is a missing value. So a row is columns only if all its features are, of
    one length, and enough of them for a level.

    Args:
        row: A mapping.
        names: Of the features.
        masks: Of the features of each level.

    Returns:
        The row; None if it is no columns.

    Raises:
        UsageError: The columns hold another number of rows.
    """
    given = by_name(row)
    found = [(1 << i, given[name]) for i, name in enumerate(names) if name in given]
    if not all(is_column(value) for _, value in found) or len({len(value) for _, value in found}) != 1:
        return None
    present = sum(bit for bit, _ in found)
    if not any(present & mask == mask for mask in masks):
        return None
    columns = columns_of(given, names)
    return None if columns is None else _only(columns, names)


def _only(rows: Rows, names: Sequence[str]) -> dict[str, Any]:
    if rows.count != 1:
        raise UsageError("decide takes one row", value=f"{rows.count} rows", hint="Pass them to predict.")
    values: list[Any] = rows.block(0, 1)[0].tolist()
    if rows.texts.found is not None:
        values[int(rows.texts.found[0]) - 1] = ""  # any text: the reasons say where it stands
    return dict(zip(names, values, strict=True))
