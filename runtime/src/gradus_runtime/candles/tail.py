"""The newest bars of a market's history, taken one by one: what a feed keeps.

Values here never change: taking a bar gives another tail. So whoever reads one sees it whole, whatever other
threads and signal handlers do meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles.bridging import COLUMNS
from gradus_runtime.candles.numbering import OpenHours, bar_numbers

__all__ = ["CandleTail", "FeedCounts"]

_CLOSE = COLUMNS.index("close")
_DAY_MS = 86_400_000
_MOST_DATES = 1024
_A_FEW = 64


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """What came of the candles that a feed was given, those of its history among them.

    Attributes:
        added: Newer than all before.
        repeated: There already, with the same values.
        corrected: There already, with other values, which were replaced.
        late: Put between bars that were there.
        too_old: Older than what is kept; ignored.
        refused: Broke a rule; ignored, so that the bar counts as missing unless it comes in another form.
    """

    added: int = 0
    repeated: int = 0
    corrected: int = 0
    late: int = 0
    too_old: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CandleTail:
    """Bars, rising in time, and the closes of dates that are older than these.

    Attributes:
        bar_ms: Length of a bar.
        times: int64 [T], ms UTC of the open.
        values: float64 [5, T], in the order of `COLUMNS`.
        closes: Days since 1970 to the close of the date's last bar, and how long the gap was that this bar
            lay in: 0 where the market had it, else the close is that of the bar before the gap.
        counts: What came of what was added.
    """

    bar_ms: int
    times: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(COLUMNS), 0)))
    closes: Mapping[int, tuple[float, int]] = field(default_factory=dict)
    counts: FeedCounts = field(default_factory=FeedCounts)

    def columns(self, count: int) -> dict[str, npt.NDArray[np.float64]]:
        """The first `count` bars by the names of `COLUMNS`, float64 [count] each."""
        return {name: self.values[i, :count] for i, name in enumerate(COLUMNS)}

    def add(
        self,
        times: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        *,
        most: int,
        hours: OpenHours | None,
    ) -> CandleTail:
        """Return the tail with more bars.

        Args:
            times: int64 [N], rising, on the grid.
            values: float64 [5, N].
            most: How many bars to keep, the newest.
            hours: When the market is closed; None where it never is.
        """
        tail, newer = self, 0
        if len(self.times):
            newer = int(np.searchsorted(times, self.times[-1], side="right"))
            for i in range(newer):
                tail = tail._put(times[i], values[:, i])
        if newer < len(times):
            counts = replace(tail.counts, added=tail.counts.added + len(times) - newer)
            tail = replace(
                tail,
                times=np.concatenate([tail.times, times[newer:]]),
                values=np.concatenate([tail.values, values[:, newer:]], axis=1),
                counts=counts,
            )
        return tail._newest(most, hours)

    def refused(self, count: int) -> CandleTail:
        """Return the tail with more refused candles counted."""
        return replace(self, counts=replace(self.counts, refused=self.counts.refused + count))

    def _put(self, time: np.int64, bar: npt.NDArray[np.float64]) -> CandleTail:
        """The tail with a bar that is not newer than all others."""
        counts = self.counts
        at = int(np.searchsorted(self.times, time))
        if self.times[at] != time:
            if at == 0:
                return replace(self, counts=replace(counts, too_old=counts.too_old + 1))
            return replace(
                self,
                times=np.insert(self.times, at, time),
                values=np.insert(self.values, at, bar, axis=1),
                counts=replace(counts, late=counts.late + 1),
            )
        if (self.values[:, at] == bar).all():
            return replace(self, counts=replace(counts, repeated=counts.repeated + 1))
        values = self.values.copy()
        values[:, at] = bar
        return replace(self, values=values, counts=replace(counts, corrected=counts.corrected + 1))

    def _newest(self, most: int, hours: OpenHours | None) -> CandleTail:
        """The newest bars; of dates whose last bar goes, the close stays."""
        gone = len(self.times) - most
        if gone <= 0:
            return self
        closes = self._closes_before(gone, hours)
        if closes:
            closes = {**self.closes, **closes}
            closes = {date: closes[date] for date in sorted(closes)[-_MOST_DATES:]}
        times, values = self.times[gone:], self.values[:, gone:]
        if gone > _A_FEW:  # else the bars that go are freed with the next one
            times, values = times.copy(), values.copy()
        return replace(self, times=times, values=values, closes=closes or self.closes)

    def _closes_before(self, first: int, hours: OpenHours | None) -> dict[int, tuple[float, int]]:
        """Closes of the dates whose last bar comes before the bar `first`, and no earlier than bar 0."""
        start, end = int(self.times[0]), int(self.times[first])
        dates = np.arange(start // _DAY_MS, end // _DAY_MS + 1)
        ends = (dates + 1) * _DAY_MS - self.bar_ms
        wanted = (ends >= start) & (ends < end)
        if not wanted.any():
            return {}
        dates, ends = dates[wanted], ends[wanted]
        if hours is not None:
            opened = ~hours.is_closed(ends)
            dates, ends = dates[opened], ends[opened]
        before = np.searchsorted(self.times, ends, side="right") - 1
        after = before + 1  # at most `first`
        numbers = bar_numbers(self.times[: first + 1], self.bar_ms, hours)
        gaps = np.where(self.times[before] == ends, 0, numbers[after] - numbers[before] - 1)
        found = self.values[_CLOSE, before].tolist()
        return dict(zip(dates.tolist(), zip(found, gaps.tolist(), strict=True), strict=True))
