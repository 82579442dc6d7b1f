"""What choosing the best of many does to a figure: how much of it is luck.

The deflated Sharpe ratio (D. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio
Management 40(5), 2014) asks whether a Sharpe ratio is above what the best of so many trials without any skill
would show. The probability of backtest overfitting (D. Bailey, J. Borwein, M. Lopez de Prado and Q. Zhu, "The
Probability of Backtest Overfitting", Journal of Computational Finance 20(4), 2017) asks how often what was
best on one half of the days is no better than the median on the other half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np

from gradus_live.bars import Floats, Integers
from gradus_runtime.errors import UsageError

__all__ = ["Moments", "deflated_sharpe", "expected_best", "moments_of", "overfitting"]

BLOCKS = 10
"""Blocks of successive days: 252 ways to take half of them."""
_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Moments:
    """How returns are spread, none of it annualised.

    Attributes:
        count: How many there are.
        sharpe: Mean by standard deviation of the sample.
        skew: Third standardised moment.
        kurtosis: Fourth standardised moment: 3 for the normal distribution.
    """

    count: int
    sharpe: float
    skew: float
    kurtosis: float


def moments_of(returns: Floats) -> Moments | None:
    """Return the moments of returns; None where they do not vary, or where there are fewer than 3.

    Args:
        returns: float64 [T], each of the same time, such as a day.

    >>> moments_of(np.array([0.01, -0.01, 0.02, 0.02])).count
    4
    """
    if len(returns) < 3 or np.ptp(returns) == 0:
        return None
    away = returns - returns.mean()
    scale = float(np.sqrt((away**2).mean()))
    return Moments(
        count=len(returns),
        sharpe=float(returns.mean() / returns.std(ddof=1)),
        skew=float((away**3).mean() / scale**3),
        kurtosis=float((away**4).mean() / scale**4),
    )


def expected_best(trials: int, spread: float) -> float:
    """Return the Sharpe ratio that the best of trials without skill is expected to show.

    Args:
        trials: How many, each independent of the others; where they are alike, this is too much, and what
            follows from it too strict.
        spread: Standard deviation of the trials' Sharpe ratios.

    Raises:
        UsageError: No trial.

    >>> round(expected_best(100, math.sqrt(0.5 / 250)), 4)
    0.1132
    """
    if trials < 1:
        raise UsageError("there must be at least one trial", place="trials", value=trials)
    if trials == 1:
        return 0.0
    normal = NormalDist()
    near, far = normal.inv_cdf(1 - 1 / trials), normal.inv_cdf(1 - 1 / (trials * math.e))
    return spread * ((1 - _EULER) * near + _EULER * far)


def deflated_sharpe(moments: Moments, benchmark: float) -> float | None:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    Args:
        moments: Of the returns.
        benchmark: Of `expected_best`; 0 asks whether there is anything at all.

    Returns:
        None where so few and so skewed returns do not tell.

    >>> paper = Moments(1250, 2.5 / math.sqrt(250), -3.0, 10.0)
    >>> round(deflated_sharpe(paper, expected_best(100, math.sqrt(0.5 / 250))), 4)
    0.9004
    """
    m = moments
    scale = 1 - m.skew * m.sharpe + (m.kurtosis - 1) / 4 * m.sharpe**2
    if scale <= 0:
        return None
    return NormalDist().cdf((m.sharpe - benchmark) * math.sqrt(m.count - 1) / math.sqrt(scale))


def overfitting(scores: Floats, weights: Floats | None = None, *, blocks: int = BLOCKS) -> float | None:
    """Return the probability of backtest overfitting, by combinatorially symmetric cross-validation.

    Days are cut into blocks. For every half of the blocks the column that is best there is looked up in the
    other half: the result is the share of the halves in which it is no better than the median there.

    Args:
        scores: float64 [D, N], sums by day and trial; larger is better.
        weights: float64 [D], what a day's sums are of, such as rows; days weigh alike by default.
        blocks: How many, an even number.

    Returns:
        None with fewer than two trials, or fewer days than blocks.

    Raises:
        UsageError: An odd number of blocks.

    >>> overfitting(np.tile([1.0, 2.0, 3.0, 4.0], (20, 1)), blocks=4)
    0.0
    """
    if blocks < 2 or blocks % 2:
        raise UsageError("blocks must be an even number", place="blocks", value=blocks)
    days, trials = scores.shape
    if trials < 2 or days < blocks:
        return None
    each = np.ones(days) if weights is None else weights
    edges = np.array([part[0] for part in np.array_split(np.arange(days), blocks)])
    sums, counts = np.add.reduceat(scores, edges), np.add.reduceat(each, edges)
    halves = _halves(blocks)
    here, there = halves @ sums, sums.sum(axis=0) - halves @ sums
    mine, theirs = halves @ counts, counts.sum() - halves @ counts
    known = (mine > 0) & (theirs > 0)
    if not known.any():
        return None
    here, there = here[known] / mine[known, None], there[known] / theirs[known, None]
    best = here.argmax(axis=1)
    found = there[np.arange(len(best)), best][:, None]
    rank = (there < found).sum(axis=1) + ((there == found).sum(axis=1) + 1) / 2
    return float((rank <= (trials + 1) / 2).mean())


def _halves(blocks: int) -> Integers:
    """Every way to take half of the blocks: int64 [ways, blocks], 1 for those that are taken."""
    taken = list(combinations(range(blocks), blocks // 2))
    result = np.zeros((len(taken), blocks), dtype=np.int64)
    result[np.arange(len(taken))[:, None], np.array(taken)] = 1
    return result
