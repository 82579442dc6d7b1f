"""The reference ensembles: trained once from a recipe, kept in native formats as a run folder.

    path = reference("large")        # a folder that `gradus convert --run` reads

Command: `python -m benchmarks.reference large small` trains what is missing and prints the folders.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import sklearn
import xgboost

from benchmarks import members
from benchmarks.market import SOURCE, Table, order, table
from benchmarks.recipes import RECIPES, WEIGHTS, Recipe
from gradus_runtime.contracts import run_folder, strict_json
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.contracts.manifest import Histogram, Provenance

__all__ = ["CACHE", "reference"]

CACHE = Path(__file__).resolve().parent / "cache"
"""Everything that can be made again; not under version control."""

_FEW_ROWS = 5_000


def reference(name: str, cache: Path = CACHE) -> Path:
    """Return the run folder of a recipe, training it if it is not cached.

    Raises:
        KeyError: No recipe has this name.
    """
    recipe = RECIPES[name]
    folder = cache / f"{name}-{recipe.digest(source=SOURCE, **_versions())}"
    if not (folder / run_folder.METADATA).exists():
        _train(recipe, folder, cache)
    return folder


def _versions() -> dict[str, str]:
    return {
        "lightgbm": lightgbm.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "xgboost": xgboost.__version__,  # of the module: two distributions bring it
    }


def _train(recipe: Recipe, folder: Path, cache: Path) -> None:
    """Train a recipe and every recipe that is a slice of it, from one table."""
    source = RECIPES[recipe.slice_of] if recipe.slice_of else recipe
    slices = [source, *(r for r in RECIPES.values() if r.slice_of == source.name)]
    data = table(source.rows + source.holdout, source.seed)
    levels = order(source.extra_levels)
    folders = {
        r.name: cache / f"{r.name}-{r.digest(source=SOURCE, **_versions())}.{os.getpid()}" for r in slices
    }
    for path in folders.values():
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    for spec in _specs(source, levels):
        started = time.perf_counter()
        columns = [levels.names.index(n) for n in levels.level_features(spec)]
        rows = np.ascontiguousarray(data.features[: source.rows, columns])
        trained = members.train(source, rows, data.labels[: source.rows], _threads(source))
        for r in slices:
            if spec in _specs(r, levels):
                members.save(trained, folders[r.name] / "levels" / spec, r.estimators)
        _say(f"trained {source.name} {spec} in {time.perf_counter() - started:.0f} s")
    for r in slices:
        _finish(r, levels, data, folders[r.name])
        final = folders[r.name].with_suffix("")
        shutil.rmtree(final, ignore_errors=True)
        folders[r.name].rename(final)


def _threads(recipe: Recipe) -> int:
    """Few rows are not worth the waiting of threads for each other."""
    return (os.cpu_count() or 1) if recipe.rows > _FEW_ROWS else 1


def _specs(recipe: Recipe, levels: FeatureOrder) -> list[str]:
    return [*recipe.levels, *(s.name for s in levels.levels[len(recipe.levels) :][: recipe.extra_levels])]


def _finish(recipe: Recipe, levels: FeatureOrder, data: Table, folder: Path) -> None:
    """Write what a run folder has beside its models; its metadata last."""
    (folder / "feature_order.json").write_bytes(strict_json.canonical_bytes(levels.to_json()))
    held = slice(recipe.rows, recipe.rows + recipe.holdout)
    np.savez(
        folder / "holdout.npz",
        features=data.features[held],
        labels=data.labels[held],
        timestamps=data.timestamps[held],
    )
    run = run_folder.Run(
        classes=data.classes,
        levels=tuple(_level(folder, spec, len(data.classes)) for spec in _specs(recipe, levels)),
        features=tuple(
            _statistics(name, data.features[: recipe.rows, i]) for i, name in enumerate(levels.names)
        ),
        holdout_rows=recipe.holdout,
        holdout_sha256=_sha256(folder / "holdout.npz"),
        gate_passed=None,
        provenance=_provenance(recipe, data),
    )
    (folder / run_folder.METADATA).write_bytes(run_folder.dump(run, {}))


def _level(folder: Path, spec: str, classes: int) -> run_folder.RunLevel:
    library = {"lightgbm": "lightgbm", "xgboost": "xgboost", "random_forest": "sklearn"}
    files = {name: f"levels/{spec}/{file}" for name, file in members.FILES.items()}
    return run_folder.RunLevel(
        name=spec,
        members=tuple(
            run_folder.RunMember(
                name=name,
                library=library[name],
                file=file,
                sha256=_sha256(folder / file),
                weight=WEIGHTS[name],
                classes=tuple(range(classes)),
            )
            for name, file in files.items()
        ),
        vote="soft",
        metrics={},
    )


def _statistics(
    name: str, column: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> run_folder.FeatureStatistics:
    edges = np.unique(np.quantile(column, np.linspace(0.1, 0.9, 9)).astype(np.float32))
    counts = np.bincount(np.searchsorted(edges, column, side="left"), minlength=len(edges) + 1)
    histogram = Histogram(tuple(float(e) for e in edges), tuple(int(c) for c in counts))
    return run_folder.FeatureStatistics(name, float(column.min()), float(column.max()), histogram)


def _provenance(recipe: Recipe, data: Table) -> Provenance:
    first, last = (
        np.datetime_as_string(np.datetime64(int(data.timestamps[i]), "ms"), unit="s", timezone="UTC")
        for i in (0, recipe.rows - 1)
    )
    return Provenance(
        simulated=True,
        data_sha256=hashlib.sha256(data.features.tobytes() + data.labels.tobytes()).hexdigest(),
        data_start=str(first),
        data_end=str(last),
        rows=recipe.rows,
        config_sha256=hashlib.sha256(recipe.digest().encode()).hexdigest(),
        git_commit=None,
        libraries=_versions(),
        seed=recipe.seed,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Train what is missing and print the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=["large", "small"], metavar="NAME", help=", ".join(RECIPES)
    )
    for name in parser.parse_args().names:
        print(reference(name))


if __name__ == "__main__":
    main()
