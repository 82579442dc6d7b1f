"""Means that may be looked at every day: a confidence sequence and an e-value for blocks of days.

A p-value that is looked at daily says "worse" sooner or later, whatever is true. These two do not: the chance
that they are ever wrong, at any look, is at most alpha. Blocks are taken as independent and normal with an
unknown variance; the factor of the Bayesian t-test with a normal prior on the effect and the right Haar prior
on the variance is then a martingale (H. Wang and A. Ramdas, "Anytime-valid t-tests and confidence sequences
for Gaussian means with unknown variance", 2023; the closed form is that of M. Goenen et al., "The Bayesian
two-sample t test", The American Statistician 59, 2005).

Blocks of a real record are skewed, and resemble those of the day before: a t-statistic takes both for a
fall. So both are widened, by the correction of N. J. Johnson, "Modified t tests and confidence intervals
for asymmetrical populations", JASA 73, 1978, and by the variance that a mean has where neighbours
correlate. They are never narrowed: what is proved for independent normal blocks stays proved. `python -m
benchmarks.daily_looks` says what is true of others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Floats, Integers

__all__ = [
    "ALPHA",
    "Blocks",
    "MeanSequence",
    "blocks_needed",
    "blocks_of_days",
    "evidence_below",
    "evidence_so_far",
    "mean_sequence",
]

ALPHA = 0.05
PRIOR = 0.1
"""Variance of the prior on the effect: means of about a third of a block's standard deviation."""
FEWEST = 5
"""With fewer blocks nothing is said: the variance is hardly known."""
MOST_CORRELATED = 0.5
WEEK = 7
_DAY_MS = 86_400_000
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Blocks:
    """Means over blocks of whole days, in time order.

    Attributes:
        days: int64 [K], the last day of each block, in days since 1970 UTC.
        means: float64 [K].
        counts: int64 [K], values in each block.
    """

    days: Integers
    means: Floats
    counts: Integers


@dataclass(frozen=True, slots=True)
class MeanSequence:
    """A mean of blocks and its confidence sequence: the true mean is in [low, high], at every look."""

    blocks: int
    mean: float
    low: float
    high: float


