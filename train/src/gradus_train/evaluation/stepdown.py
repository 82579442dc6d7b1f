"""The price of a step down: every level on the same holdout rows, and outages played on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_train.evaluation.class_metrics import score
from gradus_train.evaluation.details import Drill, StepPrice
from gradus_train.evaluation.scoreboard import spread
from gradus_train.training.assemble import LevelResult
from gradus_train.training.prepare import Plan

__all__ = ["outage_drills", "outage_mask", "step_down"]

_STRETCHES = 10
_SHARE = 0.3


def step_down(plan: Plan, results: Sequence[LevelResult]) -> tuple[StepPrice, ...]:
    """Measure every level on the holdout rows that all trained levels can serve; empty if there are none."""
    rows = _common(plan, results)
    if not len(rows):
        return ()
    labels = plan.dataset.labels[rows]
    return tuple(StepPrice(r.plan.name, score(labels, _held(plan, r)[rows])) for r in results)


def outage_drills(plan: Plan, results: Sequence[LevelResult]) -> tuple[Drill, ...]:
    """Play an outage for each step: the groups that the better level needs and the next does not are absent.

    Three tenths of the rows, in ten stretches at random places (drawn from the run's seed), lose these groups
    and are served by the next level; the others by the better one.
    """
    rows = _common(plan, results)
    if not len(rows):
        return ()
    labels = plan.dataset.labels[rows]
    drills = []
    for better, worse in pairwise(results):
        absent = outage_mask(len(rows), _STRETCHES, _SHARE, plan.config.seed)
        whole = _held(plan, better)[rows]
        served = np.where(absent[:, None], _held(plan, worse)[rows], whole)
        drills.append(
            Drill(
                missing=_missing_groups(plan.order, better.plan.name, worse.plan.name),
                stretches=_STRETCHES,
                share=float(absent.mean()),
                served={better.plan.name: int((~absent).sum()), worse.plan.name: int(absent.sum())},
                scores=score(labels, served),
                without_outage=score(labels, whole),
                lost_rows=int(absent.sum()),
            )
        )
    return tuple(drills)


def outage_mask(n: int, stretches: int, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose stretches of equal length, which together cover about `share` of n rows, bool [n]."""
    rng = np.random.default_rng(seed)
    length = max(1, int(n * share / stretches))
    free = n - stretches * length
    absent = np.zeros(n, dtype=np.bool_)
    if free < 0:
        absent[: int(n * share)] = True
        return absent
    starts = np.sort(rng.integers(0, free + 1, size=stretches)) + length * np.arange(stretches)
    for start in starts:
        absent[start : start + length] = True
    return absent


def _held(plan: Plan, result: LevelResult) -> npt.NDArray[np.float64]:
    return spread(len(plan.dataset.labels), result.plan.tasks[-1].measure, result.holdout_vote)


def _common(plan: Plan, results: Sequence[LevelResult]) -> npt.NDArray[np.int64]:
    rows = plan.timeline.holdout
    for result in results:
        rows = rows[result.plan.usable[rows]]
    return rows


def _missing_groups(order: FeatureOrder, better: str, worse: str) -> tuple[str, ...]:
    kept = set(order.level(worse).groups)
    return tuple(g for g in order.level(better).groups if g not in kept)
