"""The decision page: equity beside chance and the market, whether and which side, the pinned version."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.gates.series import constant, series
from tests.support.training import BAR_MS, ORDER, config_table
from tests.train.test_policy_choice import market, plain_trades

from gradus_live.costs import Costs
from gradus_live.labels import Column, Meta
from gradus_live.money import take_trades
from gradus_runtime.contracts import run_folder
from gradus_train.config import parse
from gradus_train.data.dataset import Dataset
from gradus_train.evaluation.beside import beside
from gradus_train.evaluation.equity import DRAWS, equity_of, scattered_trades
from gradus_train.evaluation.evidence import Evidence
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.skill import skills_of
from gradus_train.report.page import load_details, render_report
from gradus_train.run.run import train
from gradus_train.sections import PolicySettings
from gradus_train.training.prepare import Plan, prepare

DAY_MS = 86_400_000
COSTS = Costs("none", "2026-01-01", 0.0, 3.0, 1.0, 0.0, 2.0)


def with_edge(costs: Costs = COSTS) -> tuple[Evidence, np.ndarray]:
    evidence = series(7, 6_000, ic=0.25)
    rng = np.random.default_rng(0)
    evidence = replace(
        evidence, close=100 * np.exp(np.cumsum(0.002 * rng.standard_normal(len(evidence.labels))))
    )
    _, _, calls = choose_policy(evidence, costs, PolicySettings("thresholds", "level"))
    return evidence, calls


def test_equity_is_the_sum_of_the_trades_that_were_closed_by_the_end_of_each_day() -> None:
    evidence, calls = with_edge()
    for part, held in zip(equity_of(evidence, COSTS, calls), (False, True), strict=True):
        trades = plain_trades(evidence, calls.tolist(), COSTS, held)
        stamps = evidence.timestamps[evidence.held == held]
        first, last = int(stamps[0]) // DAY_MS, int(stamps[-1]) // DAY_MS
        due = [
            sum(net for at, net in trades if min((at + 4 * BAR_MS) // DAY_MS, last) <= day)
            for day in range(first, last + 1)
        ]
        assert part.policy == pytest.approx(due, abs=1e-6)
        assert part.trades == len(trades) > 20


def test_the_market_is_one_trade_from_the_first_close_to_the_last_with_its_costs() -> None:
    evidence, calls = with_edge()
    (part, _) = equity_of(evidence, COSTS, calls)
    assert evidence.close is not None
    close, time = (v[~evidence.held] for v in (evidence.close, evidence.timestamps))
    days = (int(time[-1]) - int(time[0])) / DAY_MS
    due = math.log(close[-1] / close[0]) - 1e-4 * (2 * COSTS.per_side + 2.0 * days)
    assert part.market[-1] == pytest.approx(due, abs=1e-6)
    whole = np.flatnonzero(time // DAY_MS == time[0] // DAY_MS)[-1]
    due = math.log(close[whole] / close[0]) - 1e-4 * (4.0 + 2.0 * (time[whole] - time[0]) / DAY_MS)
    assert part.market[0] == pytest.approx(due, abs=1e-6)
    (part, _) = equity_of(replace(evidence, close=None), COSTS, calls)
    assert part.market == ()


def test_random_calls_have_the_number_the_sides_and_the_lengths_of_the_policys() -> None:
    evidence, calls = with_edge()
    assert evidence.trades is not None
    gone = np.arange(len(calls)) % 7 == 0  # rows whose outcome is not known are never drawn
    outcomes = replace(evidence.trades, long=np.where(gone, np.nan, evidence.trades.long))
    taken = take_trades(evidence.timestamps, BAR_MS, calls, outcomes)
    rng = np.random.default_rng(5)
    starts = []
    for _ in range(50):
        drawn = scattered_trades(taken, outcomes, rng)
        assert Counter(drawn.sides.tolist()) == Counter(taken.sides.tolist())
        assert drawn.bars.tolist() == taken.bars.tolist()  # all are 4
        assert not gone[drawn.rows].any()
        assert (np.diff(drawn.rows) >= 4).all()  # none before the one before it is over
        for row, side, gross in zip(drawn.rows, drawn.sides, drawn.gross, strict=True):
            assert gross == (outcomes.long if side > 0 else outcomes.short)[row]
        starts.append(drawn.rows[0])
    assert len(set(starts)) > 10


def test_an_edge_is_better_than_chance_and_calls_by_chance_are_not() -> None:
    evidence, calls = with_edge(replace(COSTS, taker_fee=0.0, spread=0.0, funding_per_day=0.0))
    (part, held) = equity_of(evidence, COSTS, calls)
    assert part.better_than == 1.0
    assert held.better_than > 0.9
    assert part.policy[-1] > part.high[-1] > part.low[-1]
    turned = np.random.default_rng(1).permutation(calls)
    share = equity_of(evidence, COSTS, turned)[0].better_than
    assert 0.0 < share < 1.0
    assert share * DRAWS == pytest.approx(round(share * DRAWS))
    again = equity_of(evidence, COSTS, turned)
    assert again[0].better_than == share  # the same draws each time


def test_without_costs_or_prices_nothing_is_shown_as_money() -> None:
    evidence, calls = with_edge()
    assert equity_of(evidence, None, calls) == ()
    assert equity_of(replace(evidence, trades=None), COSTS, calls) == ()
    (part, _) = equity_of(evidence, COSTS, np.zeros_like(calls))
    assert (part.trades, set(part.policy), part.better_than) == (0, {0.0}, 0.0)


# ---------------------------------------------------------------- whether, and which side


def plain_auc(said: list[float], came: list[bool]) -> float:
    pairs = [
        (a, b) for a, x in zip(said, came, strict=True) if x for b, y in zip(said, came, strict=True) if not y
    ]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def test_each_question_is_asked_of_its_own_rows() -> None:
    evidence = series(3, 700, ic=0.3)
    moves, side = skills_of(evidence)
    p, labels = evidence.probabilities.tolist(), evidence.labels.tolist()
    assert moves.auc == pytest.approx(plain_auc([1 - r[1] for r in p], [label != 1 for label in labels]))
    moved = [i for i, label in enumerate(labels) if label != 1]
    up = [p[i][2] / (p[i][0] + p[i][2]) for i in moved]
    assert side.auc == pytest.approx(plain_auc(up, [labels[i] == 2 for i in moved]))
    assert (moves.rows, side.rows) == (len(labels), len(moved))
    held = [i for i in moved if evidence.held[i]]
    found = plain_auc([p[i][2] / (p[i][0] + p[i][2]) for i in held], [labels[i] == 2 for i in held])
    assert side.auc_holdout == pytest.approx(found)
    for skill in (moves, side):
        assert sum(b.rows for b in skill.bins) == skill.rows
        said = [b.said for b in skill.bins]
        assert said == sorted(said)
        assert sum(b.rows * b.came for b in skill.bins) == pytest.approx(skill.share * skill.rows)
    assert len(moves.bins) == 10


def test_a_constant_model_has_no_skill_and_classes_without_sides_have_no_side() -> None:
    flat = constant(5, 3_000, 0.6)
    assert [skill.auc for skill in skills_of(flat)] == [0.5, 0.5]
    assert all(len(skill.bins) == 1 for skill in skills_of(flat))  # equal values are not torn apart
    assert skills_of(replace(flat, rule=Column(4, ("a", "b", "c")))) == ()
    won = (flat.labels > 0).astype(np.int64)
    meta = replace(
        flat, rule=Meta("s"), labels=won, probabilities=np.column_stack([1 - 0.5 * won, 0.5 * won])
    )
    (skill,) = skills_of(meta)
    assert (skill.name, skill.auc) == ("comes off", 1.0)
    assert skill.error == 0.0


def test_the_error_of_an_auc_is_what_many_draws_vary_by() -> None:
    rng = np.random.default_rng(2)
    found, base = [], constant(5, 1_000, 0.6)
    n = len(base.labels)
    for _ in range(60):
        score = rng.normal(size=n)
        labels = np.where(score + 3 * rng.normal(size=n) > 0, 2, 1)
        up = 1 / (1 + np.exp(-score))
        said = np.column_stack([0 * up, 1 - up, up])
        (skill,) = skills_of(
            replace(base, labels=labels, probabilities=said, rule=replace(base.rule, horizon=1))
        )
        found.append(skill)
    assert np.std([s.auc for s in found]) == pytest.approx(np.mean([s.error for s in found]), rel=0.25)


# ---------------------------------------------------------------- the pinned version, and the page


def plan_of(data: Dataset) -> Plan:
    table = {**config_table(("lightgbm",)), "format": "gradus-training/2", "policy": {"window_days": 3.0}}
    return prepare(data, ORDER, parse(table, place="training.toml"), ["level3"])


def test_two_sets_of_answers_are_compared_on_the_same_rows() -> None:
    plan = plan_of(market(2_000))
    rows = plan.timeline.holdout
    labels = plan.dataset.labels[rows]
    rng = np.random.default_rng(3)
    mine, theirs = (rng.dirichlet([2, 3, 2], len(rows)) for _ in range(2))
    line = beside(plan, rows, mine, theirs, COSTS)
    losses = [[-math.log(p[i][label]) for i, label in enumerate(labels)] for p in (mine, theirs)]
    difference = (sum(losses[0]) - sum(losses[1])) / len(rows)
    assert line.mine.scores.log_loss - line.theirs.scores.log_loss == pytest.approx(difference)
    assert line.low is not None
    assert line.high is not None
    assert line.low < difference < line.high
    for answers, said in ((line.mine, mine), (line.theirs, theirs)):
        called = [int(p.argmax()) for p in said]
        right = [c == label for c, label in zip(called, labels, strict=True) if c != 1]
        assert answers.calls == pytest.approx(len(right) / len(rows))
        assert answers.right == pytest.approx(sum(right) / len(right))
        assert answers.money is not None
        known = [i for i in range(len(rows)) if called[i] != 1]
        trades, busy = 0, -1
        for i in known:
            at = int(plan.dataset.timestamps[rows[i]]) // BAR_MS
            if at >= busy:
                trades, busy = trades + 1, at + 4
        assert answers.money.trades == trades
    assert beside(plan, rows, mine, theirs, None).mine.money is None


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    made, plan = {}, plan_of(market(3_000))
    for name, costs in (("costs", COSTS), ("none", None)):
        folder = tmp_path_factory.mktemp(name)
        outcome = train(plan, folder / "run", jobs=1, costs=costs)
        details = load_details(folder / "run")
        assert details == outcome.details  # it travels in the run as it was measured
        made[name] = render_report(run_folder.load(folder / "run"), details)
    return made


def test_the_page_begins_with_the_verdict_and_what_decides(pages: dict[str, str]) -> None:
    parts = [
        f'<h2 id="{name}"' for name in ("verdict", "money", "skill", "service", "levels", "gates", "data")
    ]
    places = [pages["costs"].index(part) for part in parts]
    assert places == sorted(places)
    for text in ("Equity out of fold", "Equity on the holdout", "200 draws", "Which side, where it moves?"):
        assert text in pages["costs"]
    assert 'class="vote"' in pages["costs"]


def test_without_costs_the_page_has_the_lines_to_write_and_no_money(pages: dict[str, str]) -> None:
    page = pages["none"]
    assert "write them into config/costs.toml" in page
    for text in ("Equity", "net bp", "gross", "basis points each", "break-even"):
        assert text not in page, text
    assert "Which side, where it moves?" in page


def test_a_run_of_before_is_still_reported(tmp_path: Path) -> None:
    train(plan_of(market(2_000)), tmp_path / "run", jobs=1, costs=COSTS)
    path = tmp_path / "run" / "training_metadata.json"
    value = json.loads(path.read_text())
    for key in ("pinned", "equity", "skills"):
        del value["training"]["details"][key]
    path.write_text(json.dumps(value))
    details = load_details(tmp_path / "run")
    assert (details.pinned, details.equity, details.skills) == (None, (), ())
    assert "Equity" not in render_report(run_folder.load(tmp_path / "run"), details)
