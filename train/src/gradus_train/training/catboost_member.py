"""CatBoost members: trained with one thread, kept as `.cbm` without what differs from one run to the next."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_train.config import Parameters
from gradus_train.kinds import CATBOOST
from gradus_train.training.member import Features, Probabilities, Work

__all__ = ["TRAINER", "CatBoostFitted", "CatBoostTrainer"]

_OF_THE_MOMENT = ("model_guid", "train_finish_time")
"""Metadata that are drawn at random or read from a clock; what else a model holds follows from the data."""


class CatBoostFitted:
    """A trained model."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict_proba(self, X: Features) -> Probabilities:
        """Return probabilities, float64 [N, C]."""
        return np.asarray(self._model.predict_proba(X, thread_count=1), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return CatBoost's binary format."""
        metadata = self._model.get_metadata()
        for name in _OF_THE_MOMENT:
            metadata[name] = ""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            self._model.save_model(str(path))
            return path.read_bytes()

    def importances(self) -> npt.NDArray[np.float64]:
        """Return the share of change of the prediction by feature."""
        change = np.asarray(self._model.get_feature_importance(thread_count=1), dtype=np.float64)
        return change / change.sum() if change.sum() > 0 else change


class CatBoostTrainer:
    """Fits CatBoost's symmetric trees; one thread makes the sums of gradients the same every time."""

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> CatBoostFitted:
        """Fit for exactly `rounds` rounds."""
        model = _model(work, parameters, rounds, seed)
        return CatBoostFitted(model.fit(_pool(work)))

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return the number of rounds with the least weighted log loss on `tail`."""
        model = _model(work, parameters, rounds, seed, use_best_model=False)
        model.fit(_pool(work), eval_set=_pool(tail), early_stopping_rounds=patience)
        return int(model.get_best_iteration()) + 1


TRAINER = CatBoostTrainer()


def _model(work: Work, parameters: Parameters, rounds: int, seed: int, **more: object) -> Any:
    own = {key: value for key, value in parameters.items() if key != "iterations"}
    return CATBOOST.get().CatBoostClassifier(
        **own,
        **more,
        iterations=rounds,
        loss_function="MultiClass" if work.n_classes > 2 else "Logloss",
        random_seed=seed,
        thread_count=1,
        allow_writing_files=False,
        logging_level="Silent",
    )


def _pool(work: Work) -> Any:
    return CATBOOST.get().Pool(work.X, label=work.y, weight=work.weights, thread_count=1)
