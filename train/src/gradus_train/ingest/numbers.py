"""Columns of numbers, checked."""

from __future__ import annotations

import polars as pl

from gradus_train.ingest.table_file import RawTable

__all__ = ["to_numbers"]


def to_numbers(table: RawTable, column: str, meaning: str, *, empty: bool = False) -> pl.Series:
    """Return the column as float64.

    Args:
        table: Where the column is.
        column: Text or numbers.
        meaning: How errors name it.
        empty: Whether a cell may be empty (then null).

    Raises:
        DataError: A cell is empty (unless allowed), not a number, or not finite.
    """
    raw = table.frame[column]
    value = raw.cast(pl.Float64, strict=False)
    bad = value.is_null() | ~value.is_finite().fill_null(False)
    if empty:
        bad = bad & raw.is_not_null()
    table.refuse_first(bad, f"{meaning} must be a finite number", raw)
    return value
