"""A small dataset with a known rule in it, a small feature order, and quick members."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradus_runtime.contracts.feature_order import Feature, FeatureOrder, Group, LevelSpec
from gradus_train.config import TrainingConfig, parse
from gradus_train.data.dataset import Dataset

BAR_MS = 900_000
START_MS = 1_700_000_000_000 // BAR_MS * BAR_MS

ORDER = FeatureOrder(
    (
        Group("base", (Feature("b0", "base", ""), Feature("b1", "base", ""))),
        Group("signals", (Feature("s0", "signals", ""),)),
        Group("outside", (Feature("o0", "outside", ""),)),
    ),
    (
        LevelSpec("level1", ("base", "signals", "outside")),
        LevelSpec("level2", ("base", "signals")),
        LevelSpec("level3", ("base",)),
    ),
)

QUICK: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 6, "max_depth": 3, "num_leaves": 7},
    "xgboost": {"n_estimators": 6, "max_depth": 3},
    "random_forest": {"n_estimators": 6, "max_depth": 4},
    "extra_trees": {"n_estimators": 6, "max_depth": 4},
    "hist_gradient_boosting": {"max_iter": 6, "max_depth": 3},
    "logistic_regression": {"max_iter": 50},
    "catboost": {"iterations": 6, "depth": 3},
    "mlp": {"max_iter": 6, "hidden_layer_sizes": 8},
}


def make_dataset(n: int = 900, seed: int = 7, noise: float = 0.6) -> Dataset:
    """The class follows b0 + s0 + o0 and noise; o0 is absent for the first tenth of the bars."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    hidden = features[:, 0] + features[:, 2] + features[:, 3] + noise * rng.normal(size=n)
    labels = np.digitize(hidden, [-0.8, 0.8]).astype(np.int64)
    labels[-4:] = -1
    features[: n // 10, 3] = np.nan
    timestamps = START_MS + BAR_MS * np.arange(n, dtype=np.int64)
    return Dataset(
        names=ORDER.names,
        features=features,
        labels=labels,
        timestamps=timestamps,
        classes=("SELL", "HOLD", "BUY"),
        bar_ms=BAR_MS,
        data_sha256="0" * 64,
        data_start="2023-11-14T22:15:00Z",
        data_end="2023-11-24T00:00:00Z",
        simulated=True,
        close=np.full(n, 100.0),
    )


def config_table(kinds: tuple[str, ...] = ("lightgbm", "random_forest"), **changes: Any) -> dict[str, Any]:
    """The parsed form of a quick configuration; `changes` name sections or `seed`."""
    table: dict[str, Any] = {
        "format": "gradus-training/1",
        "seed": 3,
        "labels": {"horizon": 4, "threshold": 0.005, "classes": ["SELL", "HOLD", "BUY"]},
        "split": {"folds": 2, "gap": 4, "holdout": 0.2},
        "early_stopping": {"rounds": 3, "tail": 0.2, "refit": True},
        "imbalance": {"smote": False},
        "vote": {"kind": "soft", "weights": "fixed"},
        "members": [
            {"name": kind, "kind": kind, "weight": 0.5, "class_weight": 0.0, "parameters": QUICK[kind]}
            for kind in kinds
        ],
    }
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return table


def quick_config(kinds: tuple[str, ...] = ("lightgbm", "random_forest"), **changes: Any) -> TrainingConfig:
    """A quick configuration."""
    return parse(config_table(kinds, **changes), place="training.toml")


def without_class(dataset: Dataset, index: int, rows: slice) -> Dataset:
    """Take a class away from a stretch: its rows become HOLD."""
    labels = dataset.labels.copy()
    inside = labels[rows]
    inside[inside == index] = 1
    return replace(dataset, labels=labels)
