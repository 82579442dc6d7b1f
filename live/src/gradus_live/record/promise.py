"""What training promised of a level: the spread of its walk-forward folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Floats
from gradus_runtime.contracts.manifest import Manifest

__all__ = ["FEWEST_FOLDS", "Promise", "priors_of", "promise_of"]

FEWEST_FOLDS = 3
"""Fewer folds have no spread to speak of."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Brier skill over the class shares, a row: the lowest fold, the mean of the folds, the highest."""

    folds: int
    low: float
    mean: float
    high: float


def promise_of(manifest: Manifest, level: str) -> Promise | None:
    """Return what training promised of a level; None where its manifest does not say."""
    for entry in manifest.levels:
        if entry.name == level:
            metrics = entry.metrics
            keys = ("fold_skill_low", "fold_skill_mean", "fold_skill_high")
            if metrics.get("folds", 0) < FEWEST_FOLDS or any(key not in metrics for key in keys):
                return None
            return Promise(int(metrics["folds"]), *(float(metrics[key]) for key in keys))
    return None


def priors_of(manifest: Manifest, level: str) -> Floats | None:
    """Return the class shares of training's newest rows, float64 [C]: what a model without skill says.

    None where the manifest does not say.
    """
    count = len(manifest.classes)
    entry = next((entry for entry in manifest.levels if entry.name == level), manifest.levels[0])
    shares = np.array([entry.metrics.get(f"label_share_{i}", np.nan) for i in range(count)])
    return shares if np.isfinite(shares).all() else None
