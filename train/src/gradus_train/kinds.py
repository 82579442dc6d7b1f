"""The kinds of members that a configuration may name: one entry a kind.

To add a kind: an entry here, and a module with its trainer (`gradus_train.training.member.Trainer`). If the
library is new, a reader in gradus-convert and the dependency in both packages as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from gradus_runtime.errors import ConfigError, EnvironmentFailedError

__all__ = ["CATBOOST", "KINDS", "XGBOOST", "Dimension", "Kind", "OptionalLibrary", "rounds_of", "trees_of"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A parameter to search, from `low` to `high`, both included; on a logarithmic scale where `log`."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class OptionalLibrary:
    """A library that gradus-train does not install: its module, its name for people, how to install it."""

    module: str
    called: str
    install: str

    def get(self, place: str | None = None) -> Any:
        """Import it on first use.

        Raises:
            EnvironmentFailedError: It is not installed.
        """
        try:
            return import_module(self.module)
        except ImportError:
            raise EnvironmentFailedError(
                f"{self.called} must be installed to train its members", place=place, hint=self.install
            ) from None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of member.

    Attributes:
        library: As the run folder names it.
        distributions: Those that bring the library; any of them will do.
        suffix: Of the model's file.
        trainer: Where its trainer is, "module:name".
        space: What tuning searches.
        fixed: Parameters that tuning sets, so that those that it searches have an effect.
        rounds_parameter: The parameter that counts boosting rounds; None for what does not stop early.
        trees_parameter: The parameter that a forest's time grows with; None for others.
        default: Rounds or trees when the parameter is not given.
        takes_missing: Whether it can be fitted on rows with missing values.
        exact: Values that a parameter may have, its default first, where others give models that conversion
            refuses, or that could not be trained here.
        why: Why it may have no others.
        optional: The library, where gradus-train does not install it; None where it does.
        reserved: Parameters of this kind alone that the run sets, beside those that no kind may be given.
    """

    library: str
    distributions: tuple[str, ...]
    suffix: str
    trainer: str
    space: tuple[Dimension, ...]
    fixed: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    rounds_parameter: str | None = None
    trees_parameter: str | None = None
    default: int = 100
    exact: Mapping[str, tuple[str | bool, ...]] = field(default_factory=dict)
    takes_missing: bool = True
    why: str = "other models have no exact form"
    optional: OptionalLibrary | None = None
    reserved: tuple[str, ...] = ()


_RATE = Dimension("learning_rate", 0.01, 0.3, log=True)
_ROWS = Dimension("subsample", 0.5, 1.0)
_COLUMNS = Dimension("colsample_bytree", 0.3, 1.0)
_ALPHA = Dimension("reg_alpha", 1e-6, 10.0, log=True)
_LAMBDA = Dimension("reg_lambda", 1e-6, 30.0, log=True)
_FOREST = (
    Dimension("max_depth", 4, 20, integer=True),
    Dimension("min_samples_leaf", 1, 100, log=True, integer=True),
    Dimension("max_features", 0.05, 0.8),
)
_SKLEARN = ("scikit-learn",)

XGBOOST = OptionalLibrary("xgboost", "XGBoost", "pip install xgboost-cpu, or xgboost for training on a GPU.")
CATBOOST = OptionalLibrary("catboost", "CatBoost", "pip install catboost.")

