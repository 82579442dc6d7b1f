"""Intervals of means of values that depend on their neighbours in time, by drawing blocks anew.

The circular block bootstrap (D. Politis and J. Romano, "A circular block-resampling procedure for stationary
data", 1992): a history of the same length is put together of blocks of successive days drawn at random, the
last day followed by the first, many times; the interval holds the middle of what these histories give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Floats

__all__ = ["Interval", "ratio_interval"]

DRAWS = 2000
_FEWEST_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where the true one is, at a level; `low` and `high` are None where it cannot be told."""

    value: float
    low: float | None
    high: float | None


def ratio_interval(
    values: Floats, counts: Floats, *, block: int, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Return the sum of values over the sum of counts, with its interval.

    Args:
        values: float64 [D], such as the net return of each day.
        counts: float64 [D], what it is divided by: 1 / 7 for a week, the day's trades for a trade.
        block: Successive days that are drawn together: longer than what depends on each other.
        level: Of the interval.
        draws: Histories that are drawn.
        seed: The same seed gives the same interval.

    >>> ratio_interval(np.ones(40), np.ones(40), block=5)
    Interval(value=1.0, low=1.0, high=1.0)
    """
    n, total = len(values), float(counts.sum())
    if n == 0 or total == 0:
        return Interval(0.0, None, None)
    value = float(values.sum()) / total
    if n < _FEWEST_BLOCKS * block or np.count_nonzero(counts) < _FEWEST_BLOCKS:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    blocks = -(-n // block)
    starts = rng.integers(0, n, (draws, blocks))
    days = ((starts[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    drawn = counts[days].sum(axis=1)
    known = drawn > 0
    ratios = values[days].sum(axis=1)[known] / drawn[known]
    if len(ratios) < draws / 2:
        return Interval(value, None, None)
    low, high = np.quantile(ratios, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, float(low), float(high))
