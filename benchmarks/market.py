"""The table that the reference ensembles are trained on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradus_live.labels import NO_LABEL, FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import FeatureOrder, LevelSpec
from gradus_train.data.dataset import DataSource, load_dataset
from gradus_train.market import simulate

__all__ = ["SOURCE", "Table", "order", "table"]

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "market-2"
"""Names how the table is made: part of the cache key. Raise it when the market or the features change."""

_SPARE = 1.25
_WARM_UP = 6_000
"""Bars beyond the rows asked for: some have no label or no features, the first have no history."""


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
    """Return exactly `rows` complete, labelled rows of the simulated market.

    Raises:
        ValueError: The market gave fewer.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = simulate(Path(folder), bars=int(rows * _SPARE) + _WARM_UP, seed=seed)
        data = load_dataset(DataSource(files.candles, files.macro), order(), FixedHorizon())
    complete = np.flatnonzero(np.isfinite(data.features).all(axis=1) & (data.labels != NO_LABEL))[:rows]
    if len(complete) < rows:
        raise ValueError(f"{rows} complete rows are needed, but the market gave {len(complete)}")
    return Table(data.features[complete], data.labels[complete], data.timestamps[complete], data.classes)
