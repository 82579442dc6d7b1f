"""The three members: training, cutting to the first trees, and their files in native formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import skops.io
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.recipes import Recipe

__all__ = ["FILES", "Members", "save", "train"]

FILES = {"lightgbm": "lightgbm.txt", "xgboost": "xgboost.ubj", "random_forest": "random_forest.skops"}
"""File of each member inside a level's folder of a run."""


@dataclass(frozen=True, slots=True)
class Members:
    """Trained members of one level."""

    lightgbm: lightgbm.LGBMClassifier
    xgboost: xgboost.XGBClassifier
    random_forest: RandomForestClassifier


def train(recipe: Recipe, features: NDArray[np.float32], labels: NDArray[np.int64], threads: int) -> Members:
    """Fit the three members.

    Args:
        recipe: Sizes and seed.
        features: float32 [N, F], all finite.
        labels: int64 [N], class indices.
        threads: For each library.
    """
    depth_lightgbm, depth_xgboost, depth_forest = recipe.depths
    return Members(
        lightgbm.LGBMClassifier(
            n_estimators=recipe.estimators,
            max_depth=depth_lightgbm,
            learning_rate=0.05,
            random_state=recipe.seed,
            deterministic=True,
            force_row_wise=True,
            n_jobs=threads,
            verbose=-1,
        ).fit(features, labels),
        xgboost.XGBClassifier(
            n_estimators=recipe.estimators,
            max_depth=depth_xgboost,
            learning_rate=0.05,
            random_state=recipe.seed,
            n_jobs=threads,
        ).fit(features, labels),
        RandomForestClassifier(
            n_estimators=recipe.estimators,
            max_depth=depth_forest,
            random_state=recipe.seed,
            n_jobs=threads,
        ).fit(features, labels),
    )


def save(members: Members, folder: Path, trees: int) -> None:
    """Write the first `trees` rounds and trees of each member, in its native format."""
    folder.mkdir(parents=True)
    members.lightgbm.booster_.save_model(folder / FILES["lightgbm"], num_iteration=trees)
    members.xgboost.get_booster()[:trees].save_model(folder / FILES["xgboost"])
    forest = members.random_forest
    every = forest.estimators_
    try:
        forest.estimators_ = every[:trees]
        forest.n_estimators = trees
        skops.io.dump(forest, folder / FILES["random_forest"])
    finally:
        forest.estimators_ = every
        forest.n_estimators = len(every)
