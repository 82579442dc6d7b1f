"""Which reader a table gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.rows.arrays import ArrayRows, StructuredRows
from gradus_runtime.rows.base import Rows
from gradus_runtime.rows.frames import FrameRows, is_frame
from gradus_runtime.rows.mappings import MappingRows, is_column, is_mapping
from gradus_runtime.rows.values import by_name

__all__ = ["adapt", "columns_of"]


def adapt(
    table: Any,
    features: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    ordered: bool = False,
    widths: Mapping[int, Sequence[str]] | None = None,
) -> Rows:
    """Return a table as rows of the manifest's features.

    Args:
        table: A mapping (one row, or a mapping of names to columns), a list of mappings, a numpy array, or a
            dataframe.
        features: Names of the full vector, in order.
        names: Names of an array's columns.
        ordered: An array without names has its columns in the manifest's order.
        widths: Which features an array without names may hold, by its number of columns.

    Raises:
        UsageError: The table is of no such kind, or has no names where names are needed.
    """
    if isinstance(table, np.ndarray):
        return _array(table, features, names, ordered, widths or {len(features): features})
    if names is not None or ordered:
        if not isinstance(table, list | tuple):
            raise UsageError(
                "names= and ordered= belong to an array or a list of lists",
                place="table",
                value=type(table).__name__,
            )
        if not any(is_mapping(row) for row in table):
            return _array(_from_lists(table), features, names, ordered, widths or {len(features): features})
    if not issubclass(type(table), Mapping) and is_frame(table):
        return FrameRows(table, features)
    if is_mapping(table):
        columns = columns_of(table, features)
        return MappingRows([table], features) if columns is None else columns
    if isinstance(table, list | tuple):
        if not table or any(is_mapping(row) for row in table):
            return MappingRows(table, features)
        raise UsageError(
            "rows must have names",
            place="table",
            value=type(table[0]).__name__,
            hint="Pass mappings, or names=[...], or ordered=True if the columns are in the manifest's order.",
        )
    raise UsageError(
        "a table must be a mapping, a list of mappings, an array or a dataframe",
        place="table",
        value=type(table).__name__,
    )


def _from_lists(table: Sequence[Any]) -> np.ndarray[Any, Any]:
    lengths = {len(row) if issubclass(type(row), _SEQUENCES) else -1 for row in table}
    if len(lengths) > 1 or -1 in lengths:
        raise UsageError("lists of values must be of one length", place="table", value=sorted(lengths))
    array = np.empty((len(table), lengths.pop() if lengths else 0), object)
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            array[i, j] = value  # one by one: a value that is itself a sequence stays one value
    return array


_SEQUENCES = (list, tuple, np.ndarray)


def _array(
    array: np.ndarray[Any, Any],
    features: Sequence[str],
    names: Sequence[str] | None,
    ordered: bool,
    widths: Mapping[int, Sequence[str]],
) -> Rows:
    if array.dtype.names is not None:
        return StructuredRows(array, features)
    if names is not None:
        return ArrayRows(array, list(names), features)
    if not ordered:
        raise UsageError(
            "an array must come with the names of its columns",
            place="table",
            value=array.shape,
            hint="Pass names=[...], or ordered=True if they are in the manifest's order.",
        )
    width = array.shape[-1] if array.ndim else 0
    if array.ndim == 2 and width not in widths:
        raise UsageError(
            f"an array without names must have {' or '.join(str(w) for w in widths)} columns",
            place="table",
            value=array.shape,
        )
    return ArrayRows(array, widths.get(width, features), features)


def columns_of(table: Any, features: Sequence[str]) -> Rows | None:
    """Read a mapping of names to columns of one length; None if it is one row.

    Raises:
        UsageError: The columns are of different lengths.
    """
    present = by_name(table)
    found = {name: present[name] for name in features if name in present}
    if not found or not all(is_column(column) for column in found.values()):
        return None
    lengths = {len(column) for column in found.values()}
    if len(lengths) != 1:
        raise UsageError("columns must be of one length", place="table", value=sorted(lengths))
    return FrameRows(_Columns(list(present), found, lengths.pop()), features)


class _Columns:
    """A mapping of names to columns, seen as a dataframe."""

    def __init__(self, names: list[str], found: Mapping[str, Any], count: int) -> None:
        self.columns = names
        self._found = found
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> Any:
        column = self._found[name]
        if not issubclass(type(column), list | tuple):
            return column
        return np.fromiter(column, object, len(column))
