"""From weeks to the whole: money with intervals, procedures side by side, skill, what gates refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gradus_live.bootstrap import Interval, ratio_interval
from gradus_live.costs import Costs
from gradus_train.walk.result import ProcedureFigures, Refusal, Skill, WalkMoney, WeekMoney, WeekResult

__all__ = [
    "BLOCK_DAYS",
    "days_of",
    "money_of",
    "outage_cost",
    "outage_skill",
    "refusals_of",
    "side_by_side",
    "skill_of",
]

BLOCK_DAYS = 5
"""Successive days that are drawn together: some times longer than a position."""
_WEEKS_OF_SKILL = 2
Floats = npt.NDArray[np.float64]


def money_of(weeks: Sequence[WeekResult], *, seed: int) -> WalkMoney:
    """Put the weeks' money together."""
    days, trades = _days([w.money for w in weeks])
    count = int(trades.sum())
    net = float(days.sum())
    drawn = np.sum([w.random for w in weeks], axis=0)
    bars = sum(w.bars for w in weeks)
    return WalkMoney(
        net=net,
        gross=sum(w.money.gross for w in weeks),
        costs=sum(w.money.costs for w in weeks),
        trade=ratio_interval(days, trades, block=BLOCK_DAYS, seed=seed),
        week=_a_week(days, seed),
        trades=count,
        trades_a_day=count / (7 * len(weeks)),
        hit_rate=sum(w.money.won for w in weeks) / count if count else 0.0,
        drawdown=_drawdown(days),
        time_in_market=sum(w.money.bars_held for w in weeks) / bars if bars else 0.0,
        random=tuple(float(q) for q in np.quantile(drawn, [0.05, 0.5, 0.95])),
        beats_random=float((drawn < net).mean()),
    )


def days_of(weeks: Sequence[WeekResult]) -> Floats:
    """Return the net log return of each day of the walk, float64 [7 W]."""
    return _days([w.money for w in weeks])[0]


def side_by_side(
    weeks: Sequence[WeekResult], costs: Costs, *, require: str, seed: int
) -> tuple[ProcedureFigures, ...]:
    """Put procedures side by side: the walk's own, the other rule, less training, no trades, the market."""
    beside = "direction" if require == "integrity" else "integrity"
    chosen: list[tuple[str, Callable[[WeekResult], WeekMoney]]] = [
        (f"weekly, {require}", lambda w: w.money),
        (f"weekly, {beside}", lambda w: w.others[beside]),
        ("monthly training", lambda w: w.others["monthly"]),
        ("trained once", lambda w: w.others["never"]),
    ]
    lines = []
    for name, money in chosen:
        days, trades = _days([money(w) for w in weeks])
        lines.append(
            ProcedureFigures(name, float(days.sum()), _a_week(days, seed), int(trades.sum()), _drawdown(days))
        )
    lines.append(ProcedureFigures("HOLD", 0.0, Interval(0.0, 0.0, 0.0), 0, 0.0))
    held = np.concatenate([w.hold for w in weeks])
    held[[0, -1]] -= 1e-4 * costs.per_side
    lines.append(ProcedureFigures("buy and hold", float(held.sum()), _a_week(held, seed), 1, _drawdown(held)))
    return tuple(lines)


def skill_of(parts: Sequence[Mapping[str, Skill]], *, seed: int) -> dict[str, Interval]:
    """Return the mean skill a bar by name, with intervals over weeks."""
    names = sorted({name for part in parts for name in part})
    result = {}
    for name in names:
        rows = [part.get(name, Skill(0, 0.0)) for part in parts]
        totals, bars = np.array([s.total for s in rows]), np.array([float(s.bars) for s in rows])
        if bars.sum():
            result[name] = ratio_interval(totals, bars, block=_WEEKS_OF_SKILL, seed=seed)
    return result


def refusals_of(weeks: Sequence[WeekResult]) -> tuple[Refusal, ...]:
    """Return the weeks whose version was trained and did not serve, with what it would have left."""
    found = []
    for week in weeks:
        if "refused" in week.others:
            why = week.version.refusals or (f"the verdict is {week.version.verdict}",)
            refused, served = week.others["refused"].net, week.money.net
            found.append(Refusal(week.name, why, refused, served, right=served >= refused))
    return tuple(found)


def outage_cost(weeks: Sequence[WeekResult]) -> float | None:
    """Return the net log return that outages took; None where there were none."""
    hit = [w for w in weeks if w.without_outages is not None]
    if not hit:
        return None
    return sum(w.without_outages.net - w.money.net for w in hit if w.without_outages is not None)


def outage_skill(weeks: Sequence[WeekResult]) -> float | None:
    """Return the skill a bar that outages took, on the bars that they touched; None where there were none."""
    pairs = [w.skill_lost for w in weeks if w.skill_lost is not None]
    bars = sum(whole.bars for _, whole in pairs)
    if not bars:
        return None
    return sum(whole.total - mine.total for mine, whole in pairs) / bars


def _a_week(days: Floats, seed: int) -> Interval:
    return ratio_interval(days, np.full(len(days), 1 / 7), block=BLOCK_DAYS, seed=seed)


def _days(weeks: Sequence[WeekMoney]) -> tuple[Floats, Floats]:
    return (
        np.concatenate([np.array(m.days) for m in weeks]),
        np.concatenate([np.array(m.trades, dtype=np.float64) for m in weeks]),
    )


def _drawdown(days: Floats) -> float:
    """The deepest fall of the sum from a high that it had, over days; 0 or less."""
    sums = np.concatenate([[0.0], np.cumsum(days)])
    return float((sums - np.maximum.accumulate(sums)).min())
