"""Timber: boosted trees as C99, compiled by gcc to one shared library. One thread whatever is asked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from timber.runtime.predictor import TimberPredictor

from benchmarks.peers.scorer import MemberFile, Rows, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]


def prepare(run: Path, folder: Path) -> None:
    """Emit the member as C and compile it."""
    from timber.codegen.c99 import C99Emitter, TargetSpec
    from timber.frontends import parse_model
    from timber.optimizer.pipeline import OptimizerPipeline

    from benchmarks.peers import source

    (member,) = source.members(run)
    model = folder / ("model.txt" if member.library == "lightgbm" else "model.json")
    if member.library == "lightgbm":
        shutil.copyfile(member.path, model)
    else:
        import xgboost

        xgboost.Booster(model_file=member.path).save_model(model)
    # By default it removes leaves of little weight: another model, by up to 0.04 of a probability.
    parsed = OptimizerPipeline(dead_leaf_threshold=0.0).run(parse_model(str(model))).ir
    model.unlink()
    C99Emitter(target=TargetSpec()).emit(parsed).write(folder)
    TimberPredictor.from_artifact(folder)
    write_members(folder, [MemberFile(member.name, member.weight, ".")])


def load(folder: Path, threads: int) -> Scorer:
    """Open the shared library."""
    del threads
    (member,) = read_members(folder)
    model = TimberPredictor.from_artifact(folder / member.file, build=False)

    def predict(rows: Rows) -> Any:
        return model.predict(rows).reshape(len(rows), -1)

    return vote([(member.weight, predict)])
