"""This configuration against the pinned version of an artifact store, on rows that neither has seen.

The models of a run know most of the rows that are new to the pinned version. So the configuration is fitted
once more on the rows that the pinned version could know, and both are asked of those that came later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_live.costs import Costs
from gradus_live.labels import to_contract
from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import Label, Manifest
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.store import Store, open_artifact
from gradus_train.evaluation.beside import PinnedComparison, PinnedLine, beside
from gradus_train.evaluation.evidence import Said, served, what_was_said
from gradus_train.evaluation.scoreboard import spread
from gradus_train.evaluation.service import measured_order
from gradus_train.training.assemble import LevelResult
from gradus_train.training.member import Probabilities, RowNumbers
from gradus_train.training.prepare import MINIMUM_FOLD_ROWS, Plan

__all__ = ["MINIMUM_DAYS", "SERVED", "Pinned", "compare_with_pinned", "find_pinned"]

MINIMUM_DAYS = 5
SERVED = "served"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Pinned:
    """The version to compare with: of which store, and the open of the last bar of its data, ms."""

    store: Path
    version: str
    data_end: int


def find_pinned(store: Path | None, plan: Plan, version: str | None = None) -> Pinned | str:
    """Find the version that a run can be compared with.

    Args:
        store: An artifact store; None where none was named.
        plan: The run.
        version: A version of the store in place of the pinned one.

    Returns:
        The version; or why there is no comparison, as the end of a sentence.

    Raises:
        GradusError: The pinned version is damaged.
    """
    if store is None:
        return "no artifact store was named (--store)"
    if version is None and Store(store).pin_stat() is None:
        return f"no version is pinned in {store}"
    artifact = open_artifact(store, version)
    try:
        manifest = artifact.manifest
    finally:
        artifact.close()
    return _differs(manifest, plan) or _with_days(store, manifest, plan)


def _differs(manifest: Manifest, plan: Plan) -> str | None:
    """Say why answers cannot be compared: other classes, or another meaning of them."""
    if manifest.classes != plan.dataset.classes:
        return f"its classes are {', '.join(manifest.classes)}"
    theirs, mine = manifest.label, to_contract(plan.dataset.rule)
    if theirs is not None and _meaning(theirs) != _meaning(mine):
        return f"its label is another: {theirs.sentence}"
    return None


def _meaning(label: Label) -> tuple[object, ...]:
    return label.kind, label.reach, dict(label.numbers), dict(label.texts)


def _with_days(store: Path, manifest: Manifest, plan: Plan) -> Pinned | str:
    text = manifest.provenance.data_end
    if text is None:
        return f"{manifest.version} does not say where its data ends: no row is surely new to it"
    end = round(datetime.fromisoformat(text).timestamp() * 1000)
    usable = np.logical_or.reduce([level.usable for level in plan.levels])
    newest = int(plan.dataset.timestamps[usable].max())
    days = max(0, newest - end) / _DAY_MS
    if days < MINIMUM_DAYS:
        return (
            f"the data of {manifest.version} ends at {text}: {days:.1f} days of rows are later, "
            f"and {MINIMUM_DAYS} are needed"
        )
    return Pinned(store, manifest.version, end)


def compare_with_pinned(
    pinned: Pinned, plan: Plan, results: Sequence[LevelResult], costs: Costs | None = None
) -> PinnedComparison:
    """Score this configuration, fitted up to the end of the pinned version's data, and the pinned version.

    Both are scored on the same rows, which are later. The pinned version is asked through the runtime, as a
    bot would: once with each level's features alone, and once with all, for what either serves.

    Args:
        pinned: The version.
        plan: This run, with parts that are fitted up to that end.
        results: Its levels.
        costs: What a trade costs, for the money of both.

    Returns:
        By level, and for "served", what this configuration and the pinned version say. What the pinned
        version does not answer by that level is left out.

    Raises:
        GradusError: The pinned version cannot be served here.
    """
    fitted = [r for r in results if r.up_to is not None]
    result: dict[str, PinnedLine] = {}
    # At the end of its data no version is too old: what it knows does not depend on when it is asked.
    then = pinned.data_end / 1000
    with Predictor.open(pinned.store, pinned.version, drift=False, clock=lambda: then) as predictor:
        for level in fitted:
            both = _compare(predictor, plan, level, costs)
            if both is not None:
                result[level.plan.name] = both
        if fitted:
            both = _served(predictor, plan, fitted, pinned.data_end, costs)
            if both is not None:
                result[SERVED] = both
    return PinnedComparison(pinned.version, result)


def _compare(predictor: Predictor, plan: Plan, level: LevelResult, costs: Costs | None) -> PinnedLine | None:
    """Return both answers, or None where the pinned version does not serve these features by that level."""
    if level.up_to is None:
        return None
    rows = level.up_to.test_rows
    features = np.ascontiguousarray(plan.dataset.features[np.ix_(rows, level.plan.columns)])
    theirs = predictor.predict(features, names=level.plan.features, use_confidence=False)
    if any(name != level.plan.name for name in theirs.levels):
        return None
    return beside(plan, rows, level.up_to.vote, _float64(theirs.probabilities), costs)


def _served(
    predictor: Predictor, plan: Plan, levels: Sequence[LevelResult], end: int, costs: Costs | None
) -> PinnedLine | None:
    """Return both answers of what is served: the first level in service that has its features, in both."""
    n = len(plan.dataset.labels)
    said = {}
    for level in levels:
        if level.up_to is not None:
            vote = spread(n, level.up_to.test_rows, level.up_to.vote)
            said[level.plan.name] = Said(vote, vote)
    mine = served([said[name] for name in _order(plan, levels, end)]).probabilities
    rows = np.flatnonzero(~np.isnan(mine[:, 0]))
    features = np.ascontiguousarray(plan.dataset.features[rows])
    theirs = predictor.predict(features, names=plan.dataset.names, use_confidence=False)
    answered = np.asarray(theirs.levels != FALLBACK, dtype=np.bool_)
    if answered.sum() < MINIMUM_FOLD_ROWS:
        return None
    rows = rows[answered]
    return beside(plan, rows, mine[rows], _float64(theirs.probabilities[answered]), costs)


def _order(plan: Plan, levels: Sequence[LevelResult], end: int) -> Sequence[str]:
    """Return the order in which levels would have been served: measured on rows up to the end alone."""
    names = [level.plan.name for level in levels]
    if plan.config.service.order == "declared":
        return names
    known: RowNumbers = np.flatnonzero(plan.dataset.timestamps > end)
    before = {}
    for level in levels:
        said = what_was_said(plan, level)
        kept = said.probabilities.copy()
        kept[known] = np.nan
        before[level.plan.name] = replace(said, probabilities=kept)
    order = measured_order(plan, before)
    return (*order.levels, *order.others)


def _float64(values: npt.NDArray[np.float32]) -> Probabilities:
    return values.astype(np.float64)
