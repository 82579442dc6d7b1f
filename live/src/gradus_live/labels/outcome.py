"""What came of each bar: its label, and what a trade of either side would have returned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.bars import Bars, Floats, Integers, whole_windows
from gradus_live.labels.kinds import Column, FixedHorizon, LabelRule, Meta, TripleBarrier
from gradus_live.volatility import average_true_range, recent_volatility
from gradus_runtime.errors import DataError

__all__ = ["NO_LABEL", "Outcomes", "outcomes"]

NO_LABEL = -1
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of N bars.

    A trade is opened at the next bar's open (where the bars have no open: at the close of this one). Without
    barriers it is closed at the close of the last bar of the label's reach.

    Attributes:
        labels: int64 [N], index into the classes; NO_LABEL where there is none.
        long: float64 [N], log return of a long trade before costs; NaN where it cannot be told.
        short: float64 [N], log return of a short trade.
        long_bars: int64 [N], bars until the long trade is closed; 0 where it cannot be told.
        short_bars: int64 [N].
    """

    labels: Integers
    long: Floats
    short: Floats
    long_bars: Integers
    short_bars: Integers

    def select(self, keep: npt.NDArray[np.bool_]) -> Outcomes:
        """Return the outcomes of the bars where `keep` (bool [N]) is true."""
        return Outcomes(
            self.labels[keep],
            self.long[keep],
            self.short[keep],
            self.long_bars[keep],
            self.short_bars[keep],
        )


@dataclass(frozen=True, slots=True)
class _Trade:
    """The trades of one side: log return, bars held, whether the trade came off."""

    returns: Floats
    bars: Integers
    came_off: npt.NDArray[np.bool_]


def outcomes(
    rule: LabelRule,
    bars: Bars,
    *,
    side: Floats | None = None,
    given: Integers | None = None,
) -> Outcomes:
    """Label every bar whose reach is inside the data and free of gaps.

    Args:
        rule: The kind of label and its parameters.
        bars: N bars; triple barriers need open, high and low.
        side: For a meta label: float64 [N], above 0 long, below 0 short, 0 or NaN no trade.
        given: For a column: its labels, int64 [N], NO_LABEL where there is none.

    Raises:
        DataError: The rule needs something that was not given; the message says what.

    >>> import numpy as np
    >>> bars = Bars(np.arange(4) * 900_000, np.array([100.0, 101.0, 100.0, 100.1]), 900_000)
    >>> outcomes(FixedHorizon(horizon=1, threshold=0.005), bars).labels.tolist()
    [2, 0, 1, -1]
    """
    if isinstance(rule, Column):
        if given is None:
            raise DataError("a label column needs the column's labels", place=rule.column)
        known = (given >= 0) & (given < len(rule.classes))
        return _outcomes(np.where(known, given, NO_LABEL), *_held(bars, rule.reach))
    if isinstance(rule, Meta):
        if side is None:
            raise DataError("a meta label needs the column that the side comes from", place=rule.side)
        return _meta(rule, bars, side)
    if isinstance(rule, TripleBarrier):
        long, short, known = _barriers(rule, bars)
        return _outcomes(np.where(known, _sides(long, short), NO_LABEL), long, short)
    change, threshold, known = _change(rule, bars)
    up, down = change > threshold + _ROUNDING, change < -threshold - _ROUNDING
    three = len(rule.classes) == 3
    values = 1 + up.astype(np.int64) - down.astype(np.int64) if three else up.astype(np.int64)
    return _outcomes(np.where(known, values, NO_LABEL), *_held(bars, rule.horizon))


def _outcomes(labels: Integers, long: _Trade, short: _Trade) -> Outcomes:
    return Outcomes(labels.astype(np.int64), long.returns, short.returns, long.bars, short.bars)


def _meta(rule: Meta, bars: Bars, side: Floats) -> Outcomes:
    up, down = side > 0, side < 0
    if isinstance(rule.trade, TripleBarrier):
        long, short, known = _barriers(rule.trade, bars)
        came_off = np.where(up, long.came_off, short.came_off)
    else:
        change, threshold, known = _change(rule.trade, bars)
        came_off = np.where(up, change, -change) > threshold + _ROUNDING
        long, short = _held(bars, rule.trade.horizon)
    labels = np.where(known & (up | down), came_off.astype(np.int64), NO_LABEL)
    return _outcomes(labels, long, short)