def blocks_of_days(stamps: Integers, values: Floats, bar_ms: int, fewest: int) -> Blocks:
    """Put values into blocks of whole days in UTC.

    Args:
        stamps: int64 [N], ms, rising.
        values: float64 [N].
        bar_ms: Length of a bar, ms: a day is whole when its last bar is there, or a later day has begun.
        fewest: A block ends with the day on which it holds so many values.
    """
    if not len(stamps):
        return Blocks(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    days = stamps // _DAY_MS
    last = int(days[-1])
    if (int(stamps[-1]) + bar_ms) // _DAY_MS == last:
        last -= 1
    ends, means, counts = [], [], []
    total, count = 0.0, 0
    for day in np.unique(days).tolist():
        if day > last:
            break
        part = values[days == day]
        total, count = total + float(part.sum()), count + len(part)
        if count >= fewest:
            ends.append(day)
            means.append(total / count)
            counts.append(count)
            total, count = 0.0, 0
    return Blocks(np.array(ends, np.int64), np.array(means), np.array(counts, np.int64))


def mean_sequence(means: Floats, alpha: float = ALPHA) -> MeanSequence:
    """Return the mean of blocks with its confidence sequence; infinite where nothing can be said yet.

    Args:
        means: float64 [K].
        alpha: The chance that the true mean is ever outside.
    """
    n = len(means)
    mean = float(means.mean()) if n else 0.0
    spread = float(means.std(ddof=1)) if n > 1 else 0.0
    width = _half_width(n, alpha) * _inflation(means)
    if n < FEWEST or math.isinf(width) or spread <= _TINY:
        return MeanSequence(n, mean, -math.inf, math.inf)
    shift = _skewness(means) * spread * (1 / (6 * n) + width * width / 3)
    low, high = mean - width * spread, mean + width * spread
    return MeanSequence(n, mean, low + min(0.0, shift), high + max(0.0, shift))


def _skewness(means: Floats) -> float:
    """The third central moment over the cube of the standard deviation; 0 for means that are all the same."""
    spread = float(means.std(ddof=1))
    return 0.0 if spread <= _TINY else float(((means - means.mean()) ** 3).mean()) / spread**3


def _half_width(n: int, alpha: float) -> float:
    """Half the width of the sequence, in standard deviations of a block; infinite for too few blocks."""
    if n < 2:
        return math.inf
    freedom, grown = n - 1, 1 + n * PRIOR
    c = (math.sqrt(grown) / alpha) ** (2 / n)
    if c >= grown:
        return math.inf
    return math.sqrt(freedom * (c - 1) / (1 - c / grown) / n)


def _inflation(means: Floats) -> float:
    """How much wider a mean scatters than that of independent blocks, as neighbours correlate.

    With a correlation r of neighbours, and its powers further on, differences over two blocks are wider than
    those over one by the root of 1 + r. Of both the median is taken, which a fall within does not move.
    """
    if len(means) < FEWEST:
        return 1.0
    near = float(np.median(np.abs(means[1:] - means[:-1])))
    far = float(np.median(np.abs(means[2:] - means[:-2])))
    if near <= _TINY:
        return 1.0
    correlation = min(MOST_CORRELATED, max(0.0, (far / near) ** 2 - 1))
    return math.sqrt((1 + correlation) / (1 - correlation))


def blocks_needed(distance: float, spread: float, alpha: float = ALPHA, most: int = 10_000) -> int:
    """Return after how many blocks the sequence is no wider than a distance to either side.

    Args:
        distance: Above 0.
        spread: Standard deviation of a block.
        alpha: As in `mean_sequence`.
        most: Returned where it takes more.
    """
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if _half_width(middle, alpha) * spread <= distance:
            high = middle
        else:
            low = middle + 1
    return low


def evidence_below(means: Floats) -> float:
    """Return an e-value against "the blocks' mean is 0 or above, all the time".

    It weighs a fall of the mean at the beginning of any week j by 4 / ((j + 3) (j + 4)), which sums to 1. If
    the mean is 0, the factor ends above 1 / alpha on either side with a chance of at most alpha, by symmetry
    on each with half of that; only falls count here, so they count twice. The chance that this is ever above
    1 / alpha is then at most alpha, up to half the chance that both sides are seen in one record.

    Args:
        means: float64 [K], in time order.
    """
    total = 0.0
    for j, start in enumerate(range(0, max(1, len(means)), WEEK), start=1):
        part = means[start:]
        weight = 2 * 4 / ((j + 3) * (j + 4))
        if len(part) >= FEWEST and part.mean() < 0:
            total += weight * _factor_of_fall(part)
    return total


def evidence_so_far(means: Floats) -> tuple[float, int]:
    """Return the largest `evidence_below` of all looks, one after each block, and the block of the first.

    What was said once stays said: that it was ever above 1 / alpha is what the bound is about. The block is
    the first at which it was above 1 / `ALPHA`, else that of the largest.
    """
    looks = [evidence_below(means[: k + 1]) for k in range(len(means))]
    if not looks:
        return 0.0, 0
    largest = max(looks)
    first = next((k for k, value in enumerate(looks) if value >= 1 / ALPHA), looks.index(largest))
    return largest, first


def _factor_of_fall(means: Floats) -> float:
    """The factor, made smaller where blocks are skewed or correlate; 0 where no fall is left then."""
    n, spread = len(means), float(means.std(ddof=1))
    if spread <= _TINY:
        return 1.0
    effect = float(means.mean()) / spread
    skewed = effect + max(0.0, _skewness(means)) * (1 / (6 * n) + effect * effect / 3)
    return _factor(n, skewed / _inflation(means)) if skewed < 0 else 0.0


def _factor(n: int, effect: float) -> float:
    """The Bayes factor of "the mean is not 0" against "it is 0".

    Args:
        n: Blocks.
        effect: Their mean over their standard deviation.
    """
    freedom, grown = n - 1, 1 + n * PRIOR
    t = effect * math.sqrt(n)
    exponent = n / 2 * (math.log1p(t * t / freedom) - math.log1p(t * t / (grown * freedom)))
    return math.exp(min(700.0, exponent - 0.5 * math.log(grown)))


def running(means: Sequence[float]) -> list[MeanSequence]:
    """Return the sequence as it stood after each block."""
    values = np.asarray(means)
    return [mean_sequence(values[: i + 1]) for i in range(len(values))]
