"""The number of a bar: how many bars the market has had open before it. A gap is a jump of the number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.features_graph import Closing, GapRule, ZoneTable
from gradus_runtime.errors import DataError
from gradus_runtime.records import dataclass

__all__ = ["OpenHours", "bar_numbers", "open_hours"]

Integers = npt.NDArray[np.int64]
_WEEK_MS = 7 * 86_400_000
_MINUTE_MS = 60_000
_MONDAY_MS = 4 * 86_400_000  # 1970-01-05


@dataclass(frozen=True, slots=True, eq=False)
class OpenHours:
    """When a market is closed, in UTC.

    Attributes:
        starts: int64 [K], rising, ms since 1970: a closing begins.
        ends: int64 [K]: it ends; at or before the next start.
        closed_before: int64 [K + 1], how long the market was closed in the first 0, 1, ... K of them, ms.
    """

    starts: Integers
    ends: Integers
    closed_before: Integers

    def closed_until(self, times: Integers) -> Integers:
        """How long the market was closed before each time, ms."""
        k = np.searchsorted(self.starts, times, side="right")
        into = np.zeros(len(times), dtype=np.int64)
        inside = k > 0
        into[inside] = np.minimum(times[inside], self.ends[k[inside] - 1]) - self.starts[k[inside] - 1]
        return np.where(inside, self.closed_before[np.maximum(k - 1, 0)] + into, 0)

    def is_closed(self, times: Integers) -> npt.NDArray[np.bool_]:
        """Whether the market is closed at each time."""
        k = np.searchsorted(self.starts, times, side="right")
        closed = np.zeros(len(times), dtype=np.bool_)
        closed[k > 0] = times[k > 0] < self.ends[k[k > 0] - 1]
        return closed


def open_hours(rule: GapRule) -> OpenHours | None:
    """Return the closings of the whole span of the rule's zone; None for a market that never closes."""
    if rule.zone is None:
        return None
    spans = [_spans(closing, rule.zone) for closing in rule.closings]
    starts, ends = (np.sort(np.concatenate(x)) for x in zip(*spans, strict=True))
    keep = np.concatenate([[True], starts[1:] > ends[:-1]])  # closings that touch are one
    starts, ends = starts[keep], ends[np.concatenate([keep[1:], [True]])]
    before = np.concatenate([[0], np.cumsum(ends - starts)])
    return OpenHours(starts, ends, before)


def _spans(closing: Closing, zone: ZoneTable) -> tuple[Integers, Integers]:
    """Starts and ends of one closing in every week that the zone's table covers, in UTC."""
    first = (zone.from_ms - _MONDAY_MS) // _WEEK_MS - 1
    last = (zone.until_ms - _MONDAY_MS) // _WEEK_MS + 1
    week = _MONDAY_MS + np.arange(first, last + 1, dtype=np.int64) * _WEEK_MS
    end = closing.end if closing.end > closing.start else closing.end + _WEEK_MS // _MINUTE_MS
    return _to_utc(week + closing.start * _MINUTE_MS, zone), _to_utc(week + end * _MINUTE_MS, zone)


def _to_utc(local: Integers, zone: ZoneTable) -> Integers:
    changes, offsets = np.array(zone.changes_ms, dtype=np.int64), np.array(zone.offsets_ms, dtype=np.int64)
    utc = local
    for _ in range(2):  # the offset of a time that is off by one change of clocks, then the right one
        utc = local - offsets[np.searchsorted(changes, utc, side="right")]
    return utc


def bar_numbers(timestamps: Integers, bar_ms: int, hours: OpenHours | None = None) -> Integers:
    """Return the number of each bar: one more than the bar before where no bar is missing between.

    Args:
        timestamps: int64 [N], ms UTC of the open, on the grid of `bar_ms`.
        bar_ms: Length of a bar.
        hours: Of `open_hours`; None where the market never closes.

    Raises:
        DataError: A bar opens while the market is closed.
    """
    if hours is None:
        return timestamps // bar_ms
    closed = np.flatnonzero(hours.is_closed(timestamps))
    if len(closed):
        raise DataError(
            "no bar may open in the market's closing hours",
            place=f"bar {closed[0]}",
            value=str(np.datetime64(int(timestamps[closed[0]]), "ms")),
            hint="Leave such bars out, or correct the closing hours.",
        )
    return (timestamps - hours.closed_until(timestamps)) // bar_ms
