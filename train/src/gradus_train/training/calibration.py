"""A temperature for a level's vote: fitted out of fold, and kept only where it is better fold-forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradus_runtime.contracts.manifest.calibration import HOTTEST, at_temperature
from gradus_train.training.member import Probabilities, RowNumbers

__all__ = ["Calibration", "choose_temperature", "fit_temperature", "log_loss"]

_STEPS = 48
_DIGITS = 4
_GOLDEN = (5**0.5 - 1) / 2
_SMALLEST = 1e-15


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a temperature does for a level.

    Attributes:
        temperature: Fitted on all folds.
        by_fold: For each fold, fitted on all the others.
        forward: Log loss of the folds after the first, each with a temperature fitted on those before it.
        without: Log loss of the same rows as they were voted.
    """

    temperature: float
    by_fold: tuple[float, ...]
    forward: float
    without: float

    @property
    def kept(self) -> bool:
        """Whether it is better fold-forward."""
        return self.forward < self.without


def choose_temperature(votes: Sequence[Probabilities], labels: Sequence[RowNumbers]) -> Calibration | None:
    """Fit temperatures to out-of-fold votes; None with fewer than two folds.

    Args:
        votes: By fold, in time order, float64 [N, C], of models that were fitted on earlier rows.
        labels: By fold, int64 [N].
    """
    if len(votes) < 2:
        return None
    numbers = range(len(votes))

    def fitted(chosen: Sequence[int]) -> float:
        rows = [votes[i] for i in chosen]
        return fit_temperature(np.concatenate(rows), np.concatenate([labels[i] for i in chosen]))

    forward = [at_temperature(votes[i], fitted(range(i))) for i in numbers[1:]]
    later = np.concatenate(list(labels[1:]))
    return Calibration(
        temperature=fitted(numbers),
        by_fold=tuple(fitted([j for j in numbers if j != i]) for i in numbers),
        forward=log_loss(np.concatenate(forward), later),
        without=log_loss(np.concatenate(list(votes[1:])), later),
    )


def fit_temperature(p: Probabilities, labels: RowNumbers) -> float:
    """Return the temperature with the least log loss, rounded to four digits.

    Log loss is convex in 1 / temperature, so a golden section finds the least.

    Args:
        p: Votes, float64 [N, C].
        labels: int64 [N].
    """
    low, high = 1.0 / HOTTEST, HOTTEST
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _loss(p, labels, left) <= _loss(p, labels, right):
            high = right
        else:
            low = left
    return min(HOTTEST, max(1.0 / HOTTEST, round(2.0 / (low + high), _DIGITS)))


def log_loss(p: Probabilities, labels: RowNumbers) -> float:
    """Mean negative logarithm of the probability of what came."""
    return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], _SMALLEST)).mean())


def _loss(p: Probabilities, labels: RowNumbers, inverse: float) -> float:
    return log_loss(at_temperature(p, 1.0 / inverse), labels)