KINDS: Mapping[str, Kind] = {
    "lightgbm": Kind(
        "lightgbm",
        ("lightgbm",),
        ".txt",
        "gradus_train.training.lightgbm_member:TRAINER",
        (
            _RATE,
            Dimension("max_depth", 3, 12, integer=True),
            Dimension("num_leaves", 7, 127, log=True, integer=True),
            Dimension("min_child_samples", 5, 300, log=True, integer=True),
            _ROWS,
            _COLUMNS,
            _ALPHA,
            _LAMBDA,
        ),
        fixed={"subsample_freq": 1},
        rounds_parameter="n_estimators",
        exact={"linear_tree": (False,), "linear_trees": (False,)},
    ),
    "xgboost": Kind(
        "xgboost",
        ("xgboost", "xgboost-cpu"),
        ".ubj",
        "gradus_train.training.xgboost_member:TRAINER",
        (
            _RATE,
            Dimension("max_depth", 2, 10, integer=True),
            Dimension("min_child_weight", 0.1, 100.0, log=True),
            Dimension("gamma", 1e-6, 5.0, log=True),
            _ROWS,
            _COLUMNS,
            _ALPHA,
            _LAMBDA,
        ),
        rounds_parameter="n_estimators",
        exact={"booster": ("gbtree", "dart"), "multi_strategy": ("one_output_per_tree",)},
        optional=XGBOOST,
        reserved=("nthread",),
    ),
    "random_forest": Kind(
        "sklearn",
        _SKLEARN,
        ".skops",
        "gradus_train.training.sklearn_member:RANDOM_FOREST",
        _FOREST,
        trees_parameter="n_estimators",
    ),
    "extra_trees": Kind(
        "sklearn",
        _SKLEARN,
        ".skops",
        "gradus_train.training.sklearn_member:EXTRA_TREES",
        _FOREST,
        trees_parameter="n_estimators",
    ),
    "hist_gradient_boosting": Kind(
        "sklearn",
        _SKLEARN,
        ".skops",
        "gradus_train.training.sklearn_member:HIST_GRADIENT_BOOSTING",
        (
            _RATE,
            Dimension("max_leaf_nodes", 7, 127, log=True, integer=True),
            Dimension("min_samples_leaf", 5, 300, log=True, integer=True),
            Dimension("l2_regularization", 1e-6, 30.0, log=True),
        ),
        rounds_parameter="max_iter",
    ),
    "logistic_regression": Kind(
        "sklearn",
        _SKLEARN,
        ".skops",
        "gradus_train.training.sklearn_member:LOGISTIC_REGRESSION",
        (Dimension("C", 1e-4, 100.0, log=True),),
        takes_missing=False,
    ),
    "catboost": Kind(
        "catboost",
        ("catboost",),
        ".cbm",
        "gradus_train.training.catboost_member:TRAINER",
        (
            _RATE,
            Dimension("depth", 3, 10, integer=True),
            Dimension("l2_leaf_reg", 0.1, 30.0, log=True),
            Dimension("random_strength", 1e-3, 10.0, log=True),
            Dimension("rsm", 0.3, 1.0),
            _ROWS,
        ),
        fixed={"bootstrap_type": "Bernoulli"},
        rounds_parameter="iterations",
        exact={"grow_policy": ("SymmetricTree",)},
        optional=CATBOOST,
        reserved=(
            "thread_count",
            "loss_function",
            "classes_count",
            "class_names",
            "task_type",
            "logging_level",
        ),
    ),
    "mlp": Kind(
        "sklearn",
        _SKLEARN,
        ".skops",
        "gradus_train.training.mlp_member:TRAINER",
        (
            Dimension("hidden_layer_sizes", 8, 128, log=True, integer=True),
            Dimension("alpha", 1e-6, 1.0, log=True),
            Dimension("learning_rate_init", 1e-4, 0.1, log=True),
        ),
        rounds_parameter="max_iter",
        exact={"solver": ("adam", "sgd"), "early_stopping": (False,), "warm_start": (False,)},
        takes_missing=False,
        why="a network is trained an epoch after the other, and the run's own early stopping looks at each",
    ),
}


def rounds_of(kind: Kind, parameters: Mapping[str, object]) -> int:
    """Return the number of boosting rounds that parameters ask for; 0 for a kind that has none.

    Raises:
        ConfigError: It is not a positive integer.
    """
    return _count(kind.rounds_parameter, kind.default, parameters)


def trees_of(kind: Kind, parameters: Mapping[str, object]) -> int:
    """Return the number of trees that parameters ask for; 0 for a kind that is no forest.

    Raises:
        ConfigError: It is not a positive integer.
    """
    return _count(kind.trees_parameter, kind.default, parameters)


def _count(name: str | None, default: int, parameters: Mapping[str, object]) -> int:
    if name is None:
        return 0
    value = parameters.get(name, default)
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} must be an integer of at least 1", value=value)
    return value
