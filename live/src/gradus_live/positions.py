"""Positions: one unit, opened by a call at the next bar's open, closed by rules that need no future.

A call opens a position at the next bar's open. It is closed, whichever comes first:

* at the next bar's open after an opposite call, which opens the other side there;
* at a barrier of the label, where it has barriers: within a bar the stop comes first;
* at the close of the last bar of the label's reach (the open of the first bar after it, if that is missing);
* at the close of the last bar that is looked at.

Where no opposite call comes, these are the trades of `take_trades`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Bars, Floats, Integers
from gradus_live.costs import Costs
from gradus_live.labels import LabelRule, Meta, TripleBarrier
from gradus_live.volatility import average_true_range
from gradus_runtime.errors import DataError

__all__ = ["ENDS", "Positions", "hold_positions", "scattered"]

ENDS = ("opposite call", "take-profit", "stop-loss", "time", "end")
_OPPOSITE, _PROFIT, _STOP, _TIME, _END = range(5)
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Positions:
    """T positions in time order.

    Attributes:
        calls: int64 [T], the row whose call opened it.
        closed: int64 [T], the row of the bar in which it was closed.
        sides: int64 [T], 1 long, -1 short.
        gross: float64 [T], log return before costs.
        bars: int64 [T], bars between opening and closing.
        reasons: int64 [T], why it was closed: an index into `ENDS`.
    """

    calls: Integers
    closed: Integers
    sides: Integers
    gross: Floats
    bars: Integers
    reasons: Integers

    def net(self, costs: Costs, bar_ms: int) -> Floats:
        """Return what each left after costs, as log returns, float64 [T]."""
        return self.gross - costs.of_trades(self.bars, bar_ms)


@dataclass(frozen=True, slots=True)
class _Open:
    """A position that is open: the row of its call, its side, its price, where it is left."""

    call: int
    side: int
    price: float
    target: float
    stop: float


def hold_positions(bars: Bars, calls: Integers, rule: LabelRule, first: int, last: int) -> Positions:
    """Follow the calls of the bars `first` to `last`, the latter not included.

    Args:
        bars: N bars with open (for barriers high and low, too), those before `first` among them: the average
            true range of the first call looks back.
        calls: int64 [last - first], 1 long, -1 short, 0 none.
        rule: The label, which says how long a position is held, and its barriers.
        first: Row of the first bar.
        last: Row after the last bar.

    Raises:
        DataError: The bars have no open.

    >>> import numpy as np
    >>> from gradus_live.labels import FixedHorizon
    >>> prices = np.array([100.0, 110.0, 121.0, 133.1])
    >>> bars = Bars(np.arange(4) * 60_000, prices, 60_000, open=prices, high=prices, low=prices)
    >>> held = hold_positions(bars, np.array([1, 0, 0, 0]), FixedHorizon(horizon=2), 0, 4)
    >>> held.gross.round(4).tolist(), held.bars.tolist(), held.closed.tolist()
    ([0.0953], [2], [2])
    """
    if bars.open is None:
        raise DataError("positions need the open of each bar: orders are filled there", place="bars")
    walker = _Walker(bars, rule)
    for row in range(first, last):
        walker.step(row, int(calls[row - first]), is_last=row == last - 1)
    return walker.positions()


class _Walker:
    """Goes from bar to bar with at most one position."""

    def __init__(self, bars: Bars, rule: LabelRule) -> None:
        trade = rule.trade if isinstance(rule, Meta) else rule
        self._barriers = trade if isinstance(trade, TripleBarrier) else None
        self._bars = bars
        self._places = (bars.timestamps // bars.bar_ms).tolist()
        self._reach = rule.reach
        self._scale = np.ones(len(bars.close))
        if self._barriers is not None and self._barriers.unit == "atr":
            self._scale = average_true_range(bars, self._barriers.window)
        self._held: _Open | None = None
        self._order = (0, 0)  # the side that the next open opens, and the row of its call
        self._done: list[tuple[int, int, int, float, int, int]] = []

    def step(self, row: int, call: int, *, is_last: bool) -> None:
        """Let one bar pass: its open, what lies within it, its close, and then its call."""
        opening, closing = float(_of(self._bars.open)[row]), float(self._bars.close[row])
        held, (side, called) = self._held, self._order
        if held is not None and self._places[row] > self._due(held):
            self._close(held, row, opening, _TIME, within=False)
        elif held is not None and side == -held.side:
            self._close(held, row, opening, _OPPOSITE, within=False)
        if self._held is None and side:
            self._held = self._opened(called, side, opening)
        self._order = (0, 0)
        if self._held is not None:
            self._pass(self._held, row)
        if self._held is not None and self._places[row] >= self._due(self._held):
            self._close(self._held, row, closing, _TIME, within=True)
        if is_last:
            if self._held is not None:
                self._close(self._held, row, closing, _END, within=True)
        elif call and (self._held is None or call == -self._held.side):
            self._order = (call, row)

    def positions(self) -> Positions:
        """Return those that were closed."""
        columns = list(zip(*self._done, strict=True)) or [()] * 6
        whole = [np.array(column, dtype=np.int64) for column in columns]
        gross = np.array(columns[3], dtype=np.float64)
        return Positions(whole[0], whole[1], whole[2], gross, whole[4], whole[5])

    def _due(self, held: _Open) -> int:
        return int(self._places[held.call]) + self._reach

    def _opened(self, call: int, side: int, price: float) -> _Open | None:
        """Return a position; None where the barriers of its bar are not known."""
        if self._barriers is None:
            return _Open(call, side, price, math.inf * side, -math.inf * side)
        scale = float(self._scale[call])
        if math.isnan(scale):
            return None
        target = price * (1 + side * self._barriers.take_profit * scale)
        return _Open(call, side, price, target, price * (1 - side * self._barriers.stop_loss * scale))

    def _pass(self, held: _Open, row: int) -> None:
        """Leave the position where the bar touches a barrier, the stop first."""
        if self._barriers is None:
            return
        opening, slack = float(_of(self._bars.open)[row]), held.price * _ROUNDING
        high, low = float(_of(self._bars.high)[row]), float(_of(self._bars.low)[row])
        worst, best = (low, high) if held.side > 0 else (high, low)
        if held.side * (worst - held.stop) <= slack:
            beyond = held.side * (opening - held.stop) < 0
            self._close(held, row, opening if beyond else held.stop, _STOP, within=True)
        elif held.side * (best - held.target) >= -slack:
            self._close(held, row, held.target, _PROFIT, within=True)

    def _close(self, held: _Open, row: int, price: float, reason: int, *, within: bool) -> None:
        gross = held.side * math.log(price / held.price)
        bars = self._places[row] - self._places[held.call] - (0 if within else 1)
        self._done.append((held.call, row, held.side, gross, bars, reason))
        self._held = None


def _of(prices: Floats | None) -> Floats:
    if prices is None:
        raise DataError("barriers need high and low beside open and close", place="bars")
    return prices


def scattered(
    positions: Positions, bars: Bars, first: int, last: int, rng: np.random.Generator
) -> tuple[Floats, Integers]:
    """Put positions of the same sides and lengths at random places, none before the one before it is over.

    Args:
        positions: Of the bars `first` to `last`, as `hold_positions` returns them.
        bars: N bars with open.
        first: Row of the first bar.
        last: Row after the last bar.
        rng: Where chance comes from.

    Returns:
        Log returns before costs, float64 [T], and how many bars each is open, int64 [T].
    """
    count = len(positions.sides)
    turn = rng.permutation(count)
    lengths = np.maximum(positions.bars[turn], 1)
    room = max(0, (last - first) - int(lengths.sum()))
    gaps = np.sort(rng.integers(0, room + 1, count))
    begins = first + gaps + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    begins = np.minimum(begins, last - 1)
    ends = np.minimum(begins + lengths - 1, last - 1)
    moved = np.log(bars.close[ends] / _of(bars.open)[begins])
    return rng.permutation(positions.sides) * moved, lengths.astype(np.int64)
