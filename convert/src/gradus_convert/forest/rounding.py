"""Native split rules as the IR's one rule: float32 thresholds u with `x <= u`, for every float32 x but NaN.

Infinities count: a threshold of -inf has -inf alone go left, one of +inf every number, NaN says that no
number does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST", "at_most", "at_most_with_zero_band", "below", "round_down"]

Float32 = npt.NDArray[np.float32]

LARGEST = np.finfo(np.float32).max
_MINUS_INF = np.float32(-np.inf)
# LightGBM, include/LightGBM/meta.h: `const double kZeroThreshold = 1e-35f;`
_ZERO_BAND = np.float32(1e-35)


def round_down(t: npt.ArrayLike) -> Float32:
    """The largest float32 that is at most t; -inf where there is none.

    Args:
        t: float64, no NaN.
    """
    exact = np.asarray(t, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        nearest = exact.astype(np.float32)
        down = np.where(nearest.astype(np.float64) > exact, np.nextafter(nearest, _MINUS_INF), nearest)
    return np.asarray(down, np.float32)


def at_most(t: npt.ArrayLike) -> Float32:
    """`x <= t` with t float64: u is t rounded down.

    scikit-learn's forests compare so: `X[i, feature] <= threshold`, float32 against float64.
    """
    return round_down(t)


def below(t: npt.ArrayLike) -> Float32:
    """`x < t` with t float32: u is the next float32 down, NaN below -inf.

    XGBoost compares so: `fvalue < split_cond`.
    """
    exact = np.asarray(t, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        down = np.nextafter(exact, _MINUS_INF)
    return np.where(np.isneginf(exact), np.float32(np.nan), down)


def at_most_with_zero_band(t: npt.ArrayLike) -> Float32:
    """LightGBM's `x <= t`, t float64, where every abs(x) <= 1e-35 stands for 0.0.

    The dense rows of its C interface drop such values. So all of the band goes left iff `0.0 <= t`: u moves
    up to the band's upper end where t >= 0, and below its lower end where t < 0, if it lies inside the band.
    """
    exact = np.asarray(t, np.float64)
    u = at_most(exact)
    below_band = np.nextafter(-_ZERO_BAND, _MINUS_INF)
    return np.where(exact >= 0, np.maximum(u, _ZERO_BAND), np.minimum(u, below_band)).astype(np.float32)
