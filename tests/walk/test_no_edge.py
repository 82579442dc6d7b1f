"""Trained models on markets without any edge: what is left is minus the costs, within its interval."""

import numpy as np
import pytest
from tests.support.walks import TRAINING, run_walk, write_project

from gradus_live.bootstrap import ratio_interval
from gradus_train.walk import week as judging

ROUND = 2 * 5e-4  # two sides of the project's costs
THREE_WEEKS = ("--to", "2025-02-16", "--quick-proof")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Two markets whose next bar nobody can tell; balanced classes make the models call."""
    folders = []
    for seed in (21, 22):
        folder = tmp_path_factory.mktemp("nothing")
        write_project(folder, signal=0.0, seed=seed)
        balanced = TRAINING.replace("class_weight = 0.0", "class_weight = 1.0")
        assert balanced != TRAINING
        (folder / "config" / "training.toml").write_text(balanced)
        folders.append(folder)
    return folders


@pytest.fixture(scope="module")
def walked(projects):
    return [run_walk(folder, folder / "out", *THREE_WEEKS) for folder in projects]


def a_trade(walks):
    """What a trade leaves, with its interval of 99 %, over all days of all walks; and the trades."""
    money = [week["money"] for walk in walks for week in walk["weeks"]]
    days = np.concatenate([m["days"] for m in money])
    trades = np.concatenate([m["trades"] for m in money]).astype(float)
    return ratio_interval(days, trades, block=5, level=0.99), trades.sum()


def test_models_that_know_nothing_leave_minus_their_costs(walked):
    found, trades = a_trade(walked)
    assert trades > 300
    assert found.low < -ROUND < found.high
    for walk in walked:
        assert walk["money"]["costs"] == pytest.approx(walk["money"]["trades"] * ROUND, abs=1e-9)
        assert walk["money"]["net"] < 0


def test_calls_that_saw_what_came_leave_more_than_chance_explains(projects, walked, monkeypatch):
    """The same versions, one call in five made with the label in hand: the test above would fail."""
    honest = judging.calls_of

    def knowing(answers, bars):
        calls = honest(answers, bars)
        side = np.array([-1, 0, 1])[np.maximum(bars.labels, 0)]
        fifth = np.arange(len(calls)) % 5 == 0
        return np.where(fifth & (bars.labels >= 0), side, calls)

    monkeypatch.setattr(judging, "calls_of", knowing)
    found, _ = a_trade([run_walk(folder, folder / "out", *THREE_WEEKS) for folder in projects])
    assert found.low > -ROUND
