"""Daily series as the features graph takes them, and the closes of dates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradus_runtime.records import dataclass, field

__all__ = ["DailyTable", "daily_closes"]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class DailyTable:
    """Daily values, each known when its date is over.

    Attributes:
        dates: int64 [D], days since 1970, rising.
        series: Name to float64 [D]; NaN where a value is not known.
        close: float64 [D], closes of dates whose last bar is not among the bars: what a feed keeps beside its
            tail. None where there are none.
    """

    dates: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    series: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    close: npt.NDArray[np.float64] | None = None

    def closes(
        self, timestamps: npt.NDArray[np.int64], close: npt.NDArray[np.float64], bar_ms: int
    ) -> npt.NDArray[np.float64]:
        """The closes of all dates, float64 [D]: of the bars, else as given, else NaN."""
        found = daily_closes(timestamps, close, self.dates, bar_ms)
        return found if self.close is None else np.where(np.isnan(found), self.close, found)

    def latest(self, count: int) -> DailyTable:
        """The last `count` dates."""
        keep = slice(max(0, len(self.dates) - count), None)
        series = {name: values[keep] for name, values in self.series.items()}
        return DailyTable(self.dates[keep], series, None if self.close is None else self.close[keep])


def daily_closes(
    timestamps: npt.NDArray[np.int64],
    close: npt.NDArray[np.float64],
    dates: npt.NDArray[np.int64],
    bar_ms: int,
) -> npt.NDArray[np.float64]:
    """Return the close of the last bar of each date, float64 [D]; NaN where that bar is missing.

    Args:
        timestamps: int64 [N], ms UTC of the open, rising.
        close: float64 [N].
        dates: int64 [D], days since 1970.
        bar_ms: Length of a bar; it divides a day.
    """
    if len(timestamps) == 0:
        return np.full(len(dates), np.nan)
    wanted = (dates + 1) * _DAY_MS - bar_ms
    at = np.minimum(np.searchsorted(timestamps, wanted), len(timestamps) - 1)
    return np.where(timestamps[at] == wanted, close[at], np.nan)
