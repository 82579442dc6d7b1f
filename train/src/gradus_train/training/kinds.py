"""The kinds of members that a configuration may name."""

from __future__ import annotations

from gradus_runtime.errors import ConfigError
from gradus_train.config import Parameters
from gradus_train.training.lightgbm_member import LightGBMTrainer
from gradus_train.training.member import Kind
from gradus_train.training.sklearn_member import (
    EstimatorTrainer,
    extra_trees,
    forest,
    hist_boosting,
    logistic,
)
from gradus_train.training.xgboost_member import XGBoostTrainer

__all__ = ["KINDS_WITH_TRAINER", "kind_of", "rounds_of"]

_TABLE = {
    "lightgbm": Kind("lightgbm", ".txt", "n_estimators", 100, LightGBMTrainer()),
    "xgboost": Kind("xgboost", ".ubj", "n_estimators", 100, XGBoostTrainer()),
    "random_forest": Kind("sklearn", ".skops", None, 0, EstimatorTrainer(forest)),
    "extra_trees": Kind("sklearn", ".skops", None, 0, EstimatorTrainer(extra_trees)),
    "hist_gradient_boosting": Kind("sklearn", ".skops", "max_iter", 100, EstimatorTrainer(hist_boosting)),
    "logistic_regression": Kind("sklearn", ".skops", None, 0, EstimatorTrainer(logistic)),
}
KINDS_WITH_TRAINER = tuple(_TABLE)


def kind_of(name: str) -> Kind:
    """Return a kind by the name that a configuration gives it."""
    return _TABLE[name]


def rounds_of(kind: Kind, parameters: Parameters) -> int:
    """Return the number of boosting rounds that parameters ask for; 0 for a kind that has none.

    Raises:
        ConfigError: It is not a positive integer.
    """
    if kind.rounds_parameter is None:
        return 0
    value = parameters.get(kind.rounds_parameter, kind.default_rounds)
    if type(value) is not int or value < 1:
        raise ConfigError(f"{kind.rounds_parameter} must be an integer of at least 1", value=value)
    return value
