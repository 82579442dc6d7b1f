"""The close of a UTC date: that of its last bar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["daily_closes"]

_DAY_MS = 86_400_000


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
    wanted = (dates + 1) * _DAY_MS - bar_ms
    at = np.minimum(np.searchsorted(timestamps, wanted), max(len(timestamps) - 1, 0))
    if len(timestamps) == 0:
        return np.full(len(dates), np.nan)
    return np.where(timestamps[at] == wanted, close[at], np.nan)
