"""Rows that no model was fitted on: what was said of them, what came, what a trade would have returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.labels import LabelRule, Outcomes
from gradus_train.evaluation.baselines import priors
from gradus_train.training.assemble import LevelResult
from gradus_train.training.prepare import Plan

__all__ = ["Evidence", "Said", "evidence_of", "served", "what_was_said"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Evidence:
    """N rows of the walk-forward folds, and after them those of the holdout, in time order.

    Attributes:
        timestamps: int64 [N], ms, rising.
        bar_ms: Length of a bar, ms.
        labels: int64 [N], class indices.
        probabilities: float64 [N, C], of models that were fitted on earlier rows.
        priors: float64 [N, C], the class shares of these models' training rows.
        fold: int64 [N], number of the fold; the holdout has the highest.
        held: bool [N], true on the holdout.
        rule: What a label means.
        trades: What a trade of either side would have returned; None where there are no prices.
        side: float64 [N], the proposed side of a meta label; else None.
        sigma: float64 [N], volatility of a bar, known at the bar; None where there are no prices.
        close: float64 [N], close of the bar; None where there are no prices.
    """

    timestamps: Integers
    bar_ms: int
    labels: Integers
    probabilities: Floats
    priors: Floats
    fold: Integers
    held: Flags
    rule: LabelRule
    trades: Outcomes | None = None
    side: Floats | None = None
    sigma: Floats | None = None
    close: Floats | None = None

    def blocks(self, bars: int) -> Integers:
        """Return which block of `bars` bars each row is in, int64 [N]."""
        return self.timestamps // (bars * self.bar_ms)


@dataclass(frozen=True, slots=True)
class Said:
    """What a level said of every row of the dataset, float64 [n, C] each; NaN where it said nothing."""

    probabilities: Floats
    priors: Floats

    @property
    def known(self) -> Flags:
        """Rows that the level said something of, bool [n]."""
        return np.asarray(~np.isnan(self.probabilities[:, 0]))


def what_was_said(plan: Plan, result: LevelResult) -> Said:
    """Collect the votes of a level, out of fold and on the holdout."""
    labels, n_classes = plan.dataset.labels, len(plan.dataset.classes)
    said = np.full((len(labels), n_classes), np.nan)
    base = np.full((len(labels), n_classes), np.nan)
    for fold in result.folds:
        said[fold.test_rows] = fold.vote
        base[fold.test_rows] = priors(labels[fold.train_rows], len(fold.test_rows), n_classes)
    final = result.plan.tasks[-1]
    said[final.measure] = result.holdout_vote
    base[final.measure] = priors(labels[final.train], len(final.measure), n_classes)
    return Said(said, base)


def served(levels: Sequence[Said]) -> Said:
    """Return what is served where the first of these levels that can answer does."""
    said, base = levels[0].probabilities.copy(), levels[0].priors.copy()
    for level in levels[1:]:
        empty = np.isnan(said[:, 0])
        said[empty], base[empty] = level.probabilities[empty], level.priors[empty]
    return Said(said, base)


def evidence_of(plan: Plan, said: Said) -> Evidence:
    """Put together the rows that something was said of."""
    data, line = plan.dataset, plan.timeline
    fold = np.full(len(data.labels), -1, dtype=np.int64)
    for number, part in enumerate(line.folds, start=1):
        fold[part.test] = number
    fold[line.holdout] = len(line.folds) + 1
    rows = np.asarray(said.known & (fold >= 0))
    return Evidence(
        timestamps=data.timestamps[rows],
        bar_ms=data.bar_ms,
        labels=data.labels[rows],
        probabilities=said.probabilities[rows],
        priors=said.priors[rows],
        fold=fold[rows],
        held=fold[rows] == len(line.folds) + 1,
        rule=data.rule,
        trades=None if data.trades is None else data.trades.select(rows),
        side=None if data.side is None else data.side[rows],
        sigma=None if data.sigma is None else data.sigma[rows],
        close=None if np.isnan(data.close[rows]).any() else data.close[rows],
    )
