"""Many samples to one figure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

__all__ = ["grows_linearly", "medians", "ratio"]

TOLERANCE = 1.15
"""How far above its share of the work a cost may grow and still be called linear: the noise of a machine."""


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the samples that have it."""
    names = dict.fromkeys(name for sample in samples for name in sample)
    return {name: statistics.median(s[name] for s in samples if name in s) for name in names}


def ratio(value: float | None, base: float | None) -> float | None:
    """Return value / base; None where either is missing or the base is nothing."""
    return None if value is None or not base else value / base


def grows_linearly(factors: Sequence[float], costs: Sequence[float]) -> bool:
    """Say whether the cost grew no faster than the work, within `TOLERANCE`.

    Args:
        factors: The work, ascending, such as (1, 2, 4).
        costs: What each took.
    """
    return costs[-1] <= costs[0] * factors[-1] / factors[0] * TOLERANCE
