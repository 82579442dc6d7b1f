"""Costs, trades one after another, and tests of means, against plain Python and scipy."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus_live.costs import FORMAT, NO_COSTS, Costs, load_costs, parse_costs
from gradus_live.labels import Outcomes
from gradus_live.money import Trades, judge_trades, net_returns, take_trades
from gradus_live.statistics import block_test, student_quantile, student_tail
from gradus_runtime.errors import ConfigError

BAR, DAY = 900_000, 86_400_000
TABLE: dict[str, Any] = {
    "format": FORMAT,
    "market": "x",
    "as_of": date(2026, 11, 1),
    "maker_fee": -2.0,
    "taker_fee": 12.0,
    "spread": 1.0,
    "slippage": 0.5,
    "funding_per_day": 4.0,
}


def test_the_shipped_costs_are_read() -> None:
    costs = load_costs(Path(__file__).parents[2] / "config/costs.toml")
    assert costs.per_side == 11.0
    assert costs.market == "bitbank btc_jpy"


def test_the_lines_that_are_asked_for_are_costs(tmp_path: Path) -> None:
    lines = NO_COSTS.partition("\n")[2]
    (tmp_path / "costs.toml").write_text("\n".join(line.strip() for line in lines.splitlines()))
    assert load_costs(tmp_path / "costs.toml").per_side == 12.0


def test_a_taker_pays_the_spread_and_a_maker_does_not() -> None:
    costs = parse_costs(TABLE, place="costs.toml")
    assert costs.per_side == 13.5
    assert replace(costs, fill="maker").per_side == -1.5
    assert costs.of_trades(np.array([0, 96, 48]), BAR) == pytest.approx([27e-4, 31e-4, 29e-4])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": "x"}, "costs.toml: format: format must be 'gradus-costs/1'"),
        ({"taker_fee": "12"}, "costs.toml.taker_fee: a finite number is needed"),
        ({"taker_fee": 1200.0}, r"costs.toml: taker_fee: taker_fee must be in \(-1000, 1000\) basis points"),
        ({"as_of": "soon"}, "costs.toml: as_of: as_of must be a date"),
        ({"fill": "market"}, "fill must be 'taker' or 'maker'"),
        ({"fees": 1.0}, "a key must be known, but got 'fees'"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        parse_costs({**TABLE, **change}, place="costs.toml")


def test_all_missing_keys_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="costs need market, as_of, maker_fee, taker_fee, spread, slippage, fund"
    ):
        parse_costs({"format": FORMAT}, place="costs.toml")
    with pytest.raises(ConfigError, match="costs must be readable: No such file"):
        load_costs(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(ConfigError, match="costs must be TOML: "):
        load_costs(tmp_path / "bad.toml")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
def test_trades_are_those_of_a_bot_that_holds_one_position(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    time = np.sort(rng.choice(3 * n, n, replace=False)).astype(np.int64) * BAR
    calls = rng.choice([-1, 0, 1], n)
    bars = rng.integers(1, 6, (2, n))
    long, short = rng.normal(size=(2, n))
    long[rng.random(n) < 0.2] = np.nan
    found = take_trades(time, BAR, calls, Outcomes(np.zeros(n, np.int64), long, short, bars[0], bars[1]))
    expected, busy_until = [], -1
    for i in range(n):
        now = int(time[i]) // BAR
        value = {1: long[i], -1: short[i], 0: math.nan}[int(calls[i])]
        if math.isnan(value) or now < busy_until:
            continue
        held = int(bars[0][i] if calls[i] > 0 else bars[1][i])
        expected.append((i, int(calls[i]), value, held))
        busy_until = now + held
    rows = list(zip(found.rows, found.sides, found.gross, found.bars, strict=True))
    assert rows == expected


def test_money_is_what_is_left_after_costs() -> None:
    costs = parse_costs({**TABLE, "maker_fee": 0.0, "taker_fee": 4.0, "funding_per_day": 0.0}, place="c")
    trades = Trades(
        np.arange(4), np.array([1, -1, 1, 1]), np.array([0.02, -0.01, 0.0005, 0.004]), np.full(4, 4)
    )
    time = np.arange(4, dtype=np.int64) * DAY
    money = judge_trades(trades, time, BAR, costs)
    net = [0.02 - 0.0011, -0.01 - 0.0011, 0.0005 - 0.0011, 0.004 - 0.0011]
    assert net_returns(trades, costs, BAR) == pytest.approx(net)
    assert (money.trades, money.hit_rate) == (4, 0.5)
    assert money.net == pytest.approx(sum(net) / 4)
    won, lost = (net[0] + net[3]) / 2, -(net[1] + net[2]) / 2
    assert money.break_even is not None
    assert money.break_even * won - (1 - money.break_even) * lost == pytest.approx(0)
    none = judge_trades(
        Trades(*(np.zeros(0, np.int64),) * 2, np.zeros(0), np.zeros(0, np.int64)), time, BAR, costs
    )
    assert (none.trades, none.net, none.break_even, none.test.p) == (0, 0.0, None, 1.0)


def test_the_block_test_is_students_on_equal_blocks() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(0.3, 1, 240)
    blocks = np.repeat(np.arange(12), 20)
    means = values.reshape(12, 20).mean(axis=1)
    ours, theirs = block_test(blocks, values), scipy_stats.ttest_1samp(means, 0, alternative="greater")
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    low, high = ours.bounds(0.95)
    interval = scipy_stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (low, high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_values_that_repeat_within_a_block_prove_no_more() -> None:
    rng = np.random.default_rng(2)
    once = rng.normal(0.2, 1, 40)
    many = np.repeat(once, 50)
    assert block_test(np.repeat(np.arange(40), 50), many).p == pytest.approx(
        block_test(np.arange(40), once).p
    )
    assert block_test(np.arange(len(many)), many).p < block_test(np.arange(40), once).p / 10


def test_too_few_blocks_prove_nothing() -> None:
    assert block_test(np.array([0, 1]), np.array([5.0, 6.0])).p == 1.0
    assert block_test(np.array([0, 1]), np.array([5.0, 6.0])).bounds(0.9) == (-math.inf, math.inf)
    assert block_test(np.zeros(0, np.int64), np.zeros(0)).blocks == 0
    assert block_test(np.arange(5), np.ones(5)).p == 1.0


def test_students_distribution_is_scipys() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 9, 30, 71, 500, 5000):
        for t in (-40.0, -3.3, -1.0, -1e-9, 0.0, 0.2, 1.0, 2.5, 6.0, 50.0):
            assert student_tail(t, freedom) == pytest.approx(
                scipy_stats.t.sf(t, freedom), rel=1e-9, abs=1e-300
            )
        for p in (0.0001, 0.01, 0.3, 0.5, 0.9, 0.975, 0.99999):
            assert student_quantile(p, freedom) == pytest.approx(
                scipy_stats.t.ppf(p, freedom), rel=1e-8, abs=1e-9
            )
    with pytest.raises(ValueError, match="p must be in"):
        student_quantile(1.0, 3)


def test_costs_are_a_value() -> None:
    assert isinstance(parse_costs(TABLE, place="c"), Costs)
    assert parse_costs(TABLE, place="c") == parse_costs({**TABLE, "as_of": "2026-11-01"}, place="c")