def _change(rule: FixedHorizon, bars: Bars) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return the change over the horizon, the threshold of each bar, and where both are known."""
    n, h = len(bars.close), rule.horizon
    change = np.full(n, np.nan)
    if h < n:
        change[:-h] = bars.close[h:] / bars.close[:-h] - 1.0
    threshold = np.full(n, rule.threshold)
    if rule.unit == "volatility":
        threshold = rule.threshold * np.sqrt(float(h)) * recent_volatility(bars, rule.window)
    return change, threshold, whole_windows(bars, h) & ~np.isnan(change) & ~np.isnan(threshold)


def _entry(bars: Bars) -> Floats:
    """Return the price at which a trade that a bar calls for is opened, float64 [N]; NaN for the last bar."""
    if bars.open is None:
        return bars.close
    return np.append(bars.open[1:], np.nan)


def _held(bars: Bars, horizon: int) -> tuple[_Trade, _Trade]:
    """Trades that are closed at the close of the last bar of the horizon."""
    n = len(bars.close)
    returns = np.full(n, np.nan)
    if horizon < n:
        returns[:-horizon] = np.log(bars.close[horizon:] / _entry(bars)[:-horizon])
    returns[~whole_windows(bars, horizon)] = np.nan
    held = np.where(np.isnan(returns), 0, horizon).astype(np.int64)
    return _Trade(returns, held, returns > 0), _Trade(-returns, held, returns < 0)


def _sides(long: _Trade, short: _Trade) -> Integers:
    """Class by the trade that came off first: 0 short, 2 long, 1 neither, or both in the same bar."""
    first_long = long.came_off & (~short.came_off | (long.bars < short.bars))
    first_short = short.came_off & (~long.came_off | (short.bars < long.bars))
    return 1 + first_long.astype(np.int64) - first_short.astype(np.int64)


def _barriers(rule: TripleBarrier, bars: Bars) -> tuple[_Trade, _Trade, npt.NDArray[np.bool_]]:
    """Return the long and the short trades, and where they are known."""
    if bars.open is None or bars.high is None or bars.low is None:
        raise DataError(
            "triple barriers need open, high and low beside close",
            place="labels",
            hint='Give candles, or add these columns to the table, or use kind = "fixed_horizon".',
        )
    scale = np.ones(len(bars.close))
    if rule.unit == "atr":
        scale = average_true_range(bars, rule.window)
    entry, profit, loss = _entry(bars), rule.take_profit * scale, rule.stop_loss * scale
    prices = (bars.open, bars.high, bars.low, bars.close)
    known = whole_windows(bars, rule.horizon)
    for column in prices:
        known &= _all_known(column, rule.horizon)
    known &= ~np.isnan(profit) & ~np.isnan(entry)
    long = _walk(entry, entry * (1 + profit), entry * (1 - loss), prices, rule.horizon, known)
    # A short trade is a long one in the mirror: prices with the other sign, highs and lows changed over.
    mirror = (-bars.open, -bars.low, -bars.high, -bars.close)
    short = _walk(-entry, -entry * (1 - profit), -entry * (1 + loss), mirror, rule.horizon, known)
    return long, short, known


def _all_known(column: Floats, ahead: int) -> npt.NDArray[np.bool_]:
    known = np.zeros(len(column), dtype=np.bool_)
    n = len(column) - ahead
    if n > 0:
        known[:n] = True
        for step in range(1, ahead + 1):
            known[:n] &= ~np.isnan(column[step : step + n])
    return known


def _walk(
    entry: Floats,
    target: Floats,
    stop: Floats,
    prices: tuple[Floats, Floats, Floats, Floats],
    horizon: int,
    known: npt.NDArray[np.bool_],
) -> _Trade:
    """Follow trades bar by bar until each has left; where prices are negative, they are of short trades.

    A stop fills at the stop, or at the open where the bar opens beyond it; a take-profit at its price. A
    price that equals a barrier up to rounding touches it.
    """
    opens, highs, lows, closes = prices
    slack = np.abs(entry) * _ROUNDING
    rows = np.flatnonzero(known)
    leaves = np.full(len(entry), np.nan)
    bars, came_off = np.zeros(len(entry), dtype=np.int64), np.zeros(len(entry), dtype=np.bool_)
    alive = rows
    for step in range(1, horizon + 1):
        at = alive + step
        stopped = lows[at] <= (stop + slack)[alive]
        reached = ~stopped & (highs[at] >= (target - slack)[alive])
        leaves[alive[stopped]] = np.minimum(opens[at], stop[alive])[stopped]
        leaves[alive[reached]] = target[alive[reached]]
        came_off[alive[reached]] = True
        bars[alive[stopped | reached]] = step
        alive = alive[~(stopped | reached)]
    leaves[alive] = closes[alive + horizon]
    bars[alive] = horizon
    returns = np.full(len(entry), np.nan)
    moved = np.log(np.abs(leaves[rows]) / np.abs(entry[rows]))
    returns[rows] = np.where(entry[rows] > 0, moved, -moved)
    return _Trade(returns, bars, came_off)
