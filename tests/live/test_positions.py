"""Positions follow their stated rules, and no price that was not there yet."""

import numpy as np
import pytest

from gradus_live.bars import Bars
from gradus_live.costs import Costs
from gradus_live.labels import FixedHorizon, TripleBarrier, outcomes
from gradus_live.money import take_trades
from gradus_live.positions import ENDS, hold_positions, scattered

BAR = 900_000
COSTS = Costs("x", "2026-01-01", 0.0, 8.0, 1.0, 1.0, 9.6)


def walk_bars(n=400, seed=1, missing=()):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    opening = close * np.exp(rng.normal(0, 0.002, n))
    high = np.maximum(opening, close) * (1 + np.abs(rng.normal(0, 0.004, n)))
    low = np.minimum(opening, close) * (1 - np.abs(rng.normal(0, 0.004, n)))
    keep = np.setdiff1d(np.arange(n), missing)
    stamps = np.arange(n, dtype=np.int64) * BAR
    return Bars(stamps[keep], close[keep], BAR, opening[keep], high[keep], low[keep])


@pytest.mark.parametrize(
    "rule",
    [
        FixedHorizon(horizon=4),
        TripleBarrier(0.012, 0.01, 6),
        TripleBarrier(1.5, 1.0, 6, unit="atr", window=5),
    ],
    ids=["time", "barriers", "atr"],
)
def test_calls_of_one_side_are_the_trades_of_the_labels(rule):
    """`take_trades` on the outcomes of the labels is another implementation of the same rules."""
    bars, rng = walk_bars(), np.random.default_rng(2)
    for side in (1, -1):
        calls = side * (rng.random(400) < 0.2)
        calls[395 - rule.reach :] = 0
        held = hold_positions(bars, calls, rule, 0, 400)
        expected = take_trades(bars.timestamps, BAR, calls, outcomes(rule, bars))
        known = np.isin(held.calls, expected.rows)
        assert held.calls[known].tolist() == expected.rows.tolist()
        assert len(held.calls) > 25
        np.testing.assert_allclose(held.gross[known], expected.gross, rtol=0, atol=1e-15)
        assert held.bars[known].tolist() == expected.bars.tolist()


def test_an_opposite_call_closes_at_the_next_open_and_opens_the_other_side_there():
    bars = walk_bars()
    calls = np.zeros(400, np.int64)
    calls[10], calls[12] = 1, -1
    held = hold_positions(bars, calls, FixedHorizon(horizon=5), 0, 400)
    assert held.sides.tolist() == [1, -1]
    assert held.gross[0] == pytest.approx(np.log(bars.open[13] / bars.open[11]))
    assert held.gross[1] == pytest.approx(-np.log(bars.close[17] / bars.open[13]))
    assert [ENDS[r] for r in held.reasons] == ["opposite call", "time"]
    assert held.bars.tolist() == [2, 5]


def test_a_week_ends_flat_and_its_last_call_opens_nothing():
    bars = walk_bars()
    calls = np.zeros(100, np.int64)
    calls[97], calls[99] = 1, -1
    held = hold_positions(bars, calls, FixedHorizon(horizon=8), 50, 150)
    assert held.calls.tolist() == [147]
    assert held.gross[0] == pytest.approx(np.log(bars.close[149] / bars.open[148]))
    assert ENDS[held.reasons[0]] == "end"


def test_no_position_depends_on_a_later_bar():
    """The sibling of a fill at the close that was just seen: change the future, and look at the past."""
    bars, rng = walk_bars(), np.random.default_rng(3)
    calls = rng.integers(-1, 2, 400)
    whole = hold_positions(bars, calls, FixedHorizon(horizon=4), 0, 400)
    for cut in (100, 101, 102, 250):
        later = np.arange(400) >= cut
        other = Bars(
            bars.timestamps,
            np.where(later, bars.close * 1.5, bars.close),
            BAR,
            np.where(later, bars.open * 0.7, bars.open),
            bars.high,
            bars.low,
        )
        changed = hold_positions(other, calls, FixedHorizon(horizon=4), 0, 400)
        before = whole.closed < cut
        assert before.sum() > 20
        assert whole.gross[before].tolist() == changed.gross[changed.closed < cut].tolist()


def test_an_order_is_filled_at_the_open_after_the_call_and_not_at_the_close_that_was_just_seen():
    """Opens are far from the closes before them: a fill at the close would earn what is planted here."""
    n = 40
    close = np.full(n, 100.0)
    opening = np.full(n, 110.0)
    bars = Bars(np.arange(n, dtype=np.int64) * BAR, close, BAR, opening, np.maximum(opening, close), close)
    calls = np.zeros(n, np.int64)
    calls[5] = 1
    held = hold_positions(bars, calls, FixedHorizon(horizon=2), 0, n)
    assert held.gross.tolist() == pytest.approx([np.log(100 / 110)])


def test_over_a_missing_bar_a_position_is_held_and_closed_at_the_first_open_after_its_time():
    bars = walk_bars(60, missing=range(21, 30))
    calls = np.zeros(len(bars.close), np.int64)
    calls[18] = 1
    held = hold_positions(bars, calls, FixedHorizon(horizon=4), 0, len(bars.close))
    assert held.gross[0] == pytest.approx(np.log(bars.open[21] / bars.open[19]))
    assert ENDS[held.reasons[0]] == "time"
    assert held.bars.tolist() == [30 - 18 - 1]


def test_costs_are_two_sides_and_funding_for_each_position():
    bars, calls = walk_bars(), np.zeros(400, np.int64)
    calls[[10, 12]] = 1, -1
    held = hold_positions(bars, calls, FixedHorizon(horizon=5), 0, 400)
    paid = (held.gross - held.net(COSTS, BAR)).tolist()
    assert paid == pytest.approx([20e-4 + 9.6e-4 * 2 / 96, 20e-4 + 9.6e-4 * 5 / 96])


def test_scattered_positions_have_the_same_lengths_and_sides_and_do_not_overlap():
    bars, rng = walk_bars(), np.random.default_rng(5)
    calls = rng.integers(-1, 2, 300) * (rng.random(300) < 0.3)
    held = hold_positions(bars, calls, FixedHorizon(horizon=4), 50, 350)
    gross, lengths = scattered(held, bars, 50, 350, np.random.default_rng(1))
    assert sorted(lengths.tolist()) == sorted(np.maximum(held.bars, 1).tolist())
    assert len(gross) == len(held.gross)
    means = [scattered(held, bars, 50, 350, np.random.default_rng(i))[0].mean() for i in range(300)]
    assert abs(np.mean(means)) < 4 * np.std(means) / np.sqrt(300) + 2e-4
