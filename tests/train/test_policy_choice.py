"""The policy that training chooses: out of fold alone, by money after costs, against plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.gates.series import constant, series
from tests.support.training import BAR_MS, ORDER, config_table, make_dataset

from gradus_convert import convert_run
from gradus_convert import load_config as load_artifact_config
from gradus_live.bars import Bars
from gradus_live.costs import Costs
from gradus_live.labels import Column, FixedHorizon, Meta, Outcomes, outcomes
from gradus_live.volatility import recent_volatility
from gradus_runtime import Predictor
from gradus_runtime.contracts import run_folder
from gradus_runtime.contracts.manifest import Policy
from gradus_runtime.errors import ConfigError
from gradus_runtime.policy import PolicyRules
from gradus_runtime.policy.window import ScoreWindow, shipped_scores
from gradus_train.commands.show import verdict_lines
from gradus_train.config import parse
from gradus_train.data.dataset import Dataset
from gradus_train.evaluation.evidence import Evidence
from gradus_train.evaluation.payoffs import payoffs_by_fold
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.policy_report import PolicyReport
from gradus_train.report.page import load_details, render_report
from gradus_train.run.run import Outcome, train
from gradus_train.sections import PolicySettings
from gradus_train.training.prepare import Plan, prepare

stats = pytest.importorskip("scipy.stats")

FREE = Costs("none", "2026-01-01", 0.0, 0.0, 0.0, 0.0, 0.0)
DEAR = replace(FREE, taker_fee=500.0)
LEVEL = PolicySettings("thresholds", "level")
TRAILING = PolicySettings("thresholds", "trailing", window_days=5.0)
ALL = [LEVEL, TRAILING, PolicySettings("expected_value", "level")]
PAYOFFS = {number: np.array([[0.01, -0.001, -0.01], [-0.01, -0.001, 0.01]]) for number in range(1, 7)}


def chosen(
    evidence: Evidence, settings: PolicySettings, costs: Costs | None = FREE
) -> tuple[PolicyReport, Policy | None]:
    report, policy, _ = choose_policy(evidence, costs, settings, PAYOFFS)
    return report, policy


def plain_trades(evidence: Evidence, calls: list[int], costs: Costs, held: bool) -> list[tuple[int, float]]:
    """Trades one after another, in plain Python: (timestamp, net return)."""
    trades, found, free = evidence.trades, [], -1
    assert trades is not None
    for i, call in enumerate(calls):
        if bool(evidence.held[i]) != held or not call:
            continue
        bar = int(evidence.timestamps[i]) // BAR_MS
        gross = float((trades.long if call > 0 else trades.short)[i])
        open_bars = int((trades.long_bars if call > 0 else trades.short_bars)[i])
        if bar < free or not math.isfinite(gross):
            continue
        free = bar + open_bars
        net = gross - 1e-4 * (2 * costs.per_side + costs.funding_per_day * open_bars * BAR_MS / 86_400_000)
        found.append((int(evidence.timestamps[i]), net))
    return found


def plain_low(trades: list[tuple[int, float]], tried: int) -> float:
    """The lower bound of the mean, sums over days as observations, by scipy's quantiles."""
    days: dict[int, list[float]] = {}
    for at, net in trades:
        days.setdefault(at // 86_400_000, []).append(net)
    mean, k = sum(net for _, net in trades) / len(trades), len(days)
    rest = [sum(values) - mean * len(values) for values in days.values()]
    error = math.sqrt(sum(r * r for r in rest) * k / (k - 1)) / len(trades)
    return mean - error * float(stats.t.ppf(1 - 0.05 / tried, k - 1))


def plain_calls(evidence: Evidence, share: float, window: int | None) -> list[int]:
    """Calls by the tilt between the sides, in plain Python."""
    p = evidence.probabilities.astype(np.float32).astype(float)
    tilt = [float(row[2]) - float(row[0]) for row in p]
    out = [abs(t) for t, h in zip(tilt, evidence.held, strict=True) if not h]
    calls = []
    for i, t in enumerate(tilt):
        if window is None:
            reached = abs(t) >= float(np.quantile(out, 1 - share))
        elif i < window:
            reached = False
        else:
            past = sorted((float(np.float32(abs(v))) for v in tilt[i - window : i]), reverse=True)
            reached = abs(t) > past[int(share * window)]
        calls.append((1 if t > 0 else -1) if reached and abs(t) >= 1e-3 else 0)
    return calls


@pytest.mark.parametrize("settings", [LEVEL, TRAILING], ids=["level", "trailing"])
def test_calls_trades_and_bounds_are_those_of_plain_python(settings: PolicySettings) -> None:
    evidence, costs = series(7, 5_000, ic=0.25), replace(FREE, spread=1.5, funding_per_day=3.0)
    report, policy = chosen(evidence, settings, costs)
    window = 480 if settings is TRAILING else None
    assert policy is not None
    if policy.trailing is not None:
        last = evidence.probabilities[-480:].astype(np.float32).astype(float)
        due = np.abs(last[:, 2] - last[:, 0]).astype(np.float32)
        assert shipped_scores(policy.trailing.scores).tolist() == due.tolist()
    for line in report.tried:
        assert line.share is not None
        calls = plain_calls(evidence, line.share, window)
        taken = [plain_trades(evidence, calls, costs, held) for held in (False, True)]
        for money, trades in zip((line.out_of_fold, line.holdout), taken, strict=True):
            assert money.trades == len(trades)
            assert money.net == pytest.approx(sum(net for _, net in trades) / len(trades), abs=1e-12)
        assert line.low == pytest.approx(plain_low(taken[0], 5), abs=1e-12)
        judged = [c != 0 for i, c in enumerate(calls) if not evidence.held[i] and i >= (window or 0)]
        assert line.expected == pytest.approx(sum(judged) / len(judged))
        held = [c != 0 for i, c in enumerate(calls) if evidence.held[i]]
        assert line.holdout_share == pytest.approx(sum(held) / len(held))
    totals = [(s.low or 0) * s.out_of_fold.trades for s in report.tried]
    assert report.best == totals.index(max(totals))
    assert max(totals) > 0
    assert report.kind == settings.kind
    assert report.why is None


@pytest.mark.parametrize("settings", ALL, ids=["level", "trailing", "value"])
def test_an_edge_is_taken_and_costs_above_it_leave_the_most_probable_class(settings: PolicySettings) -> None:
    evidence = series(7, 6_000, ic=0.25)
    report, policy = chosen(evidence, settings)
    assert policy is not None
    assert (report.kind, policy.kind, policy.sentence) == (settings.kind, settings.kind, report.sentence)
    assert "were expected" in report.sentence
    report, policy = chosen(evidence, settings, DEAR)
    assert (policy, report.kind, report.asked) == (None, "argmax", settings.kind)
    assert report.why == "none of 4 thresholds is sure to have earned money out of fold"
    assert f"The configuration asks for {settings.kind}, but none of 4" in report.sentence
    _, policy = chosen(evidence, replace(settings, proved=False), DEAR)
    assert policy is not None  # as asked for: the best that there is


@pytest.mark.parametrize("hold", [0.4, 0.7, 0.97])
@pytest.mark.parametrize("settings", ALL, ids=["level", "trailing", "value"])
def test_a_model_that_says_the_same_of_every_row_calls_nothing(settings: PolicySettings, hold: float) -> None:
    report, policy = chosen(constant(5, 5_000, hold), settings)
    assert policy is None
    assert report.kind == "argmax"


def test_without_an_edge_few_of_many_markets_get_a_policy() -> None:
    """A nominal 5 % for all four thresholds together; 4 of 100 here."""
    taken = sum(chosen(series(1_000 + i, 4_000), LEVEL)[1] is not None for i in range(100))
    assert taken <= 5


@pytest.mark.parametrize("settings", ALL, ids=["level", "trailing", "value"])
def test_the_holdout_decides_nothing(settings: PolicySettings) -> None:
    """Planted: a holdout on which every trade loses, and another on which every trade wins."""
    evidence = series(7, 6_000, ic=0.25)
    report, policy = chosen(evidence, settings)
    trades = evidence.trades
    assert trades is not None
    for gain in (-0.5, 0.5):
        held = Outcomes(
            trades.labels,
            np.where(evidence.held, gain, trades.long),
            np.where(evidence.held, gain, trades.short),
            trades.long_bars,
            trades.short_bars,
        )
        other, again = chosen(replace(evidence, trades=held), settings)
        assert again == replace(policy, sentence=other.sentence) if policy else again is None
        assert (other.best, other.why) == (report.best, report.why)
        assert other.tried[0].holdout.net != report.tried[0].holdout.net


def test_few_trades_choose_nothing() -> None:
    evidence = series(7, 6_000, ic=0.25)
    report, policy = chosen(evidence, replace(LEVEL, min_trades=5_000))
    assert (policy, report.best) == (None, None)
    assert report.why == "none of 4 thresholds made 5,000 trades out of fold"


def test_why_nothing_but_the_most_probable_class_can_be_chosen_is_said() -> None:
    evidence = series(7, 2_000)
    cases = [
        (evidence, None, "no costs are given"),
        (replace(evidence, trades=None), FREE, "there are no prices"),
        (replace(evidence, rule=Column(4, ("a", "b", "c"))), FREE, "the classes have no two sides"),
        (replace(evidence, rule=FixedHorizon(classes=("DOWN", "UP"))), FREE, "every class is for a side"),
        (replace(evidence, rule=Meta("s")), FREE, "the proposed side is not known"),
    ]
    for changed, costs, why in cases:
        report, policy = chosen(changed, LEVEL, costs)
        assert policy is None
        assert (report.why or "").startswith(why)
        plain, _ = chosen(changed, PolicySettings("argmax"), costs)
        assert plain.why is None
    short = series(7, 700)
    report, _ = chosen(short, PolicySettings("thresholds", "trailing"))
    assert report.why == "a window of 200 bars needs 800 out-of-fold rows"


def test_a_meta_label_calls_the_proposed_side_where_the_trade_is_likely_to_come_off() -> None:
    evidence = series(7, 6_000, ic=0.3)
    assert evidence.trades is not None
    rng = np.random.default_rng(2)
    side = rng.choice([-1.0, 1.0], len(evidence.labels))
    right = np.where(side > 0, evidence.trades.long, evidence.trades.short) > 0
    win = np.where(right, 0.7, 0.3) + 0.2 * rng.random(len(side)) - 0.1
    meta = replace(
        evidence,
        rule=Meta("s"),
        side=side,
        labels=right.astype(np.int64),
        probabilities=np.column_stack([1 - win, win]),
        priors=np.full((len(side), 2), 0.5),
    )
    report, policy = chosen(meta, LEVEL)
    assert policy is not None
    assert [(r.action, r.weights) for r in policy.rules] == [("WIN", (0.0, 1.0))]
    line = report.tried[report.best or 0]
    out = ~meta.held
    calls = np.where(win.astype(np.float32) >= (line.threshold or 0), side, 0).astype(int).tolist()
    assert line.out_of_fold.trades == len(plain_trades(meta, calls, FREE, held=False))
    assert line.expected == pytest.approx((np.array(calls)[out] != 0).mean())


# --- through a run to an artifact


def market(n: int = 5_000, seed: int = 11) -> Dataset:
    """Rows whose features know which way the price will move, so that a policy earns money."""
    base = make_dataset(n, seed)
    rng = np.random.default_rng(seed)
    pull = np.clip(base.features[:, 0] + base.features[:, 2], -2, 2)
    pull[np.abs(pull) < 1.2] = 0.0
    steps = np.zeros(n + 4)
    for ahead in range(1, 5):
        steps[ahead : n + ahead] += 0.004 * pull / 4
    close = 100.0 * np.exp(np.cumsum(steps + 0.0015 * rng.normal(size=n + 4)))[:n]
    rule = FixedHorizon(4, 0.004)
    bars = Bars(base.timestamps, close, BAR_MS, np.append(close[0], close[:-1]))
    made = outcomes(rule, bars)
    return replace(
        base,
        labels=made.labels,
        close=close,
        rule=rule,
        trades=made,
        sigma=recent_volatility(bars, 96),
    )


def plan_with(**policy: object) -> Plan:
    table = {**config_table(("lightgbm",)), "format": "gradus-training/2", "policy": policy}
    return prepare(market(), ORDER, parse(table, place="training.toml"), ["level2", "level3"])


Runs = Mapping[str, tuple[Path, Plan, Outcome]]
KINDS = {
    "argmax": {"kind": "argmax"},
    "level": {"threshold": "level"},
    "trailing": {"window_days": 3.0},
    "value": {"kind": "expected_value", "threshold": "level"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    base = tmp_path_factory.mktemp("policies")
    made = {}
    for name, settings in KINDS.items():
        plan = plan_with(**settings)
        made[name] = base / name, plan, train(plan, base / name, jobs=1, costs=FREE)
    return made


@pytest.mark.parametrize("name", KINDS)
def test_the_artifact_answers_as_training_expected(runs: Runs, name: str, tmp_path: Path) -> None:
    folder, plan, outcome = runs[name]
    config = tmp_path / "artifact.toml"
    config.write_text(
        'format = "gradus-artifact/1"\n[decision]\nconfidence_threshold = 0.35\nfallback_action = "HOLD"\n'
        "fallback_confidence = 0.5\nfallback_probabilities = [0.25, 0.5, 0.25]\n"
        '[runtime]\nminimum = "1.20.0"\nknown_bad = []\n[aliases]\n'
    )
    done = convert_run(
        folder, tmp_path / "a", config=load_artifact_config(config), version="2026.1.4", third_opinion=False
    )
    policy, report = run_folder.load(folder).found.policy, outcome.details.policy
    assert report is not None
    assert done.manifest.policy == policy
    assert (policy is None) == (name == "argmax")
    assert done.manifest.decision.confidence_threshold == (0.35 if policy is None else 0.0)
    assert any("confidence threshold" in text for text in done.remarks) == (policy is not None)
    data, held = plan.dataset, plan.timeline.holdout
    assert done.path is not None
    with Predictor.open(done.path) as bot:
        table = bot.predict(data.features[held], ordered=True, at=data.timestamps[held].tolist())
        assert bot.info().policy == report.kind
    if policy is None:
        assert list(table.actions) == list(table.calls)
        return
    rules = PolicyRules(policy.rules, data.classes, "HOLD")
    scores = rules.scores(table.probabilities)
    cutoffs = None
    if policy.trailing is not None:
        window = ScoreWindow(shipped_scores(policy.trailing.scores), policy.trailing.share)
        cutoffs = window.walk(data.timestamps[held].tolist(), scores.max(axis=1))
    names = np.array([*data.classes, "HOLD"])
    assert list(table.actions) == names[rules.choose_all(scores, cutoffs)].tolist()
    calls = float((table.actions != "HOLD").mean())
    assert policy.expected is not None
    assert 0.3 * policy.expected < calls < 3 * policy.expected


def test_the_run_says_how_many_calls_the_holdout_had_beside_those_expected(runs: Runs) -> None:
    for name, (folder, _, outcome) in runs.items():
        report = outcome.details.policy
        assert report is not None
        assert report.kind == {
            "level": "thresholds",
            "trailing": "thresholds",
            "value": "expected_value",
        }.get(name, "argmax")
        assert "of the rows are calls for a side, " in report.sentence
        assert f"Policy {report.kind}: {report.sentence}." in verdict_lines(outcome.details)
        details = load_details(folder)
        assert details.policy == report
        page = render_report(run_folder.load(folder), details)
        assert f"<h3>Policy: {report.kind}</h3>" in page


def test_payoffs_are_means_after_costs_of_the_rows_before_each_fold(runs: Runs) -> None:
    plan, costs = runs["value"][1], replace(FREE, taker_fee=7.0)
    found, data = payoffs_by_fold(plan, costs), plan.dataset
    assert found is not None
    assert data.trades is not None
    rows = {i: fold.train for i, fold in enumerate(plan.timeline.folds, start=1)}
    rows[3] = plan.timeline.development
    for number, part in rows.items():
        for at, gross in enumerate((data.trades.short, data.trades.long)):
            for label in range(3):
                nets = [float(gross[i]) - 14e-4 for i in part if data.labels[i] == label]
                nets = [net for net in nets if math.isfinite(net)]
                assert found[number][at][label] == pytest.approx(sum(nets) / len(nets), abs=1e-12)
    later = data.timestamps > data.timestamps[rows[1][-1]] + 4 * BAR_MS
    changed = replace(data.trades, long=np.where(later, 9.0, data.trades.long))
    again = payoffs_by_fold(replace(plan, dataset=replace(data, trades=changed)), costs)
    assert again is not None
    assert np.array_equal(again[1], found[1])
    assert not np.array_equal(again[2], found[2])
    assert payoffs_by_fold(plan, None) is None


def test_the_section_has_defaults_and_format_1_keeps_the_most_probable_class() -> None:
    two = {**config_table(), "format": "gradus-training/2"}
    assert parse(two, place="t").policy == PolicySettings()
    assert parse(config_table(), place="t").policy.kind == "argmax"
    assert parse({**two, "policy": {"kind": "argmax"}}, place="t").policy.is_argmax
    with pytest.raises(ConfigError, match="policy needs format 'gradus-training/2'"):
        parse({**config_table(), "policy": {"kind": "argmax"}}, place="t")
    for change, text in (
        ({"kind": "best"}, "policy.kind: kind must be one of argmax, thresholds, expected_value"),
        ({"threshold": "x"}, "policy.threshold: threshold must be one of level, trailing"),
        ({"window_days": 0.5}, r"window_days must lie in \[1, 200\]"),
        ({"min_trades": 3}, "min_trades must be at least 10"),
        ({"luck": 1}, "a key must be known, but got 'luck'"),
    ):
        with pytest.raises(ConfigError, match=text):
            parse({**two, "policy": change}, place="t")


def test_a_fallback_action_that_the_policy_calls_is_refused(runs: Runs, tmp_path: Path) -> None:
    config = tmp_path / "artifact.toml"
    config.write_text(
        'format = "gradus-artifact/1"\n[decision]\nconfidence_threshold = 0.0\nfallback_action = "BUY"\n'
        "fallback_confidence = 0.5\nfallback_probabilities = [0.25, 0.5, 0.25]\n"
        '[runtime]\nminimum = "1.20.0"\nknown_bad = []\n[aliases]\n'
    )
    with pytest.raises(ConfigError, match="must not be one that the policy calls, but got 'BUY'"):
        convert_run(
            runs["level"][0], tmp_path / "a", config=load_artifact_config(config), third_opinion=False
        )


def test_a_conversion_without_a_member_leaves_the_policy_of_all_members_out(
    runs: Runs, tmp_path: Path
) -> None:
    from gradus_convert.runs import _judged_without

    found = run_folder.load(runs["level"][0]).found
    assert found.policy is not None
    assert _judged_without(found).policy is None
