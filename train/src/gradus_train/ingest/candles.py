"""Candles: read, checked, and resampled up to the configured bar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted, plural
from gradus_train.ingest.columns import ALIASES, CLOSE_STAMP_ALIASES, find_column
from gradus_train.ingest.numbers import to_numbers
from gradus_train.ingest.stamps import to_milliseconds
from gradus_train.ingest.table_file import RawTable, read_raw_table

__all__ = ["Candles", "candles_from_table", "load_candles", "most_common_step", "rising_stamps"]

_FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars of one length, rising in time, each complete. Missing bars are absent.

    Attributes:
        frame: `timestamp` int64 (ms UTC of the bar's open), `open`, `high`, `low`, `close`, `volume` float64.
        bar_ms: Length of a bar.
        source_bar_ms: Length of the bars in the file.
        partial: Opens of bars left out in resampling because a part of them was missing, ms UTC.
        simulated: True where the file says so.
    """

    frame: pl.DataFrame
    bar_ms: int
    source_bar_ms: int
    partial: tuple[int, ...]
    simulated: bool

    @property
    def partial_bars(self) -> int:
        """Number of bars left out in resampling."""
        return len(self.partial)


def load_candles(
    path: Path, *, bar_ms: int, timezone: str | None = None, stamps: str = "open", growing: bool = False
) -> Candles:
    """Read a file of candles.

    Args:
        path: CSV or Parquet, gzip too.
        bar_ms: Length of a bar; shorter ones are resampled, only complete bars are kept.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.
        growing: As `read_raw_table` takes it.

    Raises:
        DataError: A rule is broken (the message names file, line and value), or no bar is complete.
    """
    return candles_from_table(
        read_raw_table(path, growing=growing), bar_ms=bar_ms, timezone=timezone, stamps=stamps
    )


def candles_from_table(
    table: RawTable, *, bar_ms: int, timezone: str | None = None, stamps: str = "open"
) -> Candles:
    """As `load_candles`, from a table that was read already."""
    time = rising_stamps(table, stamps=stamps, timezone=timezone)
    found = {f: find_column(table.columns, f, ALIASES[f], table.name) for f in _FIELDS}
    values = {f: to_numbers(table, name, f) for f, name in found.items()}
    _check_prices(table, values)
    source_ms = most_common_step(time)
    if stamps == "close" and (time % source_ms == source_ms - 1).all():
        time = time + 1  # some exchanges stamp the last millisecond of the bar
    _check_grid(table, time, table.frame[stamp_column(table, stamps)], source_ms, bar_ms)
    if stamps == "close":
        time = time - source_ms
    frame = pl.DataFrame({"timestamp": time, **values})
    partial: tuple[int, ...] = ()
    if source_ms != bar_ms:
        frame, partial = _resample(frame, source_ms, bar_ms)
    if frame.is_empty():
        raise DataError(
            f"at least one complete bar of {_minutes(bar_ms)} is needed",
            place=table.name,
            value=f"{len(partial)} incomplete",
        )
    return Candles(frame, bar_ms, source_ms, partial, table.simulated)


def rising_stamps(table: RawTable, *, stamps: str, timezone: str | None) -> pl.Series:
    """Return the stamps as int64 ms UTC, as they are in the file.

    Raises:
        DataError: Fewer than 2, unreadable, twice, or not rising.
    """
    column = stamp_column(table, stamps)
    raw = table.frame[column]
    time = to_milliseconds(table, column, timezone)
    if len(time) < 2:
        raise DataError("at least 2 rows are needed", place=table.name, value=len(time))
    step = time.diff().fill_null(1)
    table.refuse_first(step == 0, "a stamp must occur once", raw)
    table.refuse_first(step < 0, "stamps must rise from line to line", raw, "Sort the file by time.")
    return time


def stamp_column(table: RawTable, stamps: str) -> str:
    """Return the name of the column of stamps."""
    aliases = CLOSE_STAMP_ALIASES if stamps == "close" else ALIASES["timestamp"]
    return find_column(table.columns, "timestamp", aliases, table.name)


def most_common_step(time: pl.Series) -> int:
    """The most common step between stamps; the shortest of those, where several are."""
    steps = time.diff().drop_nulls().value_counts()
    steps = steps.sort(["count", steps.columns[0]], descending=[True, False])
    return int(steps[steps.columns[0]][0])


def _check_prices(table: RawTable, values: dict[str, pl.Series]) -> None:
    for field in ("open", "high", "low", "close"):
        table.refuse_first(values[field] <= 0, f"{field} must be above 0", values[field])
    table.refuse_first(values["volume"] < 0, "volume must be at least 0", values["volume"])
    for field in ("low", "open", "close"):
        table.refuse_first(
            values["high"] < values[field], f"high must be at least {field}", _pair(values, "high", field)
        )
    for field in ("open", "close"):
        table.refuse_first(
            values["low"] > values[field], f"low must be at most {field}", _pair(values, "low", field)
        )


def _pair(values: dict[str, pl.Series], a: str, b: str) -> pl.Series:
    return pl.select(pl.format(f"{a}={{}}, {b}={{}}", values[a], values[b])).to_series()


def _minutes(length_ms: int) -> str:
    minutes = length_ms / 60_000
    return f"{minutes:g} {plural(minutes, 'minute')}"


def _check_grid(table: RawTable, time: pl.Series, raw: pl.Series, source_ms: int, bar_ms: int) -> None:
    if source_ms > bar_ms or bar_ms % source_ms:
        raise DataError(
            f"candles must be of {_minutes(bar_ms)}, or of a part of that",
            place=table.name,
            value=_minutes(source_ms),
            hint="Set the bar's length: --bar MINUTES.",
        )
    seconds = source_ms // 1000
    rule = f"a stamp must be a multiple of {counted(seconds, 'second')} in UTC"
    table.refuse_first(time % source_ms != 0, rule, raw)


def _resample(frame: pl.DataFrame, source_ms: int, bar_ms: int) -> tuple[pl.DataFrame, tuple[int, ...]]:
    bars = (
        frame.with_columns(pl.col("timestamp") // bar_ms * bar_ms)
        .group_by("timestamp", maintain_order=True)  # and with it the order inside of each group
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().alias("parts"),
        )
    )
    is_whole = pl.col("parts") == bar_ms // source_ms
    return bars.filter(is_whole).drop("parts"), tuple(bars.filter(~is_whole)["timestamp"].to_list())
