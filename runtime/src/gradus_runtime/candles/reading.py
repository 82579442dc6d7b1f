"""Candles and daily values as bots have them: read, put in order, and held to the rules of bars.

A candle that breaks a rule counts as missing; what was left out is said. No cell raises an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles.bridging import COLUMNS
from gradus_runtime.candles.columns import find, numbers_of, table_columns, times_of
from gradus_runtime.candles.dates import DailyTable
from gradus_runtime.candles.numbering import OpenHours
from gradus_runtime.errors import UsageError
from gradus_runtime.records import dataclass
from gradus_runtime.wording import counted, plural

__all__ = ["ReadCandles", "iso_time", "read_candles", "read_daily"]

_DAY_MS = 86_400_000
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ReadCandles:
    """Complete bars, rising in time.

    Attributes:
        timestamps: int64 [T], ms UTC of the open.
        columns: Name of `COLUMNS` to float64 [T].
        reasons: What was left out, and why; sentences without full stops.
        left_out: How many candles broke a rule; one that still runs breaks none.
    """

    timestamps: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.float64]]
    reasons: tuple[str, ...]
    left_out: int = 0


def iso_time(ms: int | np.int64) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_candles(
    table: Any, *, bar_ms: int, now_ms: float | None, hours: OpenHours | None = None
) -> ReadCandles:
    """Read candles.

    Args:
        table: Columns, rows, an array or a dataframe, with the open's time, open, high, low, close, volume;
            rows without names have them in this order. Numbers may be text.
        bar_ms: Length of a bar.
        now_ms: A bar that closes later is still running and is left out; None keeps it.
        hours: When the market is closed; None where it never is.

    Raises:
        UsageError: It is no table, or lacks a column.
    """
    columns = table_columns(table, "candles")
    stamps = find(columns, "timestamp")
    missing = [name for name in ("timestamp", *COLUMNS) if find(columns, name) is None]
    if stamps is None or missing:
        raise UsageError(
            "candles must have the columns timestamp, open, high, low, close and volume",
            place="candles",
            cause=_what_is_missing(missing, columns),
        )
    times = times_of(stamps)
    values = {name: numbers_of(find(columns, name), len(times)) for name in COLUMNS}
    if any(len(v) != len(times) for v in values.values()):
        raise UsageError("columns of candles must be of one length", place="candles")
    reasons: list[str] = []
    keep = np.ones(len(times), dtype=np.bool_)
    for rule, broken in _rules(times, values, bar_ms):
        _leave_out(keep, broken, rule, times, reasons)
    whole = np.where(keep, times, 0).astype(np.int64)
    if hours is not None:
        closed = hours.is_closed(whole)
        _leave_out(keep, closed, "no bar may open in the market's closing hours", times, reasons)
    left_out = len(keep) - int(keep.sum())
    if now_ms is not None:
        running = keep & (whole + bar_ms > now_ms)
        if running.any():
            last = iso_time(int(whole[running].max()))
            reasons.append(f"the bar of {last} is still running and was left out")
            keep &= ~running
    order = _latest_of_each(whole, keep)
    return ReadCandles(whole[order], {n: v[order] for n, v in values.items()}, tuple(reasons), left_out)


def _what_is_missing(missing: Sequence[str], columns: Mapping[str, Any]) -> str:
    verb = "is" if len(missing) == 1 else "are"
    there = ", ".join([*columns][:12]) + (" ..." if len(columns) > 12 else "")
    return f"{', '.join(missing)} {verb} missing; the columns are {there or 'none'}"


def _rules(
    times: npt.NDArray[np.float64], values: Mapping[str, npt.NDArray[np.float64]], bar_ms: int
) -> list[tuple[str, Flags]]:
    """What must hold for a candle, and where it does not."""
    opened, high, low, close, volume = (values[name] for name in COLUMNS)
    with np.errstate(invalid="ignore"):
        return [
            ("a time must be a date and a time of day", ~np.isfinite(times)),
            (
                f"a time must be a multiple of {counted(bar_ms // 60_000, 'minute')}",
                times % bar_ms != 0,
            ),
            ("values must be finite numbers", ~np.isfinite([*values.values()]).all(axis=0)),
            ("prices must be above 0", np.minimum(opened, low) <= 0),
            ("high must be the highest", high < np.maximum(np.maximum(opened, close), low)),
            ("low must be the lowest", low > np.minimum(opened, close)),
            ("volume must be at least 0", volume < 0),
        ]


def _leave_out(
    keep: Flags, broken: Flags, rule: str, times: npt.NDArray[np.float64], reasons: list[str]
) -> None:
    broken = broken & keep
    count = int(broken.sum())
    if count:
        first = times[broken][0]
        where = f", first {iso_time(int(first))}" if np.isfinite(first) else ""
        many = plural(count, "candle counts", "candles count")
        reasons.append(f"{count} {many} as missing: {rule}{where}")
        keep &= ~broken


def _latest_of_each(times: npt.NDArray[np.int64], keep: Flags) -> npt.NDArray[np.int64]:
    """Rows to keep, rising in time; of rows with one time the last given."""
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(times[rows], kind="stable")]
    if not len(rows):
        return rows
    kept: npt.NDArray[np.int64] = rows[np.append(np.diff(times[rows]) != 0, True)]
    return kept


def read_daily(table: Any, series: Sequence[str]) -> DailyTable:
    """Read daily values.

    Args:
        table: Columns, rows or a dataframe with `date` and the series; a series that it lacks is unknown. A
            column `close` gives the closes of dates whose last bar is not among the candles.
        series: Names of the series.

    Raises:
        UsageError: It is no table, or has no dates.
    """
    columns = table_columns(table, "daily")
    dates = find(columns, "date")
    if dates is None:
        raise UsageError(
            "daily values must have a column date", place="daily", cause=_what_is_missing(["date"], columns)
        )
    times = times_of(dates)
    keep = np.isfinite(times)
    days = np.where(keep, times, 0).astype(np.int64) // _DAY_MS
    order = _latest_of_each(days, keep)
    values = {n: numbers_of(columns.get(n), len(days))[order] for n in (*series, "close")}
    close = values.pop("close")
    return DailyTable(days[order], values, close if "close" in columns else None)
