"""Does a feature look like the future? A causal feature follows the price; a leak runs ahead of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.bars import Floats
from gradus_runtime.wording import counted
from gradus_train.data.dataset import Dataset

__all__ = ["Suspicion", "suspicions"]

LIMIT = 0.3
FURTHEST = 96
_MIN_ROWS = 200


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A feature that moves with returns that come after its bar.

    Attributes:
        feature: Its name.
        ahead: How many bars after its own the return lies that it moves with most.
        correlation: Rank correlation with that return.
        sentence: For people.
    """

    feature: str
    ahead: int
    correlation: float
    sentence: str


def suspicions(dataset: Dataset) -> tuple[Suspicion, ...] | None:
    """Look at every feature, and at its change from the bar before, beside later returns.

    Returns are of one bar, and of as many as a label reaches, in units of recent volatility; they begin 1 to
    96 bars after the feature's own. A rank correlation (Spearman, 1904) of 0.3 or more in size is no edge
    that a market leaves: an edge that pays has some 0.05, and the strongest planted one of the tests 0.16,
    while a feature moved four bars into the future has 0.9.

    Args:
        dataset: Rows with prices.

    Returns:
        One entry a suspicious feature, in the order of the features; None where there are no prices.
    """
    if dataset.sigma is None:
        return None
    adjacent = np.append(False, np.diff(dataset.timestamps) == dataset.bar_ms)
    moves = _returns(dataset, adjacent)
    reach = min(dataset.rule.reach, FURTHEST)
    targets = [_ranks(moves)]
    if reach > 1:
        targets.append(_ranks(_sums(moves, reach)))
    features = dataset.features.astype(np.float64)
    changes = np.full(features.shape, np.nan)
    changes[1:] = np.diff(features, axis=0)
    changes[~adjacent] = np.nan
    strongest = [_strongest(source, targets) for source in (features, changes)]
    found = []
    for i, name in enumerate(dataset.names):
        ahead, size = max((leads[i] for leads in strongest), key=lambda lead: abs(lead[1]))
        if abs(size) >= LIMIT:
            bars = f"{counted(ahead, 'bar')} ahead"
            words = (
                f"{name} looks like the future: its rank correlation with returns {bars} is {size:+.2f}, and "
                f"that of a feature that knows the past alone is below {LIMIT} in size"
            )
            found.append(Suspicion(name, ahead, size, words))
    return tuple(found)


def _returns(dataset: Dataset, adjacent: npt.NDArray[np.bool_]) -> Floats:
    """Log return of each bar over the volatility that was known before it; NaN where a bar is missing."""
    moves = np.full(len(dataset.close), np.nan)
    if dataset.sigma is not None and len(moves) > 1:
        moves[1:] = np.log(dataset.close[1:] / dataset.close[:-1]) / dataset.sigma[:-1]
    moves[~adjacent] = np.nan
    return moves


def _sums(moves: Floats, bars: int) -> Floats:
    """Sum of each value and the next `bars` - 1, float64 [N]; NaN where one is not known."""
    total = np.full(len(moves), np.nan)
    n = len(moves) - bars + 1
    if n > 0:
        total[:n] = sum(moves[k : k + n] for k in range(bars))
    return total


def _strongest(source: Floats, targets: list[Floats]) -> list[tuple[int, float]]:
    """Return for each column the lead, at least 1 bar, with the largest correlation in size, and that one.

    Ranks are centred and scaled over all rows of a series; rows where either is unknown are left out.
    """
    columns = np.ascontiguousarray(np.column_stack([_ranks(c) for c in source.T]).T)
    known = (~np.isnan(columns)).astype(np.float64)
    columns = np.nan_to_num(columns)
    n, best = columns.shape[1], [(1, 0.0)] * len(columns)
    for target in targets:
        there = (~np.isnan(target)).astype(np.float64)
        values = np.nan_to_num(target)
        for lead in range(1, min(FURTHEST, n - _MIN_ROWS) + 1):
            counts = known[:, :-lead] @ there[lead:]
            sizes = np.where(
                counts >= _MIN_ROWS, columns[:, :-lead] @ values[lead:] / np.maximum(counts, 1), 0
            )
            for i in np.flatnonzero(np.abs(sizes) > [abs(size) for _, size in best]).tolist():
                best[i] = (lead, float(sizes[i]))
    return best


def _ranks(values: Floats) -> Floats:
    """Ranks, ties averaged, with mean 0 and deviation 1; NaN where there is no value, or only one."""
    result = np.full(len(values), np.nan)
    known = np.isfinite(values)
    distinct, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    if len(distinct) > 1:
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
        result[known] = (ranks - ranks.mean()) / ranks.std()
    return result
