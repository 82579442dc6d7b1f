"""What is trained for the benchmarks: data, sizes, hyperparameters. A change here renews its cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

__all__ = ["RECIPES", "WEIGHTS", "Recipe"]

WEIGHTS = {"lightgbm": 0.4, "xgboost": 0.4, "random_forest": 0.2}
"""Weights of the members' votes."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A reference ensemble.

    Attributes:
        name: What the benchmarks call it.
        rows: Training rows.
        holdout: Rows kept from training, for parity and as input of the measures.
        estimators: Boosting rounds, and trees of the forest.
        depths: Of the LightGBM, XGBoost and forest trees.
        levels: Names of the levels, from `config/feature_order.json`, or `drop` levels (see `extra_levels`).
        extra_levels: Levels added below those of the configuration, each without one more group from the end.
        slice_of: Recipe whose first `estimators` trees, in some levels, this one is; it is not trained.
        seed: Of the market and of the members.
    """

    name: str
    rows: int
    holdout: int
    estimators: int
    depths: tuple[int, int, int]
    levels: tuple[str, ...]
    extra_levels: int = 0
    slice_of: str | None = None
    seed: int = 7

    def digest(self, **facts: str) -> str:
        """Twelve hexadecimal digits over the recipe and other facts that decide the trained bytes."""
        value = {"recipe": dataclasses.asdict(self), "weights": WEIGHTS, "facts": facts}
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


_DEPTHS = (8, 8, 12)
_LEVELS = ("level1", "level2", "level3")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("large", 17_280, 12_000, 200, _DEPTHS, _LEVELS),
        Recipe("small", 1_500, 10_000, 32, (6, 5, 8), _LEVELS),
        Recipe("week2", 1_500, 10_000, 32, (6, 5, 8), _LEVELS, seed=8),
        Recipe("week3", 1_500, 10_000, 32, (6, 5, 8), _LEVELS, seed=9),
        Recipe("week4", 1_500, 10_000, 32, (6, 5, 8), _LEVELS, seed=10),
        Recipe("trees4", 17_280, 12_000, 200, _DEPTHS, ("level1",), slice_of="large"),
        Recipe("trees2", 17_280, 12_000, 100, _DEPTHS, ("level1",), slice_of="large"),
        Recipe("trees1", 17_280, 12_000, 50, _DEPTHS, ("level1",), slice_of="large"),
        Recipe("levels4", 17_280, 12_000, 50, _DEPTHS, _LEVELS, extra_levels=1),
    )
}
