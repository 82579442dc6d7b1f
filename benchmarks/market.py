"""The table that the reference ensembles are trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import FeatureOrder, LevelSpec

__all__ = ["SOURCE", "Table", "order", "table"]

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "synthetic-1"
"""Names how the table is made: part of the cache key."""


@dataclass(frozen=True, slots=True)
class Table:
    """Complete rows in the order of time.

    Attributes:
        features: float32 [N, F], all finite, columns as in the feature order.
        labels: int64 [N], class indices.
        timestamps: int64 [N], open of the bar, ms since 1970 UTC.
        classes: Names of the classes.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    classes: tuple[str, ...]


def order(extra_levels: int = 0) -> FeatureOrder:
    """The project's feature order, with levels added below, each without one more group from the end."""
    base = feature_order.load(ROOT / "config" / "feature_order.json")
    levels = list(base.levels)
    for number in range(extra_levels):
        levels.append(LevelSpec(f"level{len(base.levels) + 1 + number}", levels[-1].groups[:-1]))
    return replace(base, levels=tuple(levels))


def table(rows: int, seed: int) -> Table:
    """Return exactly `rows` complete, labelled rows."""
    width = len(order().names)
    random = np.random.default_rng(seed)
    walk = random.normal(size=(rows, width)).cumsum(axis=0) * 0.1
    features = (walk + random.normal(size=(rows, width))).astype(np.float32)
    score = features[:, :5].sum(axis=1) + random.normal(size=rows) * 3
    labels = np.digitize(score, np.quantile(score, [0.27, 0.73])).astype(np.int64)
    start, step = 1_700_000_000_000, 900_000
    timestamps = start + step * np.arange(rows, dtype=np.int64)
    return Table(features, labels, timestamps, ("SELL", "HOLD", "BUY"))
