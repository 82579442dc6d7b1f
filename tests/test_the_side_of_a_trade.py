"""An artifact of a meta label answers with the side of the trade, wherever answers are made or read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.training import BAR_MS, ORDER, config_table
from tests.train.test_policy_choice import market

from gradus_convert import convert_run
from gradus_convert import load_config as load_artifact_config
from gradus_live.bars import Bars
from gradus_live.costs import Costs
from gradus_live.labels import FixedHorizon, Meta, outcomes
from gradus_live.outcomes.join import Contract, join
from gradus_runtime import Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.errors import ManifestError
from gradus_runtime.journal import read_journal
from gradus_train.config import parse
from gradus_train.data.dataset import Dataset
from gradus_train.evaluation.policy import choose_policy
from gradus_train.run.run import train
from gradus_train.sections import PolicySettings
from gradus_train.training.prepare import prepare
from gradus_train.walk.week_answers import WeekAnswers, calls_of

FREE = Costs("none", "2026-01-01", 0.0, 0.0, 0.0, 0.0, 0.0)
SIDE = "s0"
Version = tuple[Path, Dataset]
RULE = Meta(SIDE, FixedHorizon(4, 0.002))
COLUMN = ORDER.names.index(SIDE)
ARTIFACT = """format = "gradus-artifact/1"
[decision]
confidence_threshold = {threshold}
fallback_action = "{fallback}"
fallback_confidence = 0.5
fallback_probabilities = [0.5, 0.5]
[runtime]
minimum = "1.20.0"
known_bad = []
[aliases]
"""


def proposals(n: int = 3_000) -> Dataset:
    """Trades that the sign of a feature proposes, and that come off where another feature agrees."""
    base = market(n)
    features = base.features.copy()
    features[np.abs(features[:, COLUMN]) < 0.3, COLUMN] = 0.0
    side = features[:, COLUMN].astype(np.float64)
    bars = Bars(base.timestamps, base.close, BAR_MS, np.append(base.close[0], base.close[:-1]))
    made = outcomes(RULE, bars, side=side)
    return replace(
        base,
        features=features,
        labels=made.labels,
        classes=RULE.classes,
        rule=RULE,
        trades=made,
        side=side,
    )


@pytest.fixture(scope="module", params=["argmax", "thresholds"])
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Version:
    folder = tmp_path_factory.mktemp(request.param)
    policy = (
        {"kind": request.param, "threshold": "level"} if request.param != "argmax" else {"kind": "argmax"}
    )
    table = {**config_table(("lightgbm",)), "format": "gradus-training/2", "policy": policy}
    data = proposals()
    plan = prepare(data, ORDER, parse(table, place="training.toml"), ["level2", "level3"])
    outcome = train(plan, folder / "run", jobs=1, costs=FREE)
    assert outcome.details.policy is not None
    assert outcome.details.policy.kind == request.param
    config = folder / "artifact.toml"
    config.write_text(ARTIFACT.format(threshold=0.55, fallback="HOLD"))
    done = convert_run(
        folder / "run",
        folder / "a",
        config=load_artifact_config(config),
        version="2026.1.4",
        third_opinion=False,
    )
    assert done.path is not None
    card = (done.path / "card.md").read_text()
    assert f"the action is the side that {SIDE} proposes: BUY above 0, SELL below" in card
    return done.path, data


def due(decision_call: str | None, taken: bool, side: float) -> str:
    if decision_call is None or not taken or not math.isfinite(side):
        return "HOLD"
    return "BUY" if side > 0 else "SELL" if side < 0 else "HOLD"


def rows_of(data: Dataset, count: int = 400) -> list[dict[str, float]]:
    rows = [dict(zip(data.names, map(float, values), strict=True)) for values in data.features[-count:]]
    for i, row in enumerate(rows):
        if i % 9 == 0:
            del row[SIDE]
    return rows


def test_the_action_is_the_side_where_the_policy_lets_the_trade_through(
    version: Version,
) -> None:
    path, data = version
    rows = rows_of(data)
    with Predictor.open(path) as bot:
        policy, counts = bot.info().policy, dict.fromkeys(("BUY", "SELL", "HOLD"), 0)
        rules = json.loads((path / "manifest.json").read_text()).get("policy")
        for row in rows:
            decision = bot.decide(row)
            win = decision.probabilities["WIN"]
            taken = max(win, 1 - win) >= 0.55 and win > 0.5
            if rules is not None:
                taken = win >= rules["rules"][0]["threshold"]
            side = row.get(SIDE, math.nan)
            assert decision.action == due(decision.call, taken, side)
            assert decision.call == ("WIN" if win > 0.5 else "LOSS")
            if taken and decision.action == "HOLD":
                assert decision.held == f"WIN, but {SIDE} proposes no side: HOLD"
            elif decision.action in ("BUY", "SELL") and decision.call == "WIN":
                assert decision.held is None
            counts[decision.action] += 1
        assert min(counts.values()) > 20, counts
        assert policy in ("argmax", "thresholds")


def test_a_table_answers_as_its_rows_do(version: Version) -> None:
    path, data = version
    rows = rows_of(data)
    with Predictor.open(path) as bot:
        table = bot.predict(rows)
        alone = [bot.decide(row) for row in rows]
        assert table.actions.tolist() == [d.action for d in alone]
        assert list(table.held) == [d.held for d in alone]
        assert [list(r) for r in table.reasons] == [list(d.reasons) for d in alone]
        assert table.calls.tolist() == [d.call for d in alone]
        plain = bot.predict(rows, use_confidence=False)
        assert set(plain.actions.tolist()) <= {"LOSS", "WIN", "HOLD"}  # the class, whatever the policy
        nothing = [{**row, SIDE: math.inf} for row in rows]
        assert set(bot.predict(nothing).actions.tolist()) == {"HOLD"}
        assert {bot.decide(row).action for row in nothing} == {"HOLD"}


def test_journal_replay_and_outcomes_tell_the_same_side(version: Version, tmp_path: Path) -> None:
    path, data = version
    rows, stamps = rows_of(data), data.timestamps[-400:].tolist()
    with Predictor.open(path, journal=tmp_path / "journal") as bot:
        said = [bot.decide(row, at=at).action for row, at in zip(rows, stamps, strict=True)]
        digest = bot.info().digest
    assert main(["replay", "--journal", str(tmp_path / "journal"), str(path)]) == 0
    lines = read_journal([tmp_path / "journal"]).decisions
    assert [line.action for line in lines] == said
    bars = Bars(data.timestamps, data.close, BAR_MS, np.append(data.close[0], data.close[:-1]))
    found = join(lines, bars, {digest: Contract(RULE.classes, tuple(data.names), RULE, FREE)})
    sides = {"BUY": 1, "SELL": -1, "HOLD": 0}
    assert len(found.lines) > 300
    for line in found.lines:
        assert line.side == sides[line.action]
        gross = {1: line.long, -1: line.short, 0: None}[line.side]
        assert line.net == gross


def test_a_walk_takes_the_side_of_the_action(version: Version) -> None:
    path, data = version
    part = data.select(np.arange(len(data.labels)) >= len(data.labels) - 400)
    with Predictor.open(path) as bot:
        table = bot.predict(part.features, ordered=True)
    answers = WeekAnswers(table.actions, table.levels, table.probabilities)
    sides = {"BUY": 1, "SELL": -1}
    assert calls_of(answers, part).tolist() == [sides.get(a, 0) for a in table.actions]
    elsewhere = replace(part, rule=replace(RULE, side="desk"))  # not a feature: classes are the actions
    classes = replace(answers, actions=np.where(np.arange(400) % 2 == 0, "WIN", "LOSS").astype(object))
    expected = [int(np.sign(s)) if i % 2 == 0 else 0 for i, s in enumerate(part.side)]  # type: ignore[arg-type]
    assert calls_of(classes, elsewhere).tolist() == expected


def test_training_takes_the_same_trades(version: Version) -> None:
    """What the policy was judged by and what the artifact answers are the same sides."""
    from gradus_train.evaluation.evidence import Evidence

    path, data = version
    part = data.select(np.arange(len(data.labels)) >= len(data.labels) - 400)
    with Predictor.open(path, confidence_threshold=0.0) as bot:
        if bot.info().policy != "argmax":
            return
        table = bot.predict(part.features, ordered=True)
    evidence = Evidence(
        timestamps=part.timestamps,
        bar_ms=BAR_MS,
        labels=part.labels,
        probabilities=table.probabilities.astype(np.float64),
        priors=table.probabilities.astype(np.float64),
        fold=np.ones(400, np.int64),
        held=np.arange(400) >= 300,
        rule=RULE,
        trades=part.trades,
        side=part.side,
    )
    _, _, calls = choose_policy(evidence, FREE, PolicySettings("argmax"))
    assert calls.tolist() == [{"BUY": 1, "SELL": -1}.get(a, 0) for a in table.actions]


@pytest.mark.parametrize("fallback", ["WIN", "BUY"])
def test_an_answer_for_nothing_must_not_be_a_trade(version: Version, tmp_path: Path, fallback: str) -> None:
    path, _ = version
    value = json.loads((path / "manifest.json").read_text())
    value["decision"]["fallback_action"] = fallback
    from gradus_runtime.contracts import manifest

    with pytest.raises(ManifestError, match="the fallback action must be 'LOSS' or 'HOLD'"):
        manifest.parse(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), place="m")
