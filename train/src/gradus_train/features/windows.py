"""Windows of fixed length, summed term by term.

A running sum would carry the rounding of bars long gone: the same window would give other bits after another
history, and a flat window a deviation that is not quite 0. Here a window's value depends on the window alone.

In all of these features no polars column is divided by a constant: polars multiplies by the reciprocal, but
divides where a thread's part of the column has one row, so that the last bit would depend on the row count.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl

from gradus_train.features.segments import Floats, complete

__all__ = ["mean", "mean_of_counts", "position_in_band", "rank_correlation", "sample_std"]


def mean_of_counts(value: pl.Expr, bars: int) -> pl.Expr:
    """Mean of the last `bars` bars of what is never below 0; exactly 0 where all are 0."""
    return _window(value, bars, lambda x, n: _total(x, n) / n)


def mean(value: pl.Expr, bars: int) -> pl.Expr:
    """Mean of the last `bars` bars; exactly the value where the window is flat."""
    return _window(value, bars, lambda x, n: x + _mean_offset(x, n))


def sample_std(value: pl.Expr, bars: int) -> pl.Expr:
    """Standard deviation of the last `bars` bars, with bars - 1 below; exactly 0 where flat."""
    return _window(value, bars, lambda x, n: np.sqrt(_square_sum(x, n) / (n - 1)))


def position_in_band(value: pl.Expr, bars: int, width: float) -> pl.Expr:
    """Where the value is between mean - width s (0) and mean + width s (1); 0.5 where s is 0.

    s is the population standard deviation of the last `bars` bars.
    """

    def position(x: Floats, n: int) -> Floats:
        deviation = np.sqrt(_square_sum(x, n) / n)
        band = 2 * width * deviation
        result = np.full(len(x), 0.5)
        np.divide(width * deviation - _mean_offset(x, n), band, out=result, where=band != 0)
        return result

    return _window(value, bars, position)


def rank_correlation(value: pl.Expr, bars: int) -> pl.Expr:
    """Spearman correlation of value and time over the last `bars` bars; 0 where all values are equal.

    Pearson correlation of the ranks, where equal values share their mean rank. Ranks are doubled and centred,
    so that all sums are of small integers and exact.
    """
    return _window(value, bars, _rank_correlation)


def _window(value: pl.Expr, bars: int, function: Callable[[Floats, int], Floats]) -> pl.Expr:
    def run(series: pl.Series) -> pl.Series:
        values = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float64: unavailable as float32
            return pl.Series(function(values, bars), nan_to_null=True)

    return complete(value.map_batches(run, return_dtype=pl.Float64), bars)


def _before(x: Floats, k: int) -> Floats:
    """The value `k` rows before; NaN at the start."""
    result = np.full(len(x), np.nan)
    result[k:] = x[: max(len(x) - k, 0)]
    return result


def _total(x: Floats, bars: int) -> Floats:
    result = x.copy()
    for k in range(1, bars):
        result += _before(x, k)
    return result


def _mean_offset(x: Floats, bars: int) -> Floats:
    """Mean of the window minus its last value."""
    result = np.zeros(len(x))
    for k in range(1, bars):
        result += _before(x, k) - x
    return result / bars


def _square_sum(x: Floats, bars: int) -> Floats:
    offset = _mean_offset(x, bars)
    result = offset * offset
    for k in range(1, bars):
        result += ((_before(x, k) - x) - offset) ** 2
    return result


def _rank_correlation(x: Floats, bars: int) -> Floats:
    lagged = [_before(x, k) for k in range(bars)]
    rank = np.zeros((bars, len(x)))  # twice the rank in the window, centred
    for i, j in combinations(range(bars), 2):
        sign = np.sign(lagged[i] - lagged[j])
        rank[i] += sign
        rank[j] -= sign
    time = np.arange(bars - 1, -bars, -2, dtype=np.float64)
    scale = np.sqrt((rank * rank).sum(axis=0) * (time @ time))
    result = np.where(np.isnan(scale), np.nan, 0.0)
    np.divide(time @ rank, scale, out=result, where=scale > 0)
    return result
