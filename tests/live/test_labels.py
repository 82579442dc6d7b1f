"""Labels and outcomes against plain Python that walks from bar to bar."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus_live.bars import Bars
from gradus_live.labels import (
    NO_LABEL,
    Column,
    FixedHorizon,
    LabelRule,
    Meta,
    TripleBarrier,
    from_contract,
    label_parameters,
    outcomes,
    parse_label,
    sentence,
    to_contract,
)
from gradus_live.volatility import average_true_range, recent_volatility
from gradus_runtime.errors import ConfigError, DataError

BAR = 900_000
THREE, TWO = ("SELL", "HOLD", "BUY"), ("REST", "BUY")


def closes(prices: list[float]) -> Bars:
    return Bars(np.arange(len(prices), dtype=np.int64) * BAR, np.array(prices, dtype=float), BAR)


def label(prices: list[float], classes: tuple[str, ...], threshold: float = 0.01) -> list[int]:
    return outcomes(FixedHorizon(1, threshold, classes), closes(prices)).labels.tolist()


def market(seed: int, n: int = 120, missing: float = 0.05) -> Bars:
    """Bars of a random walk, in steps that meet barriers often; some bars are missing."""
    rng = np.random.default_rng(seed)
    close = np.round(1000 * np.exp(np.cumsum(0.004 * rng.standard_normal(n))), 1)
    opens = np.round(np.append(1000.0, close[:-1]) * (1 + 0.001 * rng.standard_normal(n)), 1)
    high = np.maximum(opens, close) + np.round(2 * rng.random(n), 1)
    low = np.minimum(opens, close) - np.round(2 * rng.random(n), 1)
    keep = rng.random(n) >= missing
    time = np.arange(n, dtype=np.int64) * BAR
    return Bars(time[keep], close[keep], BAR, opens[keep], high[keep], low[keep])


def test_three_classes_are_below_within_and_above_the_threshold() -> None:
    assert label([100, 102, 100, 100.5, 99], THREE) == [2, 0, 1, 0, NO_LABEL]


def test_two_classes_are_above_the_threshold_and_not() -> None:
    assert label([100, 102, 100, 100.5, 99], TWO) == [1, 0, 0, 0, NO_LABEL]
    assert label([100, 100, 101, 100], TWO, 0.0) == [0, 1, 0, NO_LABEL]


@pytest.mark.parametrize("price", [1000, 200, 777_000, 3_000_000])
def test_a_return_of_exactly_the_threshold_is_not_beyond_it(price: int) -> None:
    for sign, threshold in ((1, 0.005), (-1, 0.005), (1, 0.01), (-1, 0.01)):
        after = float(price * (1 + sign * Fraction(str(threshold))))
        assert label([price, after], THREE, threshold)[0] == 1
        assert label([price, after * (1 + sign * 1e-9)], THREE, threshold)[0] == 1 + sign


@settings(max_examples=100, deadline=None)
@given(
    present=st.lists(st.booleans(), min_size=1, max_size=40),
    horizon=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_a_label_needs_every_bar_of_its_horizon(present: list[bool], horizon: int, seed: int) -> None:
    close = np.random.default_rng(seed).uniform(95, 105, len(present))
    kept = [i for i, here in enumerate(present) if here]
    time = np.array(kept, dtype=np.int64) * BAR
    got = outcomes(FixedHorizon(horizon, 0.02, THREE), Bars(time, close[kept], BAR))
    for place, i in enumerate(kept):
        horizon_bars = range(i, i + horizon + 1)
        if any(j >= len(present) or not present[j] for j in horizon_bars):
            assert got.labels[place] == NO_LABEL
            assert math.isnan(got.long[place])
        else:
            change = close[i + horizon] / close[i] - 1
            assert got.labels[place] == (2 if change > 0.02 else 0 if change < -0.02 else 1)
            assert got.long[place] == pytest.approx(math.log(1 + change))


def walked(bars: Bars, i: int, up: bool, tp: float, sl: float, horizon: int) -> tuple[float, int, bool]:
    """One trade, bar by bar: log return, bars held, whether the take-profit was reached."""
    assert bars.has_range
    entry = bars.open[i + 1]
    sign = 1 if up else -1
    target, stop = entry * (1 + sign * tp), entry * (1 - sign * sl)
    for k in range(1, horizon + 1):
        o, h, lo = bars.open[i + k], bars.high[i + k], bars.low[i + k]
        if (lo <= stop) if up else (h >= stop):
            fill = min(o, stop) if up else max(o, stop)
            return sign * math.log(fill / entry), k, False
        if (h >= target) if up else (lo <= target):
            return sign * math.log(target / entry), k, True
    return sign * math.log(bars.close[i + horizon] / entry), horizon, False


@pytest.mark.parametrize(("tp", "sl"), [(0.007, 0.0086), (0.004, 0.009), (0.009, 0.003)])
@pytest.mark.parametrize("seed", range(4))
def test_barriers_are_those_of_trades_walked_bar_by_bar(seed: int, tp: float, sl: float) -> None:
    bars, horizon = market(seed), 8
    got = outcomes(TripleBarrier(tp, sl, horizon), bars)
    labelled = 0
    for i in range(len(bars.close)):
        whole = i + horizon < len(bars.close) and (
            bars.timestamps[i + horizon] - bars.timestamps[i] == horizon * BAR
        )
        if not whole:
            assert got.labels[i] == NO_LABEL
            assert math.isnan(got.long[i])
            continue
        labelled += 1
        long, short = (walked(bars, i, up, tp, sl, horizon) for up in (True, False))
        assert (got.long[i], got.short[i]) == (pytest.approx(long[0]), pytest.approx(short[0]))
        assert (got.long_bars[i], got.short_bars[i]) == (long[1], short[1])
        first_long = long[2] and (not short[2] or long[1] < short[1])
        first_short = short[2] and (not long[2] or short[1] < long[1])
        assert got.labels[i] == (2 if first_long else 0 if first_short else 1)
    assert labelled > 50
    assert {0, 2} <= set(got.labels)
    assert (got.labels == 1).any() or tp < 0.005


def one_bar(opening: float, high: float, low: float, close: float) -> Bars:
    """A bar, and the bar in which a trade opened on it lives."""
    columns = np.array([[100.0, 100.0, 100.0, 100.0], [opening, high, low, close]]).T
    time = np.array([0, BAR], dtype=np.int64)
    return Bars(time, columns[3], BAR, columns[0], columns[1], columns[2])


def test_within_a_bar_the_stop_comes_first() -> None:
    got = outcomes(TripleBarrier(0.01, 0.01, 1), one_bar(100, 102, 98, 101))
    assert (got.labels[0], got.long[0]) == (1, pytest.approx(math.log(0.99)))
    assert got.short[0] == pytest.approx(-math.log(1.01))


def test_a_price_that_equals_a_barrier_touches_it() -> None:
    for price in (1000.0, 777_000.0, 3.3):
        bars = one_bar(price, price * 1.007, price, price)
        assert outcomes(TripleBarrier(0.007, 0.0086, 1), bars).labels[0] == 2
        bars = one_bar(price, price, float(Fraction(price) * Fraction("0.9914")), price)
        assert outcomes(TripleBarrier(0.007, 0.0086, 1), bars).long[0] == pytest.approx(math.log(0.9914))


def test_a_stop_beyond_which_a_bar_opens_fills_at_the_open() -> None:
    columns = np.array([[100, 100, 100, 100], [100, 100.2, 99.8, 100], [95, 96, 94, 95]], dtype=float).T
    bars = Bars(np.arange(3, dtype=np.int64) * BAR, columns[3], BAR, *columns[:3])
    got = outcomes(TripleBarrier(0.05, 0.02, 2), bars)
    assert got.long[0] == pytest.approx(math.log(0.95))


def test_a_trade_is_opened_at_the_next_open_and_closed_at_the_last_close() -> None:
    bars = market(9, missing=0.0)
    assert bars.open is not None
    got = outcomes(FixedHorizon(3, 0.002), bars)
    assert got.long[5] == pytest.approx(math.log(bars.close[8] / bars.open[6]))
    assert got.short[5] == -got.long[5]
    assert got.long_bars[5] == 3


@pytest.mark.parametrize("rule", [FixedHorizon(2, 0.003), TripleBarrier(0.004, 0.006, 5)])
def test_a_meta_label_says_whether_the_proposed_side_came_off(rule: FixedHorizon | TripleBarrier) -> None:
    bars = market(3)
    side = np.random.default_rng(0).choice([-1.0, 0.0, 1.0, np.nan], len(bars.close))
    got = outcomes(Meta("signal", rule), bars, side=side)
    plain = outcomes(rule, bars)
    for i, s in enumerate(side):
        if s != s or s == 0 or plain.labels[i] == NO_LABEL:
            assert got.labels[i] == NO_LABEL
        elif isinstance(rule, TripleBarrier):
            assert got.labels[i] == int(walked(bars, i, s > 0, 0.004, 0.006, 5)[2])
        else:
            assert got.labels[i] == int(plain.labels[i] == (2 if s > 0 else 0))
    assert {0, 1} <= set(got.labels)


def test_a_column_keeps_its_labels_and_judges_trades_over_its_reach() -> None:
    bars = market(4, missing=0.0)
    given = np.arange(len(bars.close)) % 3
    got = outcomes(Column(4), bars, given=given)
    assert got.labels.tolist() == given.tolist()
    assert got.long[:-4] == pytest.approx(outcomes(FixedHorizon(4), bars).long[:-4])


RULES: list[LabelRule] = [
    FixedHorizon(),
    FixedHorizon(1, 0.3, unit="volatility", window=20),
    FixedHorizon(classes=("NO", "YES")),
    TripleBarrier(2.0, 1.0, 6, unit="atr"),
    Meta("signal", TripleBarrier(0.004, 0.006, 5)),
    Meta("signal"),
    Column(7, ("A", "B"), "mine", "A", "B"),
]


@pytest.mark.parametrize("rule", RULES[:-1], ids=lambda r: r.kind)
def test_nothing_beyond_the_reach_changes_a_label(rule: LabelRule) -> None:
    whole = market(6, missing=0.0)
    side = np.sign(np.sin(np.arange(len(whole.close))))
    before = outcomes(rule, whole, side=side)
    cut = 60
    columns = [np.array(c) for c in (whole.open, whole.high, whole.low, whole.close)]
    for c, factor in zip(columns, (1.5, 1.9, 1.4, 1.6), strict=True):
        c[cut + rule.reach + 1 :] *= factor
    changed = Bars(whole.timestamps, columns[3], BAR, *columns[:3])
    after = outcomes(rule, changed, side=side)
    for name in ("labels", "long", "short", "long_bars", "short_bars"):
        assert np.array_equal(
            getattr(before, name)[: cut + 1], getattr(after, name)[: cut + 1], equal_nan=True
        )
    assert not np.array_equal(before.long, after.long, equal_nan=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.kind)
def test_a_tail_of_the_history_gives_the_same_bits(rule: LabelRule) -> None:
    bars = market(8, n=400)
    side, given = np.sign(np.sin(np.arange(len(bars.close)))), np.arange(len(bars.close)) % 2
    whole = outcomes(rule, bars, side=side, given=given)
    start, warm = 200, 120
    part = Bars(*(getattr(bars, n)[start:] for n in ("timestamps", "close")), BAR,
                *(getattr(bars, n)[start:] for n in ("open", "high", "low")))  # fmt: skip
    tail = outcomes(rule, part, side=side[start:], given=given[start:])
    for name in ("labels", "long", "short", "long_bars", "short_bars"):
        assert getattr(whole, name)[start + warm :].tobytes() == getattr(tail, name)[warm:].tobytes()


def test_volatility_is_the_root_of_the_mean_square_of_known_returns() -> None:
    bars = market(1)
    got = recent_volatility(bars, 10)
    for i in range(len(bars.close)):
        known = [
            math.log(bars.close[j] / bars.close[j - 1]) ** 2
            for j in range(max(1, i - 9), i + 1)
            if bars.timestamps[j] - bars.timestamps[j - 1] == BAR
        ]
        expected = math.sqrt(sum(known) / len(known)) if len(known) >= 5 else math.nan
        assert got[i] == pytest.approx(expected, nan_ok=True)


def test_the_true_range_counts_the_close_before() -> None:
    bars = market(2)
    assert bars.has_range
    got = average_true_range(bars, 3)
    ranges = []
    for i, (h, lo) in enumerate(zip(bars.high, bars.low, strict=True)):
        near = i > 0 and bars.timestamps[i] - bars.timestamps[i - 1] == BAR
        ranges.append(
            max(h - lo, abs(h - bars.close[i - 1]), abs(lo - bars.close[i - 1])) if near else h - lo
        )
        last = ranges[-3:]
        expected = sum(last) / len(last) / bars.close[i] if len(last) >= 2 else math.nan
        assert got[i] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.kind)
def test_a_label_is_read_back_from_its_parameters(rule: LabelRule) -> None:
    assert parse_label(label_parameters(rule), place="labels") == rule
    assert sentence(rule)
    assert from_contract(to_contract(rule), rule.classes) == rule


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            {"kind": "fixed_horizon", "horizon": 0},
            r"labels\.horizon: a horizon must be at least 1 bar, but got 0",
        ),
        ({"kind": "fixed_horizon", "threshold": -0.1}, r"a threshold must be in \[0, 1\), but got -0\.1"),
        ({"kind": "fixed_horizon", "unit": "atr"}, "unit must be one of fraction, volatility"),
        ({"kind": "fixed_horizon", "classes": ["A"]}, "two or three different classes are needed"),
        ({"kind": "fixed_horizon", "classes": ["A", "A"]}, "two or three different classes are needed"),
        ({"kind": "fixed_horizon", "horizn": 3}, "a key must be known, but got 'horizn'"),
        ({"kind": "triple_barrier"}, "needs take_profit, stop_loss, horizon"),
        (
            {"kind": "triple_barrier", "take_profit": 0, "stop_loss": 0.1, "horizon": 3},
            r"must be in \(0, 1\)",
        ),
        ({"kind": "meta"}, "needs side"),
        ({"kind": "meta", "side": "s", "classes": ["A", "B", "C"]}, "two different classes are needed"),
        (
            {"kind": "meta", "side": "s", "trade": {"kind": "meta"}},
            r"labels\.trade\.kind: the kind of a label",
        ),
        ({"kind": "column"}, "needs reach. How many bars after a row did whoever made its label look at"),
        ({"kind": "column", "reach": 3, "up": "BUY"}, "down and up must be given both"),
        ({"kind": "column", "reach": 3, "up": "BUY", "down": "X"}, "down must be one of the classes"),
        ({"kind": "best"}, "must be one of fixed_horizon, triple_barrier, meta, column, but got 'best'"),
        (3, "a label must be a table"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(table: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        parse_label(table, place="labels")


def test_what_a_label_needs_is_asked_for() -> None:
    with pytest.raises(DataError, match="triple barriers need open, high and low beside close"):
        outcomes(TripleBarrier(0.01, 0.01, 2), closes([1, 2, 3, 4]))
    with pytest.raises(DataError, match="signal: a meta label needs the column"):
        outcomes(Meta("signal"), closes([1, 2]))
    with pytest.raises(DataError, match=r"close\[1\]: a price must be above 0, but got 0.0"):
        closes([1, 0])
    with pytest.raises(DataError, match="stamps of bars must rise"):
        Bars(np.array([2, 1], dtype=np.int64), np.array([1.0, 1.0]), BAR)
