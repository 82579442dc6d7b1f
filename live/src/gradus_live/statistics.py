"""Tests of means of values that depend on their neighbours in time; Student's t without scipy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Floats, Integers

__all__ = ["BlockTest", "block_test", "stretch_test", "student_quantile", "student_tail"]

_FEWEST_BLOCKS = 3
_TINY = 1e-300
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class BlockTest:
    """A mean, and how sure one may be that it is above 0.

    Attributes:
        mean: Of all values.
        error: Standard error of the mean, from the sums over blocks; 0 where it cannot be told.
        blocks: How many blocks hold values.
        p: One-sided: how often chance alone gives such a mean where the true one is 0; 1 where it cannot be
            told.
    """

    mean: float
    error: float
    blocks: int
    p: float

    def bounds(self, level: float) -> tuple[float, float]:
        """Return the two-sided confidence interval of the mean at a level such as 0.95.

        Infinite where there are too few blocks.
        """
        if self.blocks < _FEWEST_BLOCKS:
            return -math.inf, math.inf
        width = student_quantile(0.5 + level / 2, self.blocks - 1) * self.error
        return self.mean - width, self.mean + width


def block_test(blocks: Integers, values: Floats) -> BlockTest:
    """Test whether the mean of values is above 0, with sums over blocks of time as observations.

    The values of a block may depend on each other in any way. Blocks are taken as independent, so one must be
    much longer than the reach of a label. The error is that of a ratio of sums (Cochran, Sampling
    Techniques, 1977, chapter 9, to first order), as blocks hold different numbers of values.

    Args:
        blocks: int64 [N], which block each value is in.
        values: float64 [N], finite.

    >>> block_test(np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, 3.0, 2.0, 2.0, 1.0, 3.0])).mean
    2.0
    """
    n = len(values)
    if n == 0:
        return BlockTest(0.0, 0.0, 0, 1.0)
    _, place = np.unique(blocks, return_inverse=True)
    k = int(place.max()) + 1
    mean = float(values.mean())
    if k < _FEWEST_BLOCKS:
        return BlockTest(mean, 0.0, k, 1.0)
    rest = np.bincount(place, values) - mean * np.bincount(place)
    error = math.sqrt(float((rest**2).sum()) * k / (k - 1)) / n
    p = student_tail(mean / error, k - 1) if error > _ROUNDING * abs(mean) else 1.0
    return BlockTest(mean, error, k, p)


def stretch_test(values: Floats, stretches: int = 10) -> BlockTest:
    """Test whether the mean of values in time order is above 0, by the means of equal stretches of time.

    Few and long stretches: what a model gains over another comes and goes over weeks, and blocks as short as
    a label's reach take such a time for proof.

    Args:
        values: float64 [N], finite, in time order.
        stretches: How many, at least 3.

    Returns:
        `mean` is that of the stretches' means; nothing is proved by fewer than ten values a stretch.

    >>> round(stretch_test(np.arange(100.0) - 30).p, 4)
    0.0361
    """
    if len(values) < 10 * stretches:
        return BlockTest(float(values.mean()) if len(values) else 0.0, 0.0, 0, 1.0)
    means = np.array([part.mean() for part in np.array_split(values, stretches)])
    mean, error = float(means.mean()), float(means.std(ddof=1) / math.sqrt(stretches))
    p = student_tail(mean / error, stretches - 1) if error > _ROUNDING * abs(mean) else 1.0
    return BlockTest(mean, error, stretches, p)


def student_tail(t: float, freedom: float) -> float:
    """Return P(T > t) of Student's t distribution.

    From the regularised incomplete beta function by its continued fraction (Abramowitz and Stegun, 26.7.1 and
    26.5.8); right to about 1e-13.

    Args:
        t: Any finite number.
        freedom: Degrees of freedom, above 0.

    >>> round(student_tail(2.0, 9), 6)
    0.038276
    """
    half = 0.5 * _beta(freedom / (freedom + t * t), freedom / 2, 0.5)
    return half if t >= 0 else 1.0 - half


def student_quantile(p: float, freedom: float) -> float:
    """Return the t below which a share p of Student's distribution lies, by bisection.

    Args:
        p: In (0, 1).
        freedom: Degrees of freedom, above 0.

    >>> round(student_quantile(0.975, 9), 6)
    2.262157
    """
    if not 0 < p < 1:
        raise ValueError(f"p must be in (0, 1), but got {p}")
    if p < 0.5:
        return -student_quantile(1 - p, freedom)
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > 1 - p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if student_tail(middle, freedom) > 1 - p else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction is slow, the other tail is fast
        return 1.0 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1), _TINY)
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1.0 / (1.0 + term * d or _TINY)
            c = 1.0 + term / c or _TINY
            step = c * d
            result *= step
        if abs(step - 1.0) < 1e-15:
            break
    return result
