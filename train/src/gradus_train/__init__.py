"""gradus train: features, labels, walk-forward training, tuning and reports.

Example:
    from pathlib import Path
    from gradus_train import DataSource, load_config, load_dataset, load_feature_order, prepare, train

    config = load_config(Path("config/training.toml"))
    order = load_feature_order(Path("config/feature_order.json"))
    source = DataSource(candles=Path("candles.csv"), daily=Path("daily.csv"), settings=config.data)
    plan = prepare(load_dataset(source, order, config.labels), order, config)
    outcome = train(plan, Path("runs/current"))
    print(outcome.run.levels[0].metrics)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradus_runtime as _runtime  # noqa: F401  before onnxruntime, whose telemetry it switches off

if TYPE_CHECKING:
    from gradus_runtime.contracts.feature_order import load as load_feature_order
    from gradus_train.config import TrainingConfig
    from gradus_train.config import load as load_config
    from gradus_train.data.dataset import Dataset, load_dataset
    from gradus_train.data.source import DataSettings, DataSource
    from gradus_train.evaluation.gates import load as load_gates
    from gradus_train.features import latest_features
    from gradus_train.market import simulate
    from gradus_train.run.run import Outcome, train
    from gradus_train.training.prepare import Plan, prepare

__all__ = [
    "DataSettings",
    "DataSource",
    "Dataset",
    "Outcome",
    "Plan",
    "TrainingConfig",
    "__version__",
    "latest_features",
    "load_config",
    "load_dataset",
    "load_feature_order",
    "load_gates",
    "prepare",
    "simulate",
    "train",
]

__version__ = "0.1.0"

_HOMES = {
    "DataSettings": ("gradus_train.data.source", "DataSettings"),
    "DataSource": ("gradus_train.data.source", "DataSource"),
    "Dataset": ("gradus_train.data.dataset", "Dataset"),
    "Outcome": ("gradus_train.run.run", "Outcome"),
    "Plan": ("gradus_train.training.prepare", "Plan"),
    "TrainingConfig": ("gradus_train.config", "TrainingConfig"),
    "latest_features": ("gradus_train.features", "latest_features"),
    "load_config": ("gradus_train.config", "load"),
    "load_dataset": ("gradus_train.data.dataset", "load_dataset"),
    "load_feature_order": ("gradus_runtime.contracts.feature_order", "load"),
    "load_gates": ("gradus_train.evaluation.gates", "load"),
    "prepare": ("gradus_train.training.prepare", "prepare"),
    "simulate": ("gradus_train.market", "simulate"),
    "train": ("gradus_train.run.run", "train"),
}


def __getattr__(name: str) -> Any:
    """Import what is offered when it is first asked for."""
    if name in _HOMES:
        from importlib import import_module

        module, attribute = _HOMES[name]
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
