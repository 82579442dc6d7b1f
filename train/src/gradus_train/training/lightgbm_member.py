"""LightGBM members: trained with one thread and `deterministic`, kept as text."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from gradus_train.config import Parameters
from gradus_train.training.member import Features, Probabilities, Work

__all__ = ["TRAINER", "LightGBMFitted", "LightGBMTrainer"]


class LightGBMFitted:
    """A trained booster."""

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster = booster

    def predict_proba(self, X: Features) -> Probabilities:
        """Return probabilities, float64 [N, C]."""
        raw = np.asarray(self._booster.predict(X, num_threads=1), dtype=np.float64)
        return np.column_stack([1 - raw, raw]) if raw.ndim == 1 else raw

    def to_bytes(self) -> bytes:
        """Return LightGBM's text format."""
        return str(self._booster.model_to_string()).encode()

    def importances(self) -> npt.NDArray[np.float64]:
        """Return the share of gain by feature."""
        gain = np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)
        return gain / gain.sum() if gain.sum() > 0 else gain


class LightGBMTrainer:
    """Fits LightGBM boosters.

    Histograms are summed in float64 in an order that depends on the number of threads and on the layout that
    LightGBM picks by timing: one thread, `deterministic` and `force_row_wise` pin the bytes down.
    """

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> LightGBMFitted:
        """Fit for exactly `rounds` rounds."""
        booster = lgb.train(
            _settings(work, parameters, seed), _dataset(work, None, parameters), num_boost_round=rounds
        )
        return LightGBMFitted(booster)

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return the number of rounds with the least weighted log loss on `tail`."""
        train = _dataset(work, None, parameters)
        booster = lgb.train(
            _settings(work, parameters, seed),
            train,
            num_boost_round=rounds,
            valid_sets=[_dataset(tail, train, parameters)],
            callbacks=[lgb.early_stopping(patience, verbose=False)],
        )
        return int(booster.best_iteration) or rounds


TRAINER = LightGBMTrainer()


def _settings(work: Work, parameters: Parameters, seed: int) -> dict[str, object]:
    multiclass = work.n_classes > 2
    return {
        **{key: value for key, value in parameters.items() if key != "n_estimators"},
        "objective": "multiclass" if multiclass else "binary",
        **({"num_class": work.n_classes} if multiclass else {}),
        "metric": "multi_logloss" if multiclass else "binary_logloss",
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def _dataset(work: Work, reference: lgb.Dataset | None, parameters: Parameters) -> lgb.Dataset:
    names = ("max_bin", "min_data_in_bin")
    return lgb.Dataset(
        work.X,
        label=work.y,
        weight=work.weights,
        reference=reference,
        params={
            "verbosity": -1,
            "num_threads": 1,
            **{key: parameters[key] for key in names if key in parameters},
        },
    )
