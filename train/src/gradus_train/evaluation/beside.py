"""Two sets of answers to the same rows, side by side: those of the pinned version and of the new one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradus_live.costs import Costs
from gradus_live.labels import Meta
from gradus_live.money import Money, judge_trades, take_trades
from gradus_live.statistics import block_test
from gradus_train.evaluation.class_metrics import Scores, score
from gradus_train.evaluation.evidence import Floats, Integers
from gradus_train.training.prepare import Plan

__all__ = ["JudgedAnswers", "PinnedComparison", "PinnedLine", "beside", "called_sides"]

_DAY_MS = 86_400_000
_REACHES = 10  # a block is at least this many times as long as a label's reach
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """What one version says of the rows.

    Attributes:
        scores: Of its probabilities.
        calls: Share of the rows whose most probable class is a call for a side; None where classes have none.
        right: Share of these calls whose class came; None where there are no calls.
        money: Of trades on these calls; None without costs, prices or sides.
    """

    scores: Scores
    calls: float | None
    right: float | None
    money: Money | None


@dataclass(frozen=True, slots=True)
class PinnedLine:
    """Both on the same rows.

    Attributes:
        mine: What the new configuration says.
        theirs: What the pinned version says.
        low: Lower end of the 95 % interval of the difference in log loss, new minus pinned, over blocks of
            days; None where there are too few.
        high: Upper end.
    """

    mine: JudgedAnswers
    theirs: JudgedAnswers
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PinnedComparison:
    """The pinned version, and the lines by level; `lines["served"]` is of what either serves."""

    version: str
    lines: Mapping[str, PinnedLine]


def beside(plan: Plan, rows: Integers, mine: Floats, theirs: Floats, costs: Costs | None) -> PinnedLine:
    """Compare answers.

    Args:
        plan: Of the run, for labels, prices and sides.
        rows: int64 [N], rows of the dataset.
        mine: float64 [N, C], what the new configuration says of them.
        theirs: float64 [N, C], what the pinned version says.
        costs: What a trade costs.
    """
    data = plan.dataset
    labels, place = data.labels[rows], np.arange(len(rows))
    loss = [-np.log(np.maximum(p[place, labels], _SMALLEST)) for p in (mine, theirs)]
    test = block_test(data.timestamps[rows] // _block_ms(plan), loss[0] - loss[1])
    low, high = test.bounds(0.95)
    known = math.isfinite(low)
    return PinnedLine(
        _answers(plan, rows, mine, costs),
        _answers(plan, rows, theirs, costs),
        low if known else None,
        high if known else None,
    )


def called_sides(plan: Plan, rows: Integers, labels: Integers) -> Integers | None:
    """Return the side that answers call, int64 [N]: 1 long, -1 short, 0 none; None without sides."""
    rule, side = plan.dataset.rule, plan.dataset.side
    if isinstance(rule, Meta) and side is not None:
        return np.where(labels == 1, np.sign(np.nan_to_num(side[rows])), 0).astype(np.int64)
    if rule.sides is None:
        return None
    down, up = rule.sides
    return np.asarray((labels == up).astype(np.int64) - (labels == down), dtype=np.int64)


def _answers(plan: Plan, rows: Integers, said: Floats, costs: Costs | None) -> JudgedAnswers:
    data, labels = plan.dataset, plan.dataset.labels[rows]
    answer = said.argmax(axis=1)
    calls = called_sides(plan, rows, answer)
    if calls is None:
        return JudgedAnswers(score(labels, said), None, None, None)
    called, money = calls != 0, None
    if costs is not None and data.trades is not None:
        time, trades = data.timestamps[rows], data.trades
        chosen = np.zeros(len(data.labels), dtype=np.bool_)
        chosen[rows] = True
        taken = take_trades(time, data.bar_ms, calls, trades.select(chosen))
        money = judge_trades(taken, time, data.bar_ms, costs, block_ms=_block_ms(plan))
    right = float((answer == labels)[called].mean()) if called.any() else None
    return JudgedAnswers(score(labels, said), float(called.mean()), right, money)


def _block_ms(plan: Plan) -> int:
    return max(_DAY_MS, _REACHES * plan.dataset.rule.reach * plan.dataset.bar_ms)
