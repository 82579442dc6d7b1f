"""How much a price moves, known at the bar: volatility of a bar, and average true range."""

from __future__ import annotations

import numpy as np

from gradus_live.bars import Bars, Floats

__all__ = ["average_true_range", "recent_volatility"]


def recent_volatility(bars: Bars, window: int) -> Floats:
    """Return the root of the mean of squared log returns of one bar, over the `window` bars up to each bar.

    A return over a gap is left out. The sum runs from the oldest bar to the newest, so that the tail of a
    history gives the same bits as the whole of it.

    Args:
        bars: N bars.
        window: Bars to look back, at least 2.

    Returns:
        float64 [N], a fraction; NaN where fewer than half of the window's returns are known, and where the
        price did not move.
    """
    n = len(bars.close)
    squares = np.full(n, np.nan)
    if n > 1:
        next_to = np.diff(bars.timestamps) == bars.bar_ms
        moves = np.log(bars.close[1:] / bars.close[:-1])
        squares[1:] = np.where(next_to, moves * moves, np.nan)
    mean = _window_mean(squares, window)
    return np.where(mean > 0, np.sqrt(mean), np.nan)


def average_true_range(bars: Bars, window: int) -> Floats:
    """Return the mean true range (Wilder, 1978) over the `window` bars up to each bar, relative to its close.

    The plain mean, not Wilder's smoothing, which never forgets: a tail gives the same bits as the whole. The
    true range of a bar after a gap, and of the first, is its high minus its low.

    Args:
        bars: N bars with open, high and low.
        window: Bars to look back, at least 1.

    Returns:
        float64 [N], a fraction; NaN where fewer than half of the window's bars are known, and where it is 0.

    Raises:
        ValueError: The bars have no high and low.
    """
    if bars.high is None or bars.low is None:
        raise ValueError("the average true range needs high and low")
    reach = bars.high - bars.low
    if len(reach) > 1:
        next_to = np.diff(bars.timestamps) == bars.bar_ms
        before = bars.close[:-1]
        wider = np.maximum(
            reach[1:], np.maximum(np.abs(bars.high[1:] - before), np.abs(bars.low[1:] - before))
        )
        reach[1:] = np.where(next_to, wider, reach[1:])
    mean = _window_mean(reach, window) / bars.close
    return np.where(mean > 0, mean, np.nan)


def _window_mean(values: Floats, window: int) -> Floats:
    """Mean of the known values among the last `window`, oldest first; NaN where fewer than half are known."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    total, count = np.zeros(len(values)), np.zeros(len(values), dtype=np.int64)
    for back in range(min(window, len(values)) - 1, -1, -1):
        total[back:] += filled[: len(values) - back]
        count[back:] += known[: len(values) - back]
    enough = 2 * count >= window
    return np.where(enough, total / np.maximum(count, 1), np.nan)
