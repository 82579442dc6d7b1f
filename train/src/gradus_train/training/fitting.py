"""Fitting one member on one set of rows, and measuring it on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_train.config import EarlyStopping, Parameters
from gradus_train.kinds import KINDS, rounds_of
from gradus_train.training.imbalance import class_weights, oversample
from gradus_train.training.member import Features, Probabilities, RowNumbers, Work, trainer_of
from gradus_train.training.splits import tail_start

__all__ = ["FittedPart", "Recipe", "fit"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit a member: everything but the rows. `gap` separates the watched tail from the rows before."""

    kind: str
    parameters: Parameters
    class_weight: float
    smote: bool
    early_stopping: EarlyStopping
    gap: int
    seed: int


@dataclass(frozen=True, slots=True)
class FittedPart:
    """A fitted member.

    Attributes:
        model: Bytes of the model; empty where they were not wanted, and where there is none: see `classes`.
        classes: Class indices of the model's columns; a single one where the rows had no other: no model was
            fitted, and that class has probability 1.
        rounds: Boosting rounds; 0 for what has none.
        probabilities: Of the rows to measure, float64 [M, C], all classes.
        importances: float64 [F].
    """

    model: bytes
    classes: tuple[int, ...]
    rounds: int
    probabilities: Probabilities
    importances: npt.NDArray[np.float64]


def fit(
    recipe: Recipe, X: Features, y: RowNumbers, measure: Features, n_classes: int, *, keep_model: bool
) -> FittedPart:
    """Fit a member.

    Early stopping, class weights and SMOTE see only X and y. The tail that early stopping watches is the
    latest share of these rows, a gap apart; it is never oversampled.

    Args:
        recipe: How.
        X: Training rows, float32 [N, F], finite, in time order.
        y: Their class indices, int64 [N].
        measure: Rows to give probabilities of, float32 [M, F].
        n_classes: Of the whole problem; `y` may lack some.
        keep_model: Whether its bytes are wanted, or only what it says.

    Returns:
        The model and its probabilities over all classes; a class that `y` lacks has probability 0.
    """
    classes = np.unique(y)
    probabilities = np.zeros((len(measure), n_classes))
    if len(classes) == 1:
        probabilities[:, classes[0]] = 1.0
        return FittedPart(b"", (int(classes[0]),), 0, probabilities, np.zeros(X.shape[1]))
    kind = KINDS[recipe.kind]
    rounds = rounds_of(kind, recipe.parameters)
    head, tail = tail_start(len(y), recipe.early_stopping.tail, recipe.gap)
    end = len(y)
    if kind.rounds_parameter is not None and recipe.early_stopping.rounds > 0:
        found = _search_rounds(recipe, X[:head], y[:head], X[tail:], y[tail:], rounds)
        if found is not None:
            rounds = found
            end = len(y) if recipe.early_stopping.refit else head
            classes = np.unique(y[:end])
    model = trainer_of(kind).fit(
        _work(recipe, X[:end], y[:end], classes), recipe.parameters, rounds=rounds, seed=recipe.seed
    )
    if len(measure):
        probabilities[:, classes] = model.predict_proba(measure)
    return FittedPart(
        model.to_bytes() if keep_model else b"",
        tuple(int(c) for c in classes),
        rounds,
        probabilities,
        model.importances(),
    )


def _search_rounds(
    recipe: Recipe, X: Features, y: RowNumbers, tail_X: Features, tail_y: RowNumbers, rounds: int
) -> int | None:
    """Return the best number of rounds, or None where head and tail have no two classes to tell apart."""
    classes = np.unique(y)
    known = np.isin(tail_y, classes)
    if len(classes) < 2 or not known.any():
        return None
    head = _work(recipe, X, y, classes)
    weights = class_weights(np.searchsorted(classes, y), len(classes), recipe.class_weight)
    codes = np.searchsorted(classes, tail_y[known]).astype(np.int64)
    tail = Work(np.ascontiguousarray(tail_X[known]), codes, weights[codes], len(classes))
    return trainer_of(KINDS[recipe.kind]).best_rounds(
        head,
        tail,
        recipe.parameters,
        rounds=rounds,
        patience=recipe.early_stopping.rounds,
        seed=recipe.seed,
    )


def _work(recipe: Recipe, X: Features, y: RowNumbers, classes: RowNumbers) -> Work:
    codes = np.searchsorted(classes, y).astype(np.int64)
    if recipe.smote:
        X, codes = oversample(X, codes, recipe.seed)
    weights = class_weights(codes, len(classes), recipe.class_weight)
    return Work(np.ascontiguousarray(X), codes, weights[codes], len(classes))
