"""The chi-square distribution, without SciPy.

Sources: NIST Digital Library of Mathematical Functions, 8.2 (regularised incomplete gamma functions), 8.7.1
(the series of P) and 8.9.2 (the continued fraction of Q), evaluated by the modified Lentz method.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["quantile", "survival"]

_TINY = 1e-300
_EPSILON = 1e-15
_STEPS = 10_000


def survival(x: float, df: float) -> float:
    """Return the probability that a chi-square variable of `df` degrees of freedom exceeds `x`."""
    if x <= 0.0:
        return 1.0
    a, z = df / 2.0, x / 2.0
    scale = math.exp(a * math.log(z) - z - math.lgamma(a))
    if z < a + 1.0:
        return 1.0 - scale * _series(a, z)
    return scale * _fraction(a, z)


@lru_cache(maxsize=256)
def quantile(tail: float, df: float) -> float:
    """Return the x that a chi-square variable of `df` degrees of freedom exceeds with probability `tail`."""
    low, high = 0.0, max(1.0, df)
    while survival(high, df) > tail:
        high *= 2.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2.0
        if survival(middle, df) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _series(a: float, z: float) -> float:
    """DLMF 8.7.1, without its factor: the sum of z^n / (a (a+1) ... (a+n))."""
    term = total = 1.0 / a
    for n in range(1, _STEPS):
        term *= z / (a + n)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _fraction(a: float, z: float) -> float:
    """DLMF 8.9.2, without its factor: 1 / (z + 1 - a - 1 (1 - a) / (z + 3 - a - ...))."""
    b = z + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for n in range(1, _STEPS):
        part = -n * (n - a)
        b += 2.0
        d = 1.0 / (part * d + b or _TINY)
        c = b + part / c or _TINY
        value *= d * c
        if abs(d * c - 1.0) < _EPSILON:
            break
    return value
