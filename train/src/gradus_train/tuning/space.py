"""What is searched: the usual parameters of each kind of member, and their ranges."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from gradus_train.config import Parameters, Scalar

__all__ = ["Dimension", "dimensions", "start", "suggest"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A parameter from `low` to `high`, both included; drawn on a logarithmic scale where `log`."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False


_RATE = Dimension("learning_rate", 0.01, 0.3, log=True)
_ALPHA = Dimension("reg_alpha", 1e-6, 10.0, log=True)
_LAMBDA = Dimension("reg_lambda", 1e-6, 30.0, log=True)
_ROWS = Dimension("subsample", 0.5, 1.0)
_COLUMNS = Dimension("colsample_bytree", 0.3, 1.0)
_FOREST = (
    Dimension("max_depth", 4, 20, integer=True),
    Dimension("min_samples_leaf", 1, 100, log=True, integer=True),
    Dimension("max_features", 0.05, 0.8),
)
_SPACES: dict[str, tuple[Dimension, ...]] = {
    "lightgbm": (
        _RATE,
        Dimension("max_depth", 3, 12, integer=True),
        Dimension("num_leaves", 7, 127, log=True, integer=True),
        Dimension("min_child_samples", 5, 300, log=True, integer=True),
        _ROWS,
        _COLUMNS,
        _ALPHA,
        _LAMBDA,
    ),
    "xgboost": (
        _RATE,
        Dimension("max_depth", 2, 10, integer=True),
        Dimension("min_child_weight", 0.1, 100.0, log=True),
        Dimension("gamma", 1e-6, 5.0, log=True),
        _ROWS,
        _COLUMNS,
        _ALPHA,
        _LAMBDA,
    ),
    "random_forest": _FOREST,
    "extra_trees": _FOREST,
    "hist_gradient_boosting": (
        _RATE,
        Dimension("max_leaf_nodes", 7, 127, log=True, integer=True),
        Dimension("min_samples_leaf", 5, 300, log=True, integer=True),
        Dimension("l2_regularization", 1e-6, 30.0, log=True),
    ),
    "logistic_regression": (Dimension("C", 1e-4, 100.0, log=True),),
}
_FIXED: dict[str, dict[str, Scalar]] = {"lightgbm": {"subsample_freq": 1}}


def dimensions(kind: str) -> tuple[Dimension, ...]:
    """Return what is searched for a kind of member."""
    return _SPACES[kind]


def suggest(trial: optuna.Trial, kind: str, given: Parameters) -> dict[str, Scalar]:
    """Draw parameters for a trial, over those that the configuration gives."""
    drawn: dict[str, Scalar] = {}
    for d in _SPACES[kind]:
        if d.integer:
            drawn[d.name] = trial.suggest_int(d.name, int(d.low), int(d.high), log=d.log)
        else:
            drawn[d.name] = trial.suggest_float(d.name, d.low, d.high, log=d.log)
    return {**given, **drawn, **_FIXED.get(kind, {})}


def start(kind: str, given: Parameters) -> dict[str, Scalar]:
    """Return those of the configuration's parameters that lie in the space: where the search starts."""
    result: dict[str, Scalar] = {}
    for d in _SPACES[kind]:
        value = given.get(d.name)
        if isinstance(value, int | float) and not isinstance(value, bool) and d.low <= value <= d.high:
            result[d.name] = value
    return result
