"""Dataframes, recognised by what they can do: pandas, polars, pyarrow, and what is like them.

A column is asked for by name and cut to the chunk before it becomes numpy, so that no whole column is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradus_runtime.errors import UsageError, let_signals_through
from gradus_runtime.rows.arrays import find_columns
from gradus_runtime.rows.base import Float32, Rows, Texts
from gradus_runtime.rows.values import read_column

__all__ = ["FrameRows", "is_frame"]


def is_frame(table: Any) -> bool:
    """Whether a value is a dataframe: it names its columns, and is no array or mapping.

    Raises:
        UsageError: It is a lazy one.
    """
    if hasattr(table, "collect") and not hasattr(table, "to_numpy"):
        raise UsageError(
            "a lazy frame must be collected first",
            place="table",
            value=type(table).__name__,
            hint="Pass table.collect().",
        )
    return hasattr(table, "column_names") or hasattr(table, "columns")


class FrameRows(Rows):
    """A dataframe; columns may be in any order."""

    def __init__(self, table: Any, names: Sequence[str]) -> None:
        arrow = hasattr(table, "column_names")
        present = list(table.column_names if arrow else table.columns)
        places, self.ignored = find_columns(present, names)
        self._columns: list[Callable[[int, int], Any] | None] = []
        for place in places.tolist():
            if place < 0:
                self._columns.append(None)
            else:
                column = table.column(place) if arrow else table[present[place]]
                self._columns.append(_slicer(column, present[place]))
        self.count = int(table.num_rows) if arrow else len(table)
        self.texts = Texts(self.count)

    def block(self, start: int, stop: int) -> Float32:
        """Return rows as float32; see `Rows.block`."""
        out = np.empty((stop - start, len(self._columns)), np.float32)
        for i, column in enumerate(self._columns):
            if column is None:
                out[:, i] = np.nan
            else:
                self.texts.note(start, i, read_column(column(start, stop), out[:, i]))
        return out


def _slicer(column: Any, name: str) -> Callable[[int, int], Any]:
    """Return a function that gives the values `start` to `stop` of a column as a numpy array."""
    if hasattr(column, "iloc"):
        return lambda start, stop: column.iloc[start:stop].to_numpy()
    if hasattr(column, "slice") and hasattr(column, "null_count") and not callable(column.null_count):
        return lambda start, stop: _arrow_numpy(column.slice(start, stop - start))
    if str(getattr(column, "dtype", "")) in _NO_NUMPY:
        return lambda start, stop: np.fromiter(column.slice(start, stop - start).to_list(), object)
    if hasattr(column, "slice") and hasattr(column, "to_numpy"):
        return lambda start, stop: column.slice(start, stop - start).to_numpy()
    if hasattr(column, "__array__"):
        return lambda start, stop: np.asanyarray(column[start:stop])  # a masked array stays one
    raise UsageError(
        "a column must have to_numpy() or __array__()",
        place=f"column {name}",
        value=type(column).__name__,
        hint="Pass pandas, polars or pyarrow data, a list of mappings, or an array with names.",
    )


_NO_NUMPY = ("Int128", "UInt128")
"""Types of polars that numpy has no type for."""


def _arrow_numpy(column: Any) -> Any:
    """A pyarrow column as numpy: nulls are NaN, what is not numeric becomes objects."""
    try:
        return column.to_numpy(zero_copy_only=False)
    except (TypeError, ValueError, NotImplementedError) as e:  # e.g. types that numpy does not know
        let_signals_through(e)
        return np.array(column.to_pylist(), dtype=object)
