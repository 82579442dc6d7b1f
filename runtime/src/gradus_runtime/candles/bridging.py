"""Short gaps are bridged: bars without trades stand for the missing ones, and are marked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles.numbering import OpenHours, bar_numbers
from gradus_runtime.records import dataclass

__all__ = ["COLUMNS", "BarTable", "bridge"]

COLUMNS = ("open", "high", "low", "close", "volume")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BarTable:
    """Bars, bridged ones among them.

    Attributes:
        timestamps: int64 [N], ms UTC of the open, rising.
        numbers: int64 [N], of `bar_numbers`.
        columns: Name of `COLUMNS` to float64 [N].
        bridged: bool [N]: this bar was missing.
    """

    timestamps: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    columns: Mapping[str, Floats]
    bridged: npt.NDArray[np.bool_]


def bridge(
    timestamps: npt.NDArray[np.int64],
    columns: Mapping[str, Floats],
    *,
    bar_ms: int,
    bridge_bars: int,
    hours: OpenHours | None = None,
) -> BarTable:
    """Put bars without trades where at most `bridge_bars` in a row are missing.

    Such a bar has open = high = low = close = the close of the last bar that the market had, and volume 0.

    Args:
        timestamps: int64 [N], ms UTC of the open, rising, on the grid of `bar_ms`.
        columns: Name of `COLUMNS` to float64 [N].
        bar_ms: Length of a bar.
        bridge_bars: The longest gap that is bridged; 0 bridges none.
        hours: When the market is closed; None where it never is.

    Raises:
        DataError: A bar opens while the market is closed.
    """
    numbers = bar_numbers(timestamps, bar_ms, hours)
    missing = np.diff(numbers) - 1
    short = np.flatnonzero((missing >= 1) & (missing <= bridge_bars))
    if len(short) == 0:
        return BarTable(timestamps, numbers, dict(columns), np.zeros(len(timestamps), dtype=np.bool_))
    new = [_open_times(timestamps[i], timestamps[i + 1], bar_ms, hours) for i in short.tolist()]
    after = np.repeat(short, [len(x) for x in new])  # the bar that each one follows
    at = after + 1
    stamps = np.insert(timestamps, at, np.concatenate(new))
    last_close = columns["close"][after]
    fill = {name: last_close if name != "volume" else np.zeros(len(after)) for name in COLUMNS}
    filled = {name: np.insert(columns[name], at, fill[name]) for name in COLUMNS}
    bridged = np.insert(np.zeros(len(timestamps), dtype=np.bool_), at, True)
    return BarTable(stamps, bar_numbers(stamps, bar_ms, hours), filled, bridged)


def _open_times(
    start: np.int64, end: np.int64, bar_ms: int, hours: OpenHours | None
) -> npt.NDArray[np.int64]:
    """The bars between two bars at which the market is open."""
    times = np.arange(start + bar_ms, end, bar_ms, dtype=np.int64)
    return times if hours is None else times[~hours.is_closed(times)]
