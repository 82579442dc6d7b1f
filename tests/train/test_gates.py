from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_runtime.errors import ConfigError
from gradus_train.evaluation.beside import JudgedAnswers, PinnedLine
from gradus_train.evaluation.class_metrics import score
from gradus_train.evaluation.gates import evaluate, load, parse, passed
from gradus_train.evaluation.value import ValueTest
from gradus_train.run.run import train
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent

ROOT = Path(__file__).parents[2]
NO_PIN = "no artifact store was named (--store)"


def gates(*items):
    return parse({"format": "gradus-gates/1", "gates": list(items)}, place="gates.toml")


def gate(metric="log_loss", level="*", **rule):
    return {"level": level, "metric": metric, **rule}


@pytest.fixture(scope="module")
def details(tmp_path_factory):
    plan = prepare(make_dataset(), ORDER, quick_config(("random_forest",)), ["level2", "level3"])
    return train(plan, tmp_path_factory.mktemp("gates") / "run", jobs=1, progress=Silent()).details.levels


def test_the_shipped_gates_are_of_integrity_and_ask_for_no_f1():
    shipped = load(ROOT / "config/gates.toml")
    assert [(g.kind, g.test) for g in shipped] == [
        ("integrity", "leak"),
        ("integrity", "priors"),
        ("value", "members"),
        ("integrity", None),
    ]
    assert shipped[3].margin_to_pinned == 0.02


def test_every_level_is_held_against_a_gate_for_all(details):
    lines = evaluate(gates(gate(beats="priors")), details, NO_PIN)
    better = [d.holdout.ensemble.log_loss < d.holdout.baselines["priors"].log_loss for d in details]
    assert [(line.level, line.holds) for line in lines] == [("level2", better[0]), ("level3", better[1])]
    assert "must be below the baseline (priors)" in lines[0].text
    assert better[0]
    assert passed(lines) == all(better)


def test_a_failing_gate_says_the_figure_and_the_bound(details):
    (line,) = evaluate(gates(gate("accuracy", "level3", at_least=0.99)), details, NO_PIN)
    accuracy = details[1].holdout.ensemble.accuracy
    assert line.text == f"level3: accuracy {accuracy:.4f} must be at least 0.9900"
    assert line.holds is False
    assert not passed([line])


def test_bounds_hold_on_both_sides(details):
    lines = evaluate(
        gates(gate("ece", "level2", at_most=1.0), gate("ece", "level2", at_most=0.0)), details, ""
    )
    assert [line.holds for line in lines] == [True, False]


def test_a_higher_metric_beats_a_baseline_from_above(details):
    (line,) = evaluate(gates(gate("accuracy", "level2", beats="level below")), details, NO_PIN)
    below = details[0].holdout.baselines["level below"].accuracy
    assert line.holds is (details[0].holdout.ensemble.accuracy > below)
    assert "above the baseline (level below)" in line.text


def test_a_baseline_or_level_that_is_not_there_skips_the_gate(details):
    lines = evaluate(
        gates(gate(level="level3", beats="level below"), gate(level="level1", at_most=1.0)), details, NO_PIN
    )
    assert [line.holds for line in lines] == [None, None]
    assert "there is none" in lines[0].text
    assert "it was not trained" in lines[1].text
    assert passed(lines)


def test_no_pinned_version_skips_the_comparison_with_a_plain_line(details):
    (line,) = evaluate(gates(gate(level="level2", margin_to_pinned=0.02)), details, NO_PIN)
    assert line.holds is None
    assert line.text == f"level2: log_loss is not compared with the pinned version: {NO_PIN}"
    (line,) = evaluate(gates(gate(level="*", margin_to_pinned=0.02)), details, NO_PIN)
    assert line.text.startswith("every level: log_loss is not compared")


def beside_each_other(mine, theirs):
    return PinnedLine(
        JudgedAnswers(mine, None, None, None), JudgedAnswers(theirs, None, None, None), None, None
    )


