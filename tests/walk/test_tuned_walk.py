"""A walk that searches parameters each week: on the rows known then, every trial on record."""

import json
import shutil

import numpy as np
import pytest
from tests.support.walks import cut, run_walk, words, write_project

from gradus_live.costs import Costs
from gradus_runtime.cli import main
from gradus_train.tuning import search as searching
from gradus_train.walk.chance import StudyFigures, TrialFigures, chance_of, figures_of
from gradus_train.walk.text import chance_sentences
from gradus_train.walk.tuning import Study, Trial

TUNED = ("--optimize", "--n-trials", "3", "--quick-proof", "--to", "2025-02-09")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def walked(project):
    return run_walk(project, project / "out", *TUNED)


def trials(out, week):
    return json.loads((out / "weeks" / week / "trials.json").read_bytes())["studies"]


def test_each_week_takes_the_best_of_its_trials_and_all_of_them_are_on_record(project, walked):
    for week in walked["weeks"]:
        assert [(s["level"], s["member"]) for s in week["tuning"]] == [
            ("level1", "lightgbm"),
            ("level2", "lightgbm"),
        ]
        metadata = project / "out" / "weeks" / week["name"] / "run" / "training_metadata.json"
        fitted = json.loads(metadata.read_bytes())["training"]
        for study, kept in zip(week["tuning"], trials(project / "out", week["name"]), strict=True):
            losses = [t["log_loss"] for t in study["trials"]]
            assert len(losses) == 3
            assert study["chosen"] == losses.index(min(losses))
            assert json.dumps(kept["trials"][study["chosen"]]["parameters"]) in json.dumps(fitted)
            for trial in kept["trials"]:
                assert sum(trial["losses"]) / sum(kept["rows"]) == pytest.approx(trial["log_loss"])
    assert walked["chance"]["trials"] == 12
    assert walked["chance"]["trials_a_week"] == 6
    page = (project / "out" / "walk.html").read_text()
    for text in ("Tuning, and luck", "Deflated Sharpe ratio", "Probability of backtest overfitting"):
        assert text in page
    assert not list((project / "out").glob("weeks/*/trials"))


def test_trials_are_of_rows_known_then_and_an_interrupted_search_goes_on_to_the_same_bytes(
    project, walked, tmp_path, monkeypatch, capsys
):
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("out"))
    cut(copy / "market" / "candles.csv", "2025-02-03T00:00:00Z")
    one = [*TUNED[:-1], "2025-02-02"]
    honest, fitted = searching._fitted, []

    def few(asked, task, pool):
        if len(fitted) == 5:
            raise KeyboardInterrupt
        fitted.append(task)
        return honest(asked, task, pool)

    monkeypatch.setattr(searching, "_fitted", few)
    assert main([*words(copy), "--out", str(copy / "out"), *one]) == 130
    parts = list((copy / "out" / "weeks" / "2025-01-27" / "trials").glob("*.part"))
    assert len(parts) == 5
    before = {p.name: p.stat().st_mtime_ns for p in parts}
    monkeypatch.setattr(searching, "_fitted", honest)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    result = run_walk(copy, copy / "out", *one)
    for path in parts:
        assert path.stat().st_mtime_ns == before[path.name]
    name = "weeks/2025-01-27/trials.json"
    assert (copy / "out" / name).read_bytes() == (project / "out" / name).read_bytes()
    assert json.dumps(result["weeks"][0]) == json.dumps(walked["weeks"][0])


def test_no_trial_is_no_search(project, tmp_path, capsys):
    assert main([*words(project), "--out", str(tmp_path / "out"), "--optimize", "--n-trials", "0"]) == 2
    assert "trials must be at least 1" in capsys.readouterr().err


def test_a_trials_money_pays_two_sides_a_trade_and_funding_for_the_time():
    costs = Costs("x", "2026-11-01", 0.0, 4.0, 0.5, 0.5, 9.6)
    trial = Trial(0, {}, 0.5, (1.0, 2.0), (0.01, 0.0), (2, 0), (96, 0))
    (found,) = figures_of(Study("level1", "m", (2, 4), (trial,), 0), costs, 900_000).trials
    assert found.net == pytest.approx(0.01 - 2 * 2 * 5e-4 - 9.6e-4)


def study(*sharpes, overfitting=0.4):
    each = tuple(TrialFigures(i, 0.5, 0.0, s) for i, s in enumerate(sharpes))
    return StudyFigures("level1", "m", 0, overfitting, each)


def test_chance_counts_the_trials_of_a_week_and_deflates_by_their_spread():
    days = np.random.default_rng(0).normal(0.002, 0.01, 70)
    weeks = [[study(0.1, -0.1), study(0.0, 0.2, overfitting=0.6)], [study(0.1)]]
    found = chance_of(weeks, days)
    assert (found.trials, found.trials_a_week, found.overfitting) == (5, 4, pytest.approx(0.4667, abs=1e-3))
    many = chance_of([[study(*np.linspace(-0.2, 0.2, 50))]], days)
    assert many.deflated < found.deflated
    assert "here it is not" in " ".join(chance_sentences(many))
    assert chance_of([[], []], days) is None


def test_a_walk_that_traded_nothing_says_so():
    found = chance_of([[study(0.1, 0.2, overfitting=None)]], np.zeros(14))
    assert found.deflated is None
    said = " ".join(chance_sentences(found))
    assert "too little was traded" in said
    assert "too few days" in said
