"""XGBoost members: trained with one thread, kept as UBJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradus_train.config import Parameters
from gradus_train.kinds import XGBOOST
from gradus_train.training.member import Features, Probabilities, Work

if TYPE_CHECKING:
    import xgboost as xgb

__all__ = ["TRAINER", "XGBoostFitted", "XGBoostTrainer"]


class XGBoostFitted:
    """A trained booster."""

    def __init__(self, booster: xgb.Booster, n_features: int) -> None:
        self._booster = booster
        self._n_features = n_features

    def predict_proba(self, X: Features) -> Probabilities:
        """Return probabilities, float64 [N, C]."""
        raw = np.asarray(self._booster.predict(XGBOOST.get().DMatrix(X, nthread=1)), dtype=np.float64)
        return np.column_stack([1 - raw, raw]) if raw.ndim == 1 else raw

    def to_bytes(self) -> bytes:
        """Return XGBoost's UBJSON format."""
        return bytes(self._booster.save_raw("ubj"))

    def importances(self) -> npt.NDArray[np.float64]:
        """Return the share of gain by feature."""
        gain = np.zeros(self._n_features)
        for name, value in self._booster.get_score(importance_type="total_gain").items():
            gain[int(name.removeprefix("f"))] = value
        return gain / gain.sum() if gain.sum() > 0 else gain


class XGBoostTrainer:
    """Fits XGBoost boosters with `hist`; one thread makes the sums of gradients the same every time."""

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> XGBoostFitted:
        """Fit for exactly `rounds` rounds."""
        booster = XGBOOST.get().train(
            _settings(work, parameters, seed), _matrix(work), num_boost_round=rounds
        )
        booster.set_param({"nthread": 1})
        return XGBoostFitted(booster, work.X.shape[1])

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return the number of rounds with the least weighted log loss on `tail`."""
        booster = XGBOOST.get().train(
            _settings(work, parameters, seed),
            _matrix(work),
            num_boost_round=rounds,
            evals=[(_matrix(tail), "tail")],
            early_stopping_rounds=patience,
            verbose_eval=False,
        )
        return int(booster.best_iteration) + 1


TRAINER = XGBoostTrainer()


def _settings(work: Work, parameters: Parameters, seed: int) -> dict[str, object]:
    multiclass = work.n_classes > 2
    return {
        **{key: value for key, value in parameters.items() if key != "n_estimators"},
        "tree_method": "hist",
        "objective": "multi:softprob" if multiclass else "binary:logistic",
        **({"num_class": work.n_classes} if multiclass else {}),
        "eval_metric": "mlogloss" if multiclass else "logloss",
        "seed": seed,
        "nthread": 1,
        "verbosity": 0,
    }


def _matrix(work: Work) -> xgb.DMatrix:
    matrix: xgb.DMatrix = XGBOOST.get().DMatrix(work.X, label=work.y, weight=work.weights, nthread=1)
    return matrix
