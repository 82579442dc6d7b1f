"""The subjects: which models are served side by side, and the rows they are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.boundary import boundary_rows
from benchmarks.parts import part
from benchmarks.peers import source
from benchmarks.recipes import RECIPES
from benchmarks.reference import reference
from gradus_convert.forest.ir import Forest
from gradus_convert.readers import read_file

__all__ = ["SUBJECTS", "SubjectSpec", "facts", "write_rows", "write_single"]


@dataclass(frozen=True, slots=True)
class SubjectSpec:
    """The best level of a recipe, or one member of it.

    Attributes:
        name: As a profile names it.
        title: For people.
        recipe: Name of the recipe.
        member: The one member that is left; empty for all.
    """

    name: str
    title: str
    recipe: str
    member: str = ""

    def run(self, cache: Path) -> Path:
        """Return the run folder of this subject, made if it is missing."""
        whole = reference(self.recipe, cache)
        members = (self.member,) if self.member else ()
        return part(whole, cache / "parts" / f"{whole.name}-{self.name}", levels=("level1",), members=members)


SUBJECTS = {
    s.name: s
    for s in (
        SubjectSpec("large", "Reference ensemble", "large"),
        SubjectSpec("small", "A weekly model", "small"),
        SubjectSpec("lightgbm", "Its LightGBM member alone", "large", "lightgbm"),
        SubjectSpec("xgboost", "Its XGBoost member alone", "large", "xgboost"),
        SubjectSpec("forest", "Its random forest alone", "large", "random_forest"),
        SubjectSpec("small-lightgbm", "The weekly LightGBM member alone", "small", "lightgbm"),
        SubjectSpec("small-xgboost", "The weekly XGBoost member alone", "small", "xgboost"),
        SubjectSpec("small-forest", "The weekly random forest alone", "small", "random_forest"),
    )
}


def facts(spec: SubjectSpec, run: Path) -> dict[str, float]:
    """Count trees and nodes."""
    trees = nodes = 0
    for member in source.members(run):
        forest = read_file(member.path, member.library).for_rows().lowered
        if isinstance(forest, Forest):
            trees, nodes = trees + forest.n_trees, nodes + forest.n_nodes
    return {"trees": trees, "nodes": nodes, "training_rows": RECIPES[spec.recipe].rows}


def write_rows(run: Path, folder: Path, largest: int, splits: int) -> None:
    """Write `single.npy` [1000, F], `batch.npy` [largest, F] and `boundary.npy` [B, F], all float32.

    Single and batch rows are drawn from the holdout.
    """
    holdout = _holdout(run)
    random = np.random.default_rng(11)
    folder.mkdir(parents=True, exist_ok=True)
    write_single(run, folder / "single.npy")
    np.save(folder / "batch.npy", holdout[random.integers(0, len(holdout), largest)])
    np.save(folder / "boundary.npy", boundary_rows(run, holdout[:2000], splits, 13))


def write_single(run: Path, path: Path) -> None:
    """Write the rows that are asked about one by one: float32 [1000, F] of the holdout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, _holdout(run)[-1000:])


def _holdout(run: Path) -> NDArray[np.float32]:
    features: NDArray[np.float32] = np.load(run / "holdout.npz")["features"]
    return np.ascontiguousarray(features[np.isfinite(features).all(axis=1)])
