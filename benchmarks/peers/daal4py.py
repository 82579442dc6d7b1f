"""daal4py of scikit-learn-intelex: boosted trees of LightGBM and XGBoost, converted to oneDAL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import daal4py
import daal4py.mb
import joblib

from benchmarks.peers.scorer import MemberFile, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]

_FILE = "model.joblib"


def prepare(run: Path, folder: Path) -> None:
    """Convert the member and keep it as its documentation does, pickled."""
    from benchmarks.peers import source

    (member,) = source.members(run)
    joblib.dump(daal4py.mb.convert_model(_booster(member)), folder / _FILE)
    write_members(folder, [MemberFile(member.name, member.weight, _FILE)])


def _booster(member: Any) -> Any:
    if member.library == "lightgbm":
        import lightgbm

        return lightgbm.Booster(model_file=member.path)
    import xgboost

    return xgboost.Booster(model_file=member.path)


def load(folder: Path, threads: int) -> Scorer:
    """Load the converted member."""
    daal4py.daalinit(nthreads=threads)
    (member,) = read_members(folder)
    return vote([(member.weight, joblib.load(folder / member.file).predict_proba)])
