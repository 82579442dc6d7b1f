"""Tests of value, the order of service and the verdict, against plain Python and scipy."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.gates.series import HORIZON, constant, judged, series
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_live.costs import Costs
from gradus_live.labels import Column, Meta
from gradus_live.statistics import stretch_test
from gradus_train.evaluation.evidence import Evidence, Said, evidence_of, served
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.service import declared_order, measured_order
from gradus_train.evaluation.value import (
    SHARES,
    direction_test,
    moves_test,
    prior_test,
    threshold_lines,
)
from gradus_train.sections import PolicySettings
from gradus_train.training.prepare import Plan, prepare

stats = pytest.importorskip("scipy.stats")

FREE = Costs("none", "2026-01-01", 0.0, 0.0, 0.0, 0.0, 0.0)
DEAR = replace(FREE, taker_fee=500.0)
TRADES = PolicySettings()
BLOCK_MS = 480 * 900_000


def plain_p(evidence: Evidence, values: list[float], rows: list[int]) -> tuple[float, float]:
    """Mean, and one-sided p with the sums over 480-bar blocks as observations, without numpy's help."""
    blocks: dict[int, list[float]] = {}
    for row, value in zip(rows, values, strict=True):
        blocks.setdefault(int(evidence.timestamps[row]) // BLOCK_MS, []).append(value)
    mean, k = sum(values) / len(values), len(blocks)
    rest = [sum(b) - mean * len(b) for b in blocks.values()]
    error = math.sqrt(sum(r * r for r in rest) * k / (k - 1)) / len(values)
    return mean, float(stats.t.sf(mean / error, k - 1))


def test_moves_is_the_gain_over_the_best_constant_in_hindsight() -> None:
    e = series(3, 4000)
    n = len(e.labels)
    shares = [sum(e.labels == c) / n for c in range(3)]
    gains = [math.log(e.probabilities[i, c]) - math.log(shares[c]) for i, c in enumerate(e.labels)]
    found = moves_test(e)
    mean, p = plain_p(e, gains, list(range(n)))
    assert (found.mean, found.p) == (pytest.approx(mean), pytest.approx(p, rel=1e-6))
    assert found.holdout == pytest.approx(
        sum(g for g, h in zip(gains, e.held, strict=True) if h) / e.held.sum()
    )
    assert found.holds == (p < 0.005 and found.holdout > 0)
    assert found.holds


def test_direction_is_what_the_tilt_earns_in_units_of_volatility() -> None:
    e = series(4, 4000, ic=0.1)
    assert e.trades is not None
    assert e.sigma is not None
    tilt = [float(p[2] - p[0]) for p in e.probabilities]
    scaled = [max(-20.0, min(20.0, r / s)) for r, s in zip(e.trades.long, e.sigma, strict=True)]
    for number in set(e.fold):
        inside = [i for i, f in enumerate(e.fold) if f == number]
        middle = sorted(tilt[i] for i in inside)
        half = len(middle) // 2
        median = middle[half] if len(middle) % 2 else (middle[half - 1] + middle[half]) / 2
        mean = sum(scaled[i] for i in inside) / len(inside)
        for i in inside:
            tilt[i] -= median
            scaled[i] -= mean
    around = sum(tilt) / len(tilt)
    spread = math.sqrt(sum((t - around) ** 2 for t in tilt) / len(tilt))
    earned = [max(-3.0, min(3.0, t / spread)) * s for t, s in zip(tilt, scaled, strict=True)]
    mean, p = plain_p(e, earned, list(range(len(earned))))
    found = direction_test(e)
    assert found is not None
    assert (found.mean, found.p) == (pytest.approx(mean), pytest.approx(p, rel=1e-6))


def test_a_constant_model_can_not_pass_whatever_the_share_of_hold() -> None:
    for hold in (0.4, 0.6, 0.8, 0.97):
        verdict = judged(constant(5, 3000, hold), FREE)
        assert verdict.name == "none"
        assert verdict.moves.mean < 1e-12
        assert verdict.direction is not None
        assert verdict.direction.p == 1.0


def test_a_trend_and_a_constant_tilt_earn_nothing() -> None:
    e = series(6, 6000)
    assert e.trades is not None
    assert e.sigma is not None
    trend = 0.5 * e.sigma
    rising = replace(e, trades=replace(e.trades, long=e.trades.long + trend, short=e.trades.short - trend))
    tilted = replace(
        e, probabilities=np.column_stack([*(e.probabilities.T[:2] - 0.05), e.probabilities[:, 2] + 0.1])
    )
    before, after, leaning = (direction_test(x) for x in (e, rising, tilted))
    assert before is not None
    assert after is not None
    assert leaning is not None
    assert after.mean == pytest.approx(before.mean, abs=1e-3)
    assert leaning.mean == pytest.approx(before.mean, abs=1e-9)


def test_the_future_in_the_tilt_is_found_and_called_tradable() -> None:
    e = series(7, 6000)
    assert e.trades is not None
    said = e.probabilities.copy()
    knows = np.sign(e.trades.long)
    said[:, 2], said[:, 0] = np.where(knows > 0, 0.5, 0.2), np.where(knows > 0, 0.2, 0.5)
    said[:, 1] = 0.3
    cheating = replace(e, probabilities=said)
    verdict = judged(cheating, FREE)
    assert verdict.name == "tradable"
    assert judged(cheating, DEAR).name == "direction"
    assert judged(cheating, None).name == "direction"
    assert judged(cheating, None).sentences[1] == "Money: no costs given."


def test_the_holdout_must_agree() -> None:
    e = series(8, 8000, ic=0.3)
    assert judged(e, FREE).name == "tradable"
    assert e.trades is not None
    turned = replace(e.trades, long=np.where(e.held, -e.trades.long, e.trades.long),
                     short=np.where(e.held, -e.trades.short, e.trades.short))  # fmt: skip
    contrary = replace(e, trades=turned)
    found = direction_test(contrary)
    assert found is not None
    assert found.p < 0.005
    assert not found.holds
    assert judged(contrary, FREE).name != "tradable"


def test_thresholds_are_quantiles_of_out_of_fold_scores_alone() -> None:
    e = series(9, 5000)
    lines = threshold_lines(e, FREE)
    score = np.abs(e.probabilities[:, 2] - e.probabilities[:, 0])
    assert [line.share for line in lines] == list(SHARES)
    for line in lines:
        assert line.threshold == np.quantile(score[~e.held], 1 - line.share)
        assert line.carry == pytest.approx((score[e.held] >= line.threshold).mean() / line.share)
    said = e.probabilities.copy()
    said[e.held] = [0.2, 0.3, 0.5]
    changed = threshold_lines(replace(e, probabilities=said), FREE)
    assert [c.threshold for c in changed] == [line.threshold for line in lines]
    assert [c.out_of_fold for c in changed] == [line.out_of_fold for line in lines]
    assert all(a.out_of_fold.trades > b.out_of_fold.trades for a, b in pairwise(lines))


def test_trades_are_taken_one_after_another_at_the_threshold() -> None:
    e = series(10, 3000)
    assert e.trades is not None
    (line, *_) = threshold_lines(e, FREE)
    busy, gross = -1, []
    for i in range(len(e.labels)):
        tilt = e.probabilities[i, 2] - e.probabilities[i, 0]
        place = int(e.timestamps[i]) // 900_000
        if not e.held[i] and abs(tilt) >= line.threshold and place >= busy:
            gross.append(e.trades.long[i] if tilt > 0 else e.trades.short[i])
            busy = place + HORIZON
    assert line.out_of_fold.trades == len(gross)
    assert line.out_of_fold.gross == pytest.approx(sum(gross) / len(gross))


def test_labels_without_sides_are_not_asked_for_a_direction() -> None:
    e = replace(series(11, 5000), rule=Column(4, ("A", "B", "C")))
    verdict = judged(e, FREE)
    assert verdict.direction is None
    assert verdict.no_direction == "the classes have no two sides"
    assert (verdict.name, verdict.no_money) == ("moves", "the classes have no two sides")


def test_a_meta_label_that_knows_which_trades_come_off_is_tradable() -> None:
    e = series(12, 8000)
    assert e.trades is not None
    rng = np.random.default_rng(0)
    side = rng.choice([-1.0, 1.0], len(e.labels))
    won = (np.where(side > 0, e.trades.long, e.trades.short) > 0).astype(np.int64)
    p = np.where(rng.random(len(won)) < 0.7, won, 1 - won) * 0.4 + 0.3
    meta = replace(e, rule=Meta("side"), side=side, labels=won, probabilities=np.column_stack([1 - p, p]))
    verdict = judged(meta, FREE)
    assert verdict.name == "tradable"
    assert verdict.direction is None
    blind = replace(meta, probabilities=np.full((len(won), 2), 0.5))
    assert judged(blind, FREE).name == "none"


def test_without_prices_there_is_neither_direction_nor_money() -> None:
    verdict = judged(replace(series(13, 4000), trades=None, sigma=None), FREE)
    assert (verdict.no_direction, verdict.no_money) == ("there are no prices", "there are no prices")
    assert verdict.name == "moves"


def test_the_sentences_hold_the_figures() -> None:
    e, costs = series(14, 6000), replace(FREE, taker_fee=5.0)
    verdict = judged(e, costs)
    first, second = verdict.sentences
    assert first.startswith("The model knows something about whether the price will move, not which way. Log")
    line = choose_policy(e, costs, TRADES)[0].shipped
    assert line is not None
    assert line.out_of_fold.trades > 100
    for text in (
        "Money of the policy (the most probable class), after costs of 5 basis points a side: ",
        f"{line.out_of_fold.trades:,} trades out of fold",
        f"{100 * line.out_of_fold.hit_rate:.1f} % of them right (",
        f"So many trades show an edge of {1e4 * line.out_of_fold.smallest:.1f} basis points in 9 of 10 cases",
    ):
        assert text in second


def test_the_money_of_the_verdict_is_that_of_the_policy_that_is_shipped() -> None:
    """The model knows the side and always finds HOLD most probable: thresholds earn, its argmax does not."""
    e = series(8, 8000, ic=0.3)
    said = np.column_stack([0.4 * e.probabilities[:, 0], 0.6 + 0 * e.sigma, 0.4 * e.probabilities[:, 2]])
    said[:, 1] = 1 - said[:, 0] - said[:, 2]
    e = replace(e, probabilities=said)
    verdict = judged(e, FREE, PolicySettings("argmax"))
    assert verdict.name == "direction"
    assert verdict.best is not None
    best = verdict.thresholds[verdict.best].out_of_fold
    assert best.test.p < best.level  # a look at the thresholds would have called it tradable
    assert "class), after costs of 0 basis points a side: no trades out of fold" in verdict.sentences[1]
    verdict = judged(e, FREE, TRADES)
    assert verdict.name == "tradable"
    assert "Money of the policy (thresholds, " in verdict.sentences[1]


def test_each_of_the_five_that_a_policy_is_chosen_from_has_a_fifth_of_the_five_percent() -> None:
    e = series(8, 8000, ic=0.3)
    report = choose_policy(e, FREE, TRADES)[0]
    assert report.argmax is not None
    lines = [report.argmax, *report.tried]
    assert [line.out_of_fold.level for line in lines] == [0.05 / 5] * 5
    alone = choose_policy(e, FREE, PolicySettings("argmax"))[0].argmax
    assert alone is not None
    assert alone.out_of_fold.level == 0.05


def test_too_few_trades_of_the_policy_prove_nothing() -> None:
    e = series(8, 8000, ic=0.3)
    said = np.tile([0.2, 0.6, 0.2], (len(e.labels), 1))
    out = np.flatnonzero(~e.held)[::200][:29]
    assert e.trades is not None
    for row in out:  # each right
        said[row] = [0.1, 0.1, 0.8] if e.trades.long[row] > 0 else [0.8, 0.1, 0.1]
    verdict = judged(replace(e, probabilities=said), FREE, PolicySettings("argmax"))
    assert verdict.name != "tradable"
    assert "29 trades out of fold, none on the holdout; with fewer than 30" in verdict.sentences[1]


def test_probabilities_worse_than_the_priors_are_found() -> None:
    e = series(15, 5000)
    assert not prior_test(e).holds
    sharp = e.probabilities**4
    bad = replace(e, probabilities=sharp / sharp.sum(axis=1, keepdims=True))
    assert prior_test(bad).mean > 0
    assert prior_test(bad).holds


# ---------------------------------------------------------------- order of service


def plan_of(n: int = 4000) -> Plan:
    return prepare(make_dataset(n), ORDER, quick_config(("random_forest",)))


def said_with(plan: Plan, skill: float, seed: int, noise: float = 0.2) -> Said:
    """Probabilities that know the label by a share, on every row of folds and holdout."""
    rng = np.random.default_rng(seed)
    n = len(plan.dataset.labels)
    labels = np.maximum(plan.dataset.labels, 0)
    odds = noise * rng.normal(size=(n, 3)) + skill * np.eye(3)[labels]
    p = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    base = np.tile(np.bincount(labels, minlength=3) / n, (n, 1))
    rows = np.zeros(n, dtype=bool)
    for part in (*[f.test for f in plan.timeline.folds], plan.timeline.holdout):
        rows[part] = True
    p[~rows] = np.nan
    return Said(p, base)


def test_a_level_serves_first_only_where_it_is_better_than_the_one_below() -> None:
    plan = plan_of()
    said = {
        "level1": said_with(plan, 0.6, 1),
        "level2": said_with(plan, 0.6, 2),
        "level3": said_with(plan, 0.4, 3),
    }
    order = measured_order(plan, said)
    assert (order.levels, order.others) == (("level2", "level3"), ("level1",))
    assert [p.against for p in order.proofs] == ["priors", "level3", "level2"]
    proof = order.proofs[2]
    text = f"level1 is not better than level2 on {proof.rows:,} rows: difference in log loss "
    assert proof.sentence.startswith(f"{text}{proof.difference:+.4f}, 95 % ")
    assert proof.low is not None
    assert proof.high is not None
    assert proof.low < proof.difference < proof.high


def test_the_order_is_measured_by_a_t_test_over_ten_stretches_out_of_fold() -> None:
    plan = plan_of()
    said = {"level1": said_with(plan, 0.55, 1), "level2": said_with(plan, 0.5, 2)}
    proof = measured_order(plan, said).proofs[1]
    rows = np.concatenate([f.test for f in plan.timeline.folds])
    labels = plan.dataset.labels[rows]
    a, b = (np.log(said[n].probabilities[rows, labels]) for n in ("level1", "level2"))
    means = [part.mean() for part in np.array_split(a - b, 10)]
    oracle = stats.ttest_1samp(means, 0, alternative="greater")
    assert proof.rows == len(rows)
    assert proof.p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert proof.difference == pytest.approx(-float(np.mean(means)))


def test_the_holdout_has_no_say_in_the_order() -> None:
    plan = plan_of()
    said = {"level1": said_with(plan, 0.7, 1), "level2": said_with(plan, 0.4, 2)}
    before = measured_order(plan, said)
    said["level1"].probabilities[plan.timeline.holdout] = [0.98, 0.01, 0.01]
    assert measured_order(plan, said) == before
    assert before.levels == ("level1", "level2")


def test_where_nothing_beats_the_priors_nothing_is_in_service_but_rows_are_answered() -> None:
    plan = plan_of()
    said = {"level1": said_with(plan, 0.0, 1), "level2": said_with(plan, 0.0, 2)}
    order = measured_order(plan, said)
    assert (order.levels, order.others) == ((), ("level1", "level2"))
    assert "not better than the class priors" in order.proofs[0].sentence
    everything = served([said[n] for n in (*order.levels, *order.others)])
    assert np.array_equal(everything.probabilities, said["level1"].probabilities, equal_nan=True)
    assert declared_order(order, list(said)).levels == ("level1", "level2")


def test_a_row_is_served_by_the_first_level_that_can() -> None:
    plan = plan_of()
    first, second = said_with(plan, 0.5, 1), said_with(plan, 0.5, 2)
    first.probabilities[plan.timeline.holdout[:50]] = np.nan
    first.priors[plan.timeline.holdout[:50]] = np.nan
    both = served([first, second])
    rows = plan.timeline.holdout
    assert np.array_equal(both.probabilities[rows[:50]], second.probabilities[rows[:50]])
    assert np.array_equal(both.probabilities[rows[50:]], first.probabilities[rows[50:]])
    evidence = evidence_of(plan, both)
    assert evidence.held.sum() == len(rows)
    assert (np.diff(evidence.timestamps) > 0).all()


def test_equal_levels_are_called_different_no_more_often_than_the_level_says() -> None:
    """Gains that come and go over days: blocks of the label's length would call 18 to 20 % different."""
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        slow = np.repeat(rng.normal(size=120), 96) * 0.01
        wrong += stretch_test(slow + 0.05 * rng.normal(size=len(slow))).p < 0.025
    assert wrong / 300 < 0.05


def test_too_few_rows_prove_no_level() -> None:
    plan = plan_of(300)
    said = {"level1": said_with(plan, 3.0, 1)}
    for fold in plan.timeline.folds:
        said["level1"].probabilities[fold.test[10:]] = np.nan
    order = measured_order(plan, said)
    assert order.levels == ()
    assert (
        order.proofs[0].sentence
        == "level1 is not better than the class priors on 20 rows, which are too few to tell"
    )
