"""Networks of scikit-learn on standardised features, trained epoch by epoch; kept by skops."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from gradus_runtime.errors import ConfigError, EnvironmentFailedError
from gradus_train.config import Parameters, Scalar
from gradus_train.training.member import Work
from gradus_train.training.sklearn_member import SklearnFitted

__all__ = ["TRAINER", "MlpTrainer"]

_ONLY_TRAINING = ("_optimizer", "_random_state")
"""What a network holds to go on training: three times its weights, and nothing that predicts."""


class MlpTrainer:
    """Fits a network. A round is an epoch: all rows once, in an order that the seed gives."""

    def fit(self, work: Work, parameters: Parameters, *, rounds: int, seed: int) -> SklearnFitted:
        """Fit for exactly `rounds` epochs."""
        for network in _epochs(work, parameters, rounds, seed):
            fitted = network
        kept = copy.copy(fitted)
        last = copy.copy(kept.steps[-1][1])
        for name in _ONLY_TRAINING:
            vars(last).pop(name, None)
        return SklearnFitted(Pipeline([kept.steps[0], ("network", last)]))

    def best_rounds(
        self, work: Work, tail: Work, parameters: Parameters, *, rounds: int, patience: int, seed: int
    ) -> int:
        """Return the number of epochs with the least weighted log loss on `tail`."""
        best, best_loss = 1, np.inf
        for done, network in enumerate(_epochs(work, parameters, rounds, seed), start=1):
            said = network.predict_proba(tail.X)
            loss = log_loss(tail.y, said, labels=range(work.n_classes), sample_weight=tail.weights)
            if loss < best_loss:
                best, best_loss = done, loss
            elif done - best >= patience:
                break
        return best


TRAINER = MlpTrainer()


def _epochs(work: Work, parameters: Parameters, rounds: int, seed: int) -> Iterator[Any]:
    """Train, and give the same pipeline after each epoch."""
    own: dict[str, Any] = {key: value for key, value in parameters.items() if key != "max_iter"}
    if "hidden_layer_sizes" in own:
        own["hidden_layer_sizes"] = _sizes(own["hidden_layer_sizes"])
    scale = StandardScaler().fit(work.X, sample_weight=work.weights)
    network = MLPClassifier(**own, random_state=seed)
    rows = scale.transform(work.X)
    pipeline = Pipeline([("scale", scale), ("network", network)])
    weights = _weights(work)
    for _ in range(rounds):
        network.partial_fit(rows, work.y, classes=np.arange(work.n_classes), **weights)
        yield pipeline


def _weights(work: Work) -> dict[str, Any]:
    """The weights of rows, where they differ.

    Raises:
        EnvironmentFailedError: They do, and scikit-learn is older than 1.7.
    """
    if (work.weights == 1).all():
        return {}
    if "sample_weight" not in inspect.signature(MLPClassifier.partial_fit).parameters:
        raise EnvironmentFailedError(
            "scikit-learn must be at least 1.7 to train a network on weighted rows",
            place="class_weight",
            hint="Give the member class_weight = 0, or upgrade scikit-learn.",
        )
    return {"sample_weight": work.weights}


def _sizes(value: Scalar) -> tuple[int, ...]:
    """Read units by layer: a number, or text such as "64, 32".

    Raises:
        ConfigError: It is neither.
    """
    parts = value.split(",") if isinstance(value, str) else [value]
    try:
        sizes = tuple(int(part) for part in parts if not isinstance(part, bool | float))
    except ValueError:
        sizes = ()
    if len(sizes) != len(parts) or min(sizes, default=0) < 1:
        raise ConfigError(
            'hidden_layer_sizes must be a whole number, or such as "64, 32"',
            place="hidden_layer_sizes",
            value=value,
        )
    return sizes