@pytest.mark.parametrize(("worse_by", "holds"), [(-0.1, True), (0.01, True), (0.03, False)])
def test_a_run_may_be_worse_than_the_pinned_version_by_the_margin_only(details, worse_by, holds):
    mine = score(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    theirs = replace(mine, log_loss=mine.log_loss - worse_by)
    (line,) = evaluate(
        gates(gate(level="level2", margin_to_pinned=0.02)),
        details,
        {"level2": beside_each_other(mine, theirs)},
    )
    assert line.holds is holds
    (none,) = evaluate(
        gates(gate(level="level3", margin_to_pinned=0.02)),
        details,
        {"level2": beside_each_other(mine, theirs)},
    )
    assert none.holds is None


def test_a_metric_where_more_is_better_is_compared_the_other_way(details):
    mine = score(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    theirs = replace(mine, accuracy=mine.accuracy + 0.1)
    rule = gates(gate("accuracy", "level2", margin_to_pinned=0.05))
    assert evaluate(rule, details, {"level2": beside_each_other(mine, theirs)})[0].holds is False
    assert evaluate(rule, details, {"level2": beside_each_other(theirs, mine)})[0].holds is True


def test_a_value_gate_fails_no_run(details):
    rule = {"format": "gradus-gates/2", "gates": [gate("accuracy", at_least=0.99, kind="value")]}
    lines = evaluate(parse(rule, place="gates.toml"), details, NO_PIN)
    assert [line.holds for line in lines] == [False, False]
    assert passed(lines)


def test_tests_of_what_is_served_are_gates(details):
    rule = {"format": "gradus-gates/2", "gates": [{"test": "priors"}, {"test": "leak"}]}
    both = parse(rule, place="gates.toml")
    worse = ValueTest(0.01, 0.005, 0.015, 0.001, 0.02, 500, holds=True)
    lines = evaluate(both, details, NO_PIN, worse=worse, suspicions=["x looks ahead"])
    assert [(line.rule, line.holds) for line in lines] == [("priors", False), ("leak", False)]
    assert "Fails where both are higher and p is below 0.005" in lines[0].text
    assert lines[1].text == "x looks ahead"
    assert not passed(lines)
    fine = evaluate(both, details, NO_PIN, worse=replace(worse, holds=False), suspicions=[])
    assert [line.holds for line in fine] == [True, True]
    assert [line.holds for line in evaluate(both, details, NO_PIN)] == [None, None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"format": "gradus-gates/3"}, "format must be 'gradus-gates/2' or 'gradus-gates/1'"),
        (
            {"format": "gradus-gates/1", "gates": [{"test": "priors"}]},
            "a gate must have exactly one of at_least",
        ),
        (
            {"format": "gradus-gates/1", "gates": [gate(at_least=1.0, kind="value")]},
            "need format 'gradus-gates/2'",
        ),
        ({"format": "gradus-gates/2", "gates": [{"test": "luck"}]}, "test must be one of priors, leak"),
        ({"format": "gradus-gates/2", "gates": [{"test": "leak", "level": "*"}]}, "test must be one of"),
        (
            {"format": "gradus-gates/2", "gates": [{"test": "leak", "kind": "x"}]},
            "kind must be one of integrity",
        ),
        ({"format": "gradus-gates/1", "rules": []}, "only 'format' and a list 'gates' are known"),
        ({"format": "gradus-gates/1", "gates": [3]}, "a gate must be a table"),
        ({"format": "gradus-gates/1", "gates": [gate()]}, "a gate must have exactly one of at_least"),
        ({"format": "gradus-gates/1", "gates": [gate(at_least=1.0, at_most=2.0)]}, "exactly one of"),
        ({"format": "gradus-gates/1", "gates": [gate("profit", at_least=1.0)]}, "a metric must be known"),
        ({"format": "gradus-gates/1", "gates": [gate(beats="luck")]}, "a baseline must be one of"),
        ({"format": "gradus-gates/1", "gates": [gate(at_least="high")]}, "a finite number is needed"),
    ],
)
def test_a_gate_that_breaks_a_rule_is_refused(value, text):
    with pytest.raises(ConfigError, match=text):
        parse(value, place="gates.toml")


def test_a_gates_file_that_is_absent_or_no_toml_is_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="gates must be readable"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(ConfigError, match="gates must be TOML"):
        load(tmp_path / "bad.toml")
