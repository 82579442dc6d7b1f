"""Native: the three libraries, each from its own format, through the calls that their documentation shows."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

from benchmarks.peers import source
from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]


def prepare(run: Path, folder: Path) -> None:
    """Copy the native files; the forest as joblib, which loads six times faster than skops."""
    kept = []
    for member in source.members(run):
        if member.library == "sklearn":
            file = f"{member.name}.joblib"
            joblib.dump(source.forest(member.path), folder / file)
        else:
            file = member.path.name
            shutil.copyfile(member.path, folder / file)
        kept.append(MemberFile(member.name, member.weight, file))
    write_members(folder, kept)


def load(folder: Path, threads: int) -> Scorer:
    """Load the three libraries' models."""
    return vote([(m.weight, _member(folder / m.file, threads)) for m in read_members(folder)])


def _member(path: Path, threads: int) -> Any:
    if path.suffix == ".txt":
        booster = lightgbm.Booster(model_file=path)
        return functools.partial(booster.predict, num_threads=threads)
    if path.suffix == ".ubj":
        model = xgboost.XGBClassifier(n_jobs=threads)
        model.load_model(path)
        return model.predict_proba
    forest = joblib.load(path)
    forest.n_jobs = threads
    return forest.predict_proba


def tuned(path: Path, threads: int) -> Any:
    """Return the fastest documented call of the library that wrote this file."""
    if path.suffix == ".txt":
        return _member(path, threads)
    if path.suffix == ".ubj":
        booster = xgboost.Booster({"nthread": threads}, model_file=path)
        return booster.inplace_predict
    trees = [e.tree_ for e in joblib.load(path).estimators_]

    def predict(rows: Rows) -> NDArray[np.float64]:
        total = trees[0].predict(rows)
        for tree in trees[1:]:
            total += tree.predict(rows)
        result: NDArray[np.float64] = total / len(trees)
        return result

    return predict
