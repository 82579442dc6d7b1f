"""Daily series: one row a day, cells empty where a series has no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gradus_train.ingest.columns import DATE_ALIASES, find_column
from gradus_train.ingest.numbers import to_numbers
from gradus_train.ingest.stamps import to_milliseconds
from gradus_train.ingest.table_file import RawTable, read_raw_table

__all__ = ["Daily", "daily_from_table", "load_daily"]

_ALIASES = {
    "usd_jpy": ("usdjpy",),
    "nikkei_225": ("nikkei", "n225"),
    "us_10y_yield": ("us10y", "dgs10"),
    "fear_greed_index": ("feargreed", "fng"),
}
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Daily:
    """Daily values, each known when its day is over.

    Attributes:
        frame: `date`, rising, and the series that were asked for, as float64 or null.
        simulated: True where the file says so.
    """

    frame: pl.DataFrame
    simulated: bool


def load_daily(path: Path, series: Sequence[str], *, growing: bool = False) -> Daily:
    """Read a file of daily series.

    Args:
        path: CSV or Parquet, gzip too.
        series: Names of the series; other columns are ignored.
        growing: As `read_raw_table` takes it.

    Raises:
        DataError: A column is missing, a date occurs twice or out of order, a cell is not a number.
    """
    return daily_from_table(read_raw_table(path, growing=growing), series)


def daily_from_table(table: RawTable, series: Sequence[str]) -> Daily:
    """As `load_daily`, from a table that was read already."""
    column = find_column(table.columns, "date", DATE_ALIASES, table.name)
    found = {s: find_column(table.columns, s, _ALIASES.get(s, ()), table.name) for s in series}
    raw = table.frame[column]
    time = to_milliseconds(table, column, "UTC")
    table.refuse_first(time % _DAY_MS != 0, "a date must have no time of day", raw)
    step = time.diff().fill_null(_DAY_MS)
    table.refuse_first(step == 0, "a date must occur once", raw)
    table.refuse_first(step < 0, "dates must rise from line to line", raw, "Sort the file by date.")
    values = {s: to_numbers(table, name, s, empty=True) for s, name in found.items()}
    for name in {"usd_jpy", "nikkei_225"} & values.keys():
        table.refuse_first((values[name] <= 0).fill_null(False), f"{name} must be above 0", values[name])
    if "fear_greed_index" in values:
        index = values["fear_greed_index"]
        outside = ~index.is_between(0, 100).fill_null(True)
        table.refuse_first(outside, "fear_greed_index must be in 0 to 100", index)
    date = time.cast(pl.Datetime("ms")).dt.date()
    return Daily(pl.DataFrame({"date": date, **values}), table.simulated)
