"""This run against the pinned version of an artifact store, on rows that neither has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from gradus_runtime import Predictor
from gradus_runtime.store import Store, open_artifact
from gradus_train.evaluation.metrics import Scores, score
from gradus_train.evaluation.scoreboard import spread
from gradus_train.training.assemble import LevelResult
from gradus_train.training.member import Rows
from gradus_train.training.prepare import Plan

__all__ = ["compare_with_pinned"]

MINIMUM_ROWS = 100


def compare_with_pinned(
    store: Path | None, plan: Plan, results: Sequence[LevelResult]
) -> Mapping[str, tuple[Scores, Scores]] | str:
    """Score this run and the pinned version on the same holdout rows.

    Only rows later than the pinned version's data count: among the earlier ones are those that it was trained
    on. Each level is asked with its own features alone, through the runtime, as a bot would.

    Args:
        store: An artifact store; None where none was named.
        plan: This run.
        results: Its levels.

    Returns:
        By level, the scores of this run and of the pinned version; or why there is no comparison, as the end
        of a sentence.

    Raises:
        GradusError: The pinned version is damaged, or cannot be served here.
    """
    if store is None:
        return "no artifact store was named (--store)"
    if Store(store).pin_stat() is None:
        return f"no version is pinned in {store}"
    artifact = open_artifact(store)
    try:
        manifest = artifact.manifest
    finally:
        artifact.close()
    if manifest.classes != plan.dataset.classes:
        return f"its classes are {', '.join(manifest.classes)}"
    end = manifest.provenance.data_end
    if end is None:
        return f"{manifest.version} does not say where its data ends: no row is surely new to it"
    rows = _unseen(plan, end)
    if len(rows) < MINIMUM_ROWS:
        return (
            f"the data of {manifest.version} ends at {end}: {len(rows)} holdout rows"
            f" are later, and {MINIMUM_ROWS} are needed"
        )
    result = {}
    with Predictor.open(store) as predictor:
        for level in results:
            both = _compare(predictor, plan, level, rows)
            if both is not None:
                result[level.plan.name] = both
    return result


def _unseen(plan: Plan, data_end: str) -> Rows:
    end = datetime.fromisoformat(data_end).timestamp() * 1000
    rows = plan.timeline.holdout
    return rows[plan.dataset.timestamps[rows] > end]


def _compare(
    predictor: Predictor, plan: Plan, level: LevelResult, rows: Rows
) -> tuple[Scores, Scores] | None:
    """Return both scores, or None where the pinned version does not serve these features by that level."""
    usable = rows[level.plan.usable[rows]]
    if len(usable) < MINIMUM_ROWS:
        return None
    features = np.ascontiguousarray(plan.dataset.features[np.ix_(usable, level.plan.columns)])
    theirs = predictor.predict(features, names=level.plan.features, use_confidence=False)
    if any(served != level.plan.name for served in theirs.levels):
        return None
    labels = plan.dataset.labels[usable]
    mine = spread(len(plan.dataset.labels), level.plan.tasks[-1].measure, level.holdout_vote)[usable]
    return score(labels, mine), score(labels, theirs.probabilities.astype(np.float64))
