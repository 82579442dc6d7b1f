"""The shipped models are fitted on all rows; every figure is of models that had not seen its rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.training import ORDER, config_table, make_dataset

from gradus_runtime.contracts import run_folder
from gradus_train.config import TrainingConfig, parse
from gradus_train.run.run import train
from gradus_train.training.prepare import Plan, prepare


def config(*, last: bool) -> TrainingConfig:
    table = {**config_table(), "format": "gradus-training/2", "last_fit": {"on": last}}
    return parse(table, place="training.toml")


def plan_with(*, last: bool) -> Plan:
    return prepare(make_dataset(), ORDER, config(last=last), ["level2"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("last")
    for last in (True, False):
        train(plan_with(last=last), base / str(last), jobs=1)
    return base / "True", base / "False"


def test_the_last_fit_sees_all_rows_and_measures_none() -> None:
    plan = plan_with(last=True)
    last = [t for t in plan.tasks if t.key.fold == "last"]
    assert len(last) == len(plan.config.members)
    rows = np.flatnonzero(plan.levels[0].usable)
    for task in last:
        assert task.train.tolist() == rows.tolist()
        assert len(task.measure) == 0
    assert plan.levels[0].tasks[-1].key.fold == "final"


def test_other_models_are_shipped_and_the_figures_are_the_same(folders: tuple[Path, Path]) -> None:
    runs = [run_folder.load(folder) for folder in folders]
    assert [m.sha256 for m in runs[0].levels[0].members] != [m.sha256 for m in runs[1].levels[0].members]
    assert runs[0].levels[0].metrics == runs[1].levels[0].metrics
    details = [json.loads((f / run_folder.METADATA).read_text())["training"]["details"] for f in folders]
    assert details[0] == details[1]


def test_what_is_measured_and_what_is_shipped_are_said_apart(folders: tuple[Path, Path]) -> None:
    with_last, without = (run_folder.load(folder) for folder in folders)
    shipped, measured = with_last.found.shipped, with_last.found.measured
    assert shipped is not None
    assert measured is not None
    assert without.found.shipped is not None
    assert without.found.measured == measured
    assert shipped.end == measured.end
    assert without.found.shipped.end < measured.end
    assert shipped.rows == with_last.provenance.rows > without.found.shipped.rows
