"""What a trade leaves after costs where each class came: the weights of the policy of expected value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradus_live.costs import Costs
from gradus_live.labels import NO_LABEL, Meta
from gradus_train.evaluation.evidence import Floats
from gradus_train.training.member import RowNumbers
from gradus_train.training.prepare import Plan

__all__ = ["payoffs_by_fold"]


def payoffs_by_fold(plan: Plan, costs: Costs | None) -> Mapping[int, Floats] | None:
    """Return mean net log returns by fold, each of the rows that the fold's models were trained on.

    Args:
        plan: The run.
        costs: What a trade costs.

    Returns:
        By number of the fold (the holdout's is the highest): float64 [sides, C], the short trade and the long
        one, or for a meta label the proposed one. None without costs, prices or sides.
    """
    rule, folds = plan.dataset.rule, plan.timeline.folds
    if costs is None or plan.dataset.trades is None:
        return None
    if rule.sides is None and not isinstance(rule, Meta):
        return None
    rows = {number: fold.train for number, fold in enumerate(folds, start=1)}
    rows[len(folds) + 1] = plan.timeline.development
    return {number: _payoffs(plan, costs, part) for number, part in rows.items()}


def _payoffs(plan: Plan, costs: Costs, rows: RowNumbers) -> Floats:
    data, trades = plan.dataset, plan.dataset.trades
    if trades is None:
        raise AssertionError("judged only where there are trades")
    long = trades.long - costs.of_trades(trades.long_bars, data.bar_ms)
    short = trades.short - costs.of_trades(trades.short_bars, data.bar_ms)
    sides = [short[rows], long[rows]]
    if data.side is not None:
        sides = [np.where(data.side > 0, long, short)[rows]]
    labels = data.labels[rows]
    return np.array([_means(net, labels, len(data.classes)) for net in sides])


def _means(net: Floats, labels: RowNumbers, n_classes: int) -> Floats:
    """Mean by class, float64 [C]; a class that never came has the mean of all."""
    known = np.isfinite(net) & (labels != NO_LABEL)
    net, labels = net[known], labels[known]
    count = np.bincount(labels, minlength=n_classes)
    overall = float(net.mean()) if len(net) else 0.0
    sums = np.bincount(labels, net, minlength=n_classes)
    return np.where(count > 0, sums / np.maximum(count, 1), overall)
