"""Members from scikit-learn: forests, HistGradientBoosting, scaled logistic regression; kept by skops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from gradus_train.config import Parameters
from gradus_train.training.member import Features, Probabilities, Work
from gradus_train.training.skops_bytes import stable_bytes

__all__ = [
    "EXTRA_TREES",
    "HIST_GRADIENT_BOOSTING",
    "LOGISTIC_REGRESSION",
    "RANDOM_FOREST",
    "EstimatorTrainer",
    "SklearnFitted",
]

Build = Callable[[Parameters, int, int], Any]


class SklearnFitted:
    """A trained estimator."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def predict_proba(self, X: Features) -> Probabilities:
        """Return probabilities, float64 [N, C]."""
        return np.asarray(self._estimator.predict_proba(X), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return the estimator in skops' format, with ids and times that do not change."""
        return stable_bytes(self._estimator)

    def importances(self) -> npt.NDArray[np.float64]:
        """Return impurity importances, or sizes of scaled coefficients; all 0 where there is neither."""
        last = self._estimator.steps[-1][1] if isinstance(self._estimator, Pipeline) else self._estimator
        if hasattr(last, "feature_importances_"):
            return np.asarray(last.feature_importances_, dtype=np.float64)
        if hasattr(last, "coef_"):
            sizes = np.abs(np.asarray(last.coef_, dtype=np.float64)).mean(axis=0)
            total = float(sizes.sum())
            return np.asarray(sizes / total if total > 0 else sizes, dtype=np.float64)
        return np.zeros(int(self._estimator.n_features_in_))


class EstimatorTrainer:
    """Fits what `build(parameters, rounds, seed)` returns. Every estimator here runs on one thread.

    Forests draw each tree's randomness from `random_state` before the trees are grown, so they are the same
    for any number of threads; summing their probabilities is not, hence one thread.
    """

    def __init__(self, build: Build) -> None:
        self._build = build

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> SklearnFitted:
        """Fit for `rounds` rounds."""
        estimator = self._build(parameters, rounds, seed)
        key = (
            f"{estimator.steps[-1][0]}__sample_weight" if isinstance(estimator, Pipeline) else "sample_weight"
        )
        return SklearnFitted(estimator.fit(work.X, work.y, **{key: work.weights}))

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return the number of rounds with the least weighted log loss on `tail`, from staged predictions."""
        estimator = self._build(parameters, rounds, seed).fit(work.X, work.y, sample_weight=work.weights)
        best, best_loss = 1, np.inf
        for done, stage in enumerate(estimator.staged_predict_proba(tail.X), start=1):
            loss = log_loss(tail.y, stage, labels=range(work.n_classes), sample_weight=tail.weights)
            if loss < best_loss:
                best, best_loss = done, loss
            elif done - best >= patience:
                break
        return best


def _forest(parameters: Parameters, rounds: int, seed: int) -> Any:
    """Build a RandomForestClassifier."""
    return RandomForestClassifier(**parameters, random_state=seed, n_jobs=1)


def _extra_trees(parameters: Parameters, rounds: int, seed: int) -> Any:
    """Build an ExtraTreesClassifier."""
    return ExtraTreesClassifier(**parameters, random_state=seed, n_jobs=1)


def _hist_boosting(parameters: Parameters, rounds: int, seed: int) -> Any:
    """Build a HistGradientBoostingClassifier; its own early stopping, on rows drawn at random, is off."""
    own = {key: value for key, value in parameters.items() if key != "max_iter"}
    return HistGradientBoostingClassifier(**own, max_iter=rounds, early_stopping=False, random_state=seed)


def _logistic(parameters: Parameters, rounds: int, seed: int) -> Any:
    """Build a logistic regression on standardised features."""
    model = LogisticRegression(**{"max_iter": 1000, **parameters}, random_state=seed)
    return Pipeline([("scale", StandardScaler()), ("logistic", model)])


RANDOM_FOREST = EstimatorTrainer(_forest)
EXTRA_TREES = EstimatorTrainer(_extra_trees)
HIST_GRADIENT_BOOSTING = EstimatorTrainer(_hist_boosting)
LOGISTIC_REGRESSION = EstimatorTrainer(_logistic)
