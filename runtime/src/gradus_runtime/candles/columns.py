"""Columns of whatever candles come in: a mapping of columns, rows, an array, any dataframe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_runtime.errors import GradusError, UsageError, let_signals_through
from gradus_runtime.rows import is_mapping
from gradus_runtime.rows.frames import is_frame
from gradus_runtime.rows.moments import read_moment

__all__ = ["find", "numbers_of", "row_or_table", "table_columns", "times_of"]

_POSITIONS = ("timestamp", "open", "high", "low", "close", "volume")
_OTHER_NAMES = {
    "timestamp": ("time", "datetime", "date", "opentime", "ts", "t"),
    "open": ("o", "openprice"),
    "high": ("h", "highprice"),
    "low": ("l", "lowprice"),
    "close": ("c", "closeprice", "last"),
    "volume": ("v", "vol", "basevolume"),
    "date": ("timestamp", "day"),
}
_UNITS = ((10**11, 1000.0), (10**14, 1.0), (10**17, 0.001))
"""Numbers below a bound are seconds, milliseconds, microseconds; by what they come to milliseconds."""
_FIRST_MS, _END_MS = -62_135_596_800_000.0, 253_402_300_800_000.0
"""The years 1 to 9999, which a datetime can name."""


def table_columns(table: Any, place: str) -> dict[str, Any]:
    """Return the columns of a table by name; an array or rows without names are taken by position.

    Raises:
        UsageError: It is no table.
    """
    if is_frame(table):
        names = list(table.column_names if hasattr(table, "column_names") else table.columns)
        return {str(name): table[name] for name in names}
    if is_mapping(table):
        return {str(name): table[name] for name in table.keys()}  # noqa: SIM118  a Series iterates over values
    if isinstance(table, np.ndarray) and table.dtype.names:
        return {name: table[name] for name in table.dtype.names}
    if isinstance(table, np.ndarray) and table.ndim == 2:
        return dict(zip(_POSITIONS, table.T, strict=False))
    if isinstance(table, Sequence) and not isinstance(table, str | bytes):
        return _of_rows(table, place)
    raise UsageError(
        "candles must be a mapping of columns, a list of rows, an array or a dataframe",
        place=place,
        value=type(table).__name__,
    )


def _of_rows(rows: Sequence[Any], place: str) -> dict[str, Any]:
    if not len(rows):
        return {name: [] for name in (*_POSITIONS, "date")}
    if all(map(is_mapping, rows)):
        keys = chain.from_iterable(map(methodcaller("keys"), rows))
        names = dict.fromkeys(map(str, dict.fromkeys(keys)))
        return {name: [row.get(name) for row in rows] for name in names}
    if all(isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) for row in rows):
        width = max((len(row) for row in rows), default=0)
        columns = zip(_POSITIONS, range(width), strict=False)
        return {name: [row[i] if i < len(row) else None for row in rows] for name, i in columns}
    raise UsageError("rows must be mappings, or sequences of six values", place=place)


def row_or_table(value: Any, key: str) -> Any:
    """Return one row as a table of one row, and a table as it is.

    Args:
        value: A mapping of names to values, a list of values, or a table as in `table_columns`.
        key: The column that tells them apart: "timestamp" or "date", the first in rows without names.
    """
    if is_frame(value):
        return value
    if is_mapping(value):
        first = find(table_columns(value, key), key)
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if not len(value) or (isinstance(value, np.ndarray) and value.dtype.names):
            return value
        first = value[0]
    else:
        return value
    return value if hasattr(first, "__len__") and not isinstance(first, str | bytes) else [value]


def find(columns: Mapping[str, Any], name: str) -> Any:
    """Return the column of a field, by its name or a usual other one; None where there is none."""
    if name in columns:
        return columns[name]
    plain = {re.sub("[^a-z0-9]", "", key.lower()): key for key in reversed(list(columns))}
    for other in (name, *_OTHER_NAMES.get(name, ())):
        if other in plain:
            return columns[plain[other]]
    return None


def _array(column: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(column)
    except (TypeError, ValueError) as e:  # of unequal parts
        let_signals_through(e)
        return np.array(list(column), dtype=object)


def numbers_of(column: Any, count: int) -> npt.NDArray[np.float64]:
    """Return a column as float64; text numbers are read; what is no number is NaN."""
    if column is None:
        return np.full(count, np.nan)
    values: list[Any] | None = _texts(column)
    if values is None:
        array = _array(column)
        if array.dtype.kind in "iufb":
            return np.ascontiguousarray(array, np.float64)
        values = array.tolist()
    try:
        return np.fromiter(map(float, values), np.float64, len(values))
    except Exception as e:  # as in `_number`, which says which of them it was
        let_signals_through(e)
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except Exception as e:  # a value may be of any class, and raise anything
        let_signals_through(e)
        return float("nan")


def times_of(column: Any) -> npt.NDArray[np.float64]:
    """Return a column of moments as milliseconds since 1970 UTC, float64; NaN where it is none.

    Numbers are seconds, milliseconds or microseconds, by their size; text is ISO 8601 with its offset, or a
    number; datetimes are aware, those of numpy in UTC.
    """
    texts = _texts(column)
    moments = None if texts is None else _of_texts(texts)
    if moments is not None:
        return moments
    array = _array(column)
    if array.dtype.kind == "M":
        ms = array.astype("datetime64[ms]")
        return _in_calendar(np.where(np.isnat(ms), np.nan, ms.astype(np.int64).astype(np.float64)))
    numbers = numbers_of(array, len(array))
    for i in np.flatnonzero(np.isnan(numbers)).tolist():
        numbers[i] = _moment(array[i])
    size = float(np.nanmax(np.abs(numbers), initial=0.0))
    return _in_calendar(numbers * next((by for bound, by in _UNITS if size < bound), np.nan))


def _in_calendar(ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.where((ms >= _FIRST_MS) & (ms < _END_MS), ms, np.nan)


def _texts(column: Any) -> list[str] | None:
    """Return a list that holds texts alone as it is: an array of them would be a copy."""
    return column if type(column) is list and column and set(map(type, column)) == {str} else None


def _of_texts(texts: list[str]) -> npt.NDArray[np.float64] | None:
    """Return moments as `_moment` reads each; None where one is no ISO 8601 with its offset."""
    try:
        moments = [datetime.fromisoformat(_with_offset(text)) for text in texts]
        if not all(map(attrgetter("tzinfo"), moments)):
            return None
        return np.array([moment.astimezone(UTC).timestamp() * 1000 for moment in moments], np.float64)
    except (ValueError, OverflowError) as e:
        let_signals_through(e)
        return None


def _with_offset(text: str) -> str:
    """A date stands for its start in UTC."""
    return f"{text}T00:00:00Z" if len(text) == 10 and text[4] == text[7] == "-" else text


def _moment(value: Any) -> float:
    if isinstance(value, str):
        value = _with_offset(value)
    if type(value).__name__ == "date" and hasattr(value, "isoformat"):
        value = f"{value.isoformat()}T00:00:00Z"
    try:
        return read_moment(value, place="timestamp").timestamp() * 1000
    except GradusError as e:
        let_signals_through(e)
        return float("nan")
