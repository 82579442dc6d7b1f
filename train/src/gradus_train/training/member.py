"""What a member library must offer to be trained here, and the trained model as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gradus_train.config import Parameters
from gradus_train.kinds import Kind

__all__ = ["Features", "Fitted", "Probabilities", "RowNumbers", "Trainer", "Weights", "Work", "trainer_of"]

Features = npt.NDArray[np.float32]
RowNumbers = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """Rows to fit on.

    Attributes:
        X: Features, float32 [N, F], all finite.
        y: Class codes, int64 [N], 0 to `n_classes` - 1, each of them present.
        weights: Weight of each row, float64 [N].
        n_classes: 2 or more.
    """

    X: Features
    y: RowNumbers
    weights: Weights
    n_classes: int


class Fitted(Protocol):
    """A trained model."""

    def predict_proba(self, X: Features) -> Probabilities:
        """Return probabilities, float64 [N, n_classes], of rows float32 [N, F]."""
        ...

    def to_bytes(self) -> bytes:
        """Return the model in its library's portable format; the same model gives the same bytes."""
        ...

    def importances(self) -> npt.NDArray[np.float64]:
        """Return the importance of each feature, float64 [F], summing to 1 (or all 0: it has none)."""
        ...


class Trainer(Protocol):
    """Fits models of one kind."""

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> Fitted:
        """Fit for exactly `rounds` rounds (ignored by what has none), with one thread."""
        ...

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return after how many of at most `rounds` rounds the weighted log loss of `tail` is least.

        Stops looking after `patience` rounds without progress.
        """
        ...


def trainer_of(kind: Kind) -> Trainer:
    """Return the trainer of a kind, importing its library."""
    module, _, name = kind.trainer.partition(":")
    trainer: Trainer = getattr(import_module(module), name)
    return trainer
