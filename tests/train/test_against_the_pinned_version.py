"""The comparison with the pinned version: a fit on what that one could know, both judged on rows after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_train.evaluation import gates as gating
from gradus_train.evaluation.pinned import Pinned, compare_with_pinned, find_pinned
from gradus_train.run.run import train
from gradus_train.training.assemble import assemble
from gradus_train.training.execute import execute
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Threads
from gradus_train.training.prepare import prepare, with_fit_up_to
from gradus_train.training.progress import Silent

OLD, ALL = 900, 1500
CONFIG = quick_config(("lightgbm", "random_forest"), format="gradus-training/2")
MARGIN = {"level": "*", "metric": "log_loss", "margin_to_pinned": 0.02}
GATES = gating.parse({"format": "gradus-gates/2", "gates": [MARGIN]}, place="gates.toml")


def until(rows):
    """The dataset as it was when it had so many rows: the labels of the last four were not known yet."""
    whole = make_dataset(ALL)
    early = whole.select(np.arange(ALL) < rows)
    return replace(early, labels=np.where(np.arange(rows) < rows - 4, early.labels, -1))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store whose pinned version is the same configuration, shipped with all rows of the older data."""
    folder = tmp_path_factory.mktemp("pinned")
    train(prepare(until(OLD), ORDER, CONFIG, ["level3"]), folder / "run", progress=Silent())
    text = (Path(__file__).parents[2] / "config/artifact.toml").read_text()
    (folder / "artifact.toml").write_text(text)
    options = ["--config", str(folder / "artifact.toml"), "--store", str(folder / "tiny"), "--pin"]
    assert main(["convert", "--run", str(folder / "run"), *options]) == 0
    return folder / "tiny"


def results_of(plan, folder):
    with Threads(1) as pool:
        executed = execute(plan, PartStore(folder), pool=pool, progress=Silent())
    return [assemble(plan, level, executed) for level in plan.levels]


def test_the_same_configuration_is_as_good_as_the_pinned_version_on_every_later_row(store, tmp_path):
    plan = prepare(make_dataset(ALL), ORDER, CONFIG, ["level2", "level3"])
    pinned = find_pinned(store, plan)
    assert isinstance(pinned, Pinned)
    plan = with_fit_up_to(plan, pinned.data_end)
    results = results_of(plan, tmp_path)
    found = compare_with_pinned(pinned, plan, results)
    both = found.lines
    assert set(both) == {"level3", "served"}  # the pinned version has no level2
    line = both["level3"]
    mine, theirs = line.mine.scores, line.theirs.scores
    assert mine.rows == theirs.rows == ALL - 4 - OLD
    # Both were fitted on the same rows by the same rules. Models of this run, which know the later rows, or a
    # fit whose labels end elsewhere, would say something else.
    assert mine.log_loss == pytest.approx(theirs.log_loss, abs=1e-6)
    assert mine.confusion == theirs.confusion
    with Predictor.open(store) as bot:
        row = results[1].up_to.test_rows[7]
        said = bot.predict_proba(plan.dataset.features[[row]], names=ORDER.names)
    assert said[0] == pytest.approx(results[1].up_to.vote[7], abs=1e-6)


def test_no_label_of_the_fit_looks_beyond_the_end_of_the_pinned_versions_data():
    plan = prepare(make_dataset(ALL), ORDER, CONFIG, ["level3"])
    end = int(plan.dataset.timestamps[OLD - 1])
    tasks = [t for t in with_fit_up_to(plan, end).tasks if t.key.fold == "upto"]
    assert len(tasks) == 2
    for task in tasks:
        assert task.train[-1] + CONFIG.labels.reach == OLD - 1
        assert task.measure[0] == OLD
        assert task.measure[-1] == ALL - 5


def test_the_gate_compares_each_level_and_what_is_served(store, tmp_path):
    plan = prepare(make_dataset(ALL), ORDER, CONFIG, ["level3"])
    outcome = train(plan, tmp_path / "run", progress=Silent(), gates=GATES, pinned_store=store)
    lines = [line for line in outcome.details.gates if "pinned" in line.text]
    assert [line.level for line in lines] == ["level3", "served"]
    assert all(line.holds for line in lines)
    assert "on 596 rows later than its data" in lines[0].text


def test_a_configuration_that_knows_nothing_fails_the_gate(store, tmp_path):
    (member, _) = CONFIG.members
    dull = replace(CONFIG, members=(replace(member, parameters={"n_estimators": 1, "learning_rate": 1e-6}),))
    plan = prepare(make_dataset(ALL), ORDER, dull, ["level3"])
    outcome = train(plan, tmp_path / "run", progress=Silent(), gates=GATES, pinned_store=store)
    assert [line.holds for line in outcome.details.gates if "pinned" in line.text] == [False, False]
    assert outcome.run.gate_passed is False


def test_fewer_than_five_days_make_no_gate_and_the_report_says_so(store, tmp_path):
    plan = prepare(until(OLD + 484), ORDER, CONFIG, ["level3"])  # 480 rows with a label: five days
    assert isinstance(find_pinned(store, plan), Pinned)
    plan = prepare(until(OLD + 483), ORDER, CONFIG, ["level3"])
    outcome = train(plan, tmp_path / "run", progress=Silent(), gates=GATES, pinned_store=store)
    (line,) = [line for line in outcome.details.gates if line.rule == "log_loss"]
    assert line.holds is None
    assert line.text.endswith("5.0 days of rows are later, and 5 are needed")
    assert outcome.run.gate_passed is True
    assert main(["report", "--run", str(tmp_path / "run")]) == 0
    assert "and 5 are needed" in (tmp_path / "run/report.html").read_text()


def test_no_row_is_later_in_the_same_data(store):
    plan = prepare(until(OLD), ORDER, CONFIG, ["level3"])
    assert "0.0 days of rows are later" in str(find_pinned(store, plan))


def test_other_classes_or_another_label_cannot_be_compared(store):
    plan = prepare(make_dataset(ALL), ORDER, CONFIG, ["level3"])
    other = replace(plan, dataset=replace(plan.dataset, classes=("DOWN", "FLAT", "UP")))
    assert find_pinned(store, other) == "its classes are SELL, HOLD, BUY"
    longer = replace(plan.dataset.rule, horizon=8)
    other = replace(plan, dataset=replace(plan.dataset, rule=longer))
    assert "its label is another: " in str(find_pinned(store, other))


def test_without_a_store_or_a_pin_there_is_nothing_to_compare_with(tmp_path):
    plan = prepare(make_dataset(), ORDER, CONFIG, ["level3"])
    assert find_pinned(None, plan) == "no artifact store was named (--store)"
    assert find_pinned(tmp_path, plan) == f"no version is pinned in {tmp_path}"
