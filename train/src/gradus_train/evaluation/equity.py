"""Equity: what the calls of a policy left day by day, beside holding the market and calls made by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradus_live.costs import Costs
from gradus_live.labels import Outcomes
from gradus_live.money import Trades, net_returns, take_trades
from gradus_runtime.candles.reading import iso_time
from gradus_train.evaluation.evidence import Evidence, Flags, Floats, Integers

__all__ = ["DRAWS", "EquityPart", "equity_of", "scattered_trades"]

DRAWS = 200
_DAY_MS = 86_400_000
_SEED = 20
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class EquityPart:
    """Sums of net log returns, at the end of each day; HOLD is 0 throughout.

    Attributes:
        name: "out of fold" or "holdout".
        start: First day, ISO 8601.
        trades: How many trades the policy made.
        policy: Of its trades, each counted on the day that closes it.
        market: Of a position that is opened at the first bar and closed at the last; empty without closes.
        low: What a twentieth of the draws of random calls stays below, day by day.
        high: What a twentieth of them exceeds.
        better_than: Share of the draws that left less than the policy in the end.
    """

    name: str
    start: str
    trades: int
    policy: tuple[float, ...]
    market: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    better_than: float


def equity_of(evidence: Evidence, costs: Costs | None, calls: Integers) -> tuple[EquityPart, ...]:
    """Follow a policy over the rows of the folds, and over those of the holdout.

    Args:
        evidence: Rows of folds and holdout.
        costs: What a trade costs; without them nothing is shown, as a return before costs is no money.
        calls: int64 [N], the side that the policy calls of each row: 1 long, -1 short, 0 none.

    Returns:
        Both parts; none without costs or prices.
    """
    if costs is None or evidence.trades is None:
        return ()
    parts = (("out of fold", ~evidence.held), ("holdout", evidence.held))
    return tuple(_part(evidence, costs, calls, name, rows) for name, rows in parts if rows.any())


def scattered_trades(trades: Trades, outcomes: Outcomes, rng: np.random.Generator) -> Trades:
    """Put trades of the same number, sides and lengths at random rows, none before the one before it is over.

    Args:
        trades: As `take_trades` returns them for these rows.
        outcomes: Of the rows; only those that are known are drawn.
        rng: Where chance comes from.
    """
    known = np.flatnonzero(np.isfinite(outcomes.long) & np.isfinite(outcomes.short))
    count = len(trades.rows)
    lengths = np.maximum(trades.bars[rng.permutation(count)], 1)
    room = max(0, len(known) - int(lengths.sum()))
    gaps = np.sort(rng.integers(0, room + 1, count))
    begins = np.minimum(gaps + np.append(0, np.cumsum(lengths)[:-1]), len(known) - 1)
    rows, sides = known[begins], rng.permutation(trades.sides)
    gross = np.where(sides > 0, outcomes.long[rows], outcomes.short[rows])
    bars = np.where(sides > 0, outcomes.long_bars[rows], outcomes.short_bars[rows])
    return Trades(rows, sides, gross, bars.astype(np.int64))


def _part(evidence: Evidence, costs: Costs, calls: Integers, name: str, rows: Flags) -> EquityPart:
    if evidence.trades is None:
        raise AssertionError("judged only where there are trades")
    time, outcomes, bar_ms = evidence.timestamps[rows], evidence.trades.select(rows), evidence.bar_ms
    first = int(time[0]) // _DAY_MS
    days = int(time[-1]) // _DAY_MS - first + 1
    taken = take_trades(time, bar_ms, calls[rows], outcomes)

    def by_day(trades: Trades) -> Floats:
        closed = (time[trades.rows] + bar_ms * trades.bars) // _DAY_MS - first
        net = net_returns(trades, costs, bar_ms)
        return np.cumsum(np.bincount(np.minimum(closed, days - 1), net, minlength=days))

    policy, low, high, better = by_day(taken), np.zeros(days), np.zeros(days), 0.0
    if len(taken.rows):
        rng = np.random.default_rng([_SEED, len(name)])
        drawn = np.array([by_day(scattered_trades(taken, outcomes, rng)) for _ in range(DRAWS)])
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        better = float((drawn[:, -1] < policy[-1]).mean())
    market = np.zeros(0)
    if evidence.close is not None:
        market = _held(time, evidence.close[rows], costs, first, days)
    return EquityPart(
        name=name,
        start=iso_time(first * _DAY_MS)[:10],
        trades=len(taken.rows),
        policy=_rounded(policy),
        market=_rounded(market),
        low=_rounded(low),
        high=_rounded(high),
        better_than=better,
    )


def _held(time: Integers, close: Floats, costs: Costs, first: int, days: int) -> Floats:
    """A position from the first close to the last: one opening, funding by the day, one closing."""
    last = np.searchsorted(time, (first + 1 + np.arange(days)) * _DAY_MS) - 1
    moved = np.log(close[last] / close[0])
    passed = (time[last] - time[0]) / _DAY_MS
    paid = 1e-4 * (costs.per_side + costs.funding_per_day * passed)
    paid[-1] += 1e-4 * costs.per_side
    return np.asarray(moved - paid, dtype=np.float64)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(v), _DIGITS) for v in values)
