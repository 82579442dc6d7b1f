"""Money: trades taken one after another, what they leave after costs, and what that proves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Floats, Integers
from gradus_live.costs import Costs
from gradus_live.labels import Outcomes
from gradus_live.statistics import BlockTest, block_test, student_quantile

__all__ = ["Money", "Trades", "judge_trades", "net_returns", "take_trades"]

_DAY_MS = 86_400_000
_LEVEL, _FOUND = 0.05, 0.9


@dataclass(frozen=True, slots=True)
class Trades:
    """T trades, in time order, none opened before the one before it was closed.

    Attributes:
        rows: int64 [T], the rows whose calls opened them.
        sides: int64 [T], 1 long, -1 short.
        gross: float64 [T], log returns before costs.
        bars: int64 [T], how many bars each was open.
    """

    rows: Integers
    sides: Integers
    gross: Floats
    bars: Integers


@dataclass(frozen=True, slots=True)
class Money:
    """What trades left.

    Attributes:
        trades: How many.
        gross: Mean log return of a trade before costs; 0 without trades.
        net: And after costs.
        hit_rate: Share of trades that left something after costs.
        break_even: The hit rate at which trades of these mean wins and losses would leave nothing; None where
            there are no wins, or no losses.
        test: Whether the mean net return is above 0, over blocks of time.
        level: The one-sided p that the mean net return must stay below.
        smallest: The smallest mean net return that this many trades would have shown in 9 of 10 cases at that
            level: the error times the sum of the two quantiles of Student's t; 0 where it cannot be told.
        total: Sum of the net log returns.
    """

    trades: int
    gross: float
    net: float
    hit_rate: float
    break_even: float | None
    test: BlockTest
    level: float
    smallest: float
    total: float


def take_trades(timestamps: Integers, bar_ms: int, calls: Integers, outcomes: Outcomes) -> Trades:
    """Take calls one after another: while a position is open, calls are passed over.

    A call whose outcome is not known opens nothing.

    Args:
        timestamps: int64 [N], ms, rising.
        bar_ms: Length of a bar, ms.
        calls: int64 [N], 1 long, -1 short, 0 none.
        outcomes: Of the same rows.

    >>> gains, bars = np.array([0.1, 0.2, 0.3]), np.array([2, 2, 2])
    >>> found = Outcomes(np.array([1, 1, 1]), gains, -gains, bars, bars)
    >>> take_trades(np.array([0, 1, 2]), 1, np.array([1, 1, -1]), found).gross.tolist()
    [0.1, -0.3]
    """
    gross = np.where(calls > 0, outcomes.long, outcomes.short)
    bars = np.where(calls > 0, outcomes.long_bars, outcomes.short_bars)
    candidates = np.flatnonzero((calls != 0) & np.isfinite(gross))
    rows, free = [], -1
    places = (timestamps // bar_ms).tolist()
    for row in candidates.tolist():
        if places[row] >= free:
            rows.append(row)
            free = places[row] + int(bars[row])
    taken = np.array(rows, dtype=np.int64)
    return Trades(taken, np.sign(calls[taken]).astype(np.int64), gross[taken], bars[taken].astype(np.int64))


def net_returns(trades: Trades, costs: Costs, bar_ms: int) -> Floats:
    """Return what each trade left after costs, as log returns, float64 [T]."""
    return trades.gross - costs.of_trades(trades.bars, bar_ms)


def judge_trades(
    trades: Trades,
    timestamps: Integers,
    bar_ms: int,
    costs: Costs,
    *,
    block_ms: int = _DAY_MS,
    tried: int = 1,
) -> Money:
    """Say what trades left and how sure that is; sums over blocks of time are the observations.

    Args:
        trades: As `take_trades` returns them.
        timestamps: int64 [N], ms, of the rows that `trades.rows` counts.
        bar_ms: Length of a bar, ms.
        costs: What a trade costs.
        block_ms: Length of a block: a day, unless trades last longer.
        tried: How many thresholds the one at hand was chosen from; the level of 5 % is divided by it.
    """
    count = len(trades.rows)
    net = net_returns(trades, costs, bar_ms)
    test = block_test(timestamps[trades.rows] // block_ms, net)
    won, lost = net[net > 0], net[net <= 0]
    break_even = None
    if len(won) and len(lost):
        loss = -float(lost.mean())
        break_even = loss / (float(won.mean()) + loss)
    return Money(
        trades=count,
        gross=float(trades.gross.mean()) if count else 0.0,
        net=float(net.mean()) if count else 0.0,
        hit_rate=len(won) / count if count else 0.0,
        break_even=break_even,
        test=test,
        level=_LEVEL / tried,
        smallest=_smallest(test, _LEVEL / tried),
        total=float(net.sum()),
    )


def _smallest(test: BlockTest, level: float) -> float:
    if test.error == 0:
        return 0.0
    freedom = test.blocks - 1
    return test.error * (student_quantile(1 - level, freedom) + student_quantile(_FOUND, freedom))
