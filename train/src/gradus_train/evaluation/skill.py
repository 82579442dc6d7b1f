"""Two questions apart: will the price move, and if so, which side? What was said of each, and what came."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import sklearn.metrics as sk

from gradus_live.labels import Meta
from gradus_train.evaluation.class_metrics import ReliabilityBin
from gradus_train.evaluation.evidence import Evidence, Flags, Floats

__all__ = ["AskedSkill", "auc_error", "skills_of"]

_BINS = 10
_LEAST_ROWS = 100  # of both answers together
_LEAST_IN_BIN = 30


@dataclass(frozen=True, slots=True)
class AskedSkill:
    """A question with two answers.

    Attributes:
        name: "moves", "side" or "comes off".
        question: For people.
        rows: Of folds and holdout that it was asked of.
        share: Of them that answer yes.
        auc: Chance that a row that answers yes got a higher probability than one that does not: 0.5 is none.
        error: Of the AUC, with labels that overlap counted as one.
        auc_holdout: On the holdout rows alone; None where these have one answer only.
        bins: Tenths of the rows by the probability said, beside the share that came.
        independent: How many rows count as one, as their labels overlap.
    """

    name: str
    question: str
    rows: int
    share: float
    auc: float
    error: float
    auc_holdout: float | None
    bins: tuple[ReliabilityBin, ...]
    independent: int


def skills_of(evidence: Evidence) -> tuple[AskedSkill, ...]:
    """Return what can be asked of these rows: whether and which side, or whether a trade comes off."""
    p, labels, rule = evidence.probabilities, evidence.labels, evidence.rule
    everywhere = np.ones(len(labels), dtype=np.bool_)
    asked = []
    if isinstance(rule, Meta):
        asked.append(("comes off", "Does the proposed trade come off?", p[:, 1], labels == 1, everywhere))
    elif rule.sides is not None:
        down, up = rule.sides
        both = p[:, down] + p[:, up]
        moved = np.asarray((labels == down) | (labels == up))
        if len(rule.classes) > len(rule.sides):
            asked.append(("moves", "Will it move?", both, moved, everywhere))
        upward = p[:, up] / np.maximum(both, 1e-12)
        asked.append(("side", "Which side, where it moves?", upward, labels == up, moved))
    made = [_skill(evidence, *question) for question in asked]
    return tuple(skill for skill in made if skill is not None)


def auc_error(auc: float, yes: float, no: float) -> float:
    """Return the standard error of an AUC of so many rows of both answers (Hanley and McNeil, 1982).

    >>> round(auc_error(0.5, 100, 100), 3)
    0.041
    """
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (yes - 1) * (first - auc**2) + (no - 1) * (second - auc**2)
    return math.sqrt(max(0.0, spread) / (yes * no))


def _skill(
    evidence: Evidence, name: str, question: str, said: Floats, came: Flags, rows: Flags
) -> AskedSkill | None:
    said, came, held = said[rows], came[rows], evidence.held[rows]
    count, yes = len(said), int(came.sum())
    if count < _LEAST_ROWS or yes in (0, count):
        return None
    auc, overlap = float(sk.roc_auc_score(came, said)), evidence.rule.reach
    holdout = None
    if 0 < came[held].sum() < held.sum():
        holdout = float(sk.roc_auc_score(came[held], said[held]))
    return AskedSkill(
        name=name,
        question=question,
        rows=count,
        share=yes / count,
        auc=auc,
        error=auc_error(auc, max(1.0, yes / overlap), max(1.0, (count - yes) / overlap)),
        auc_holdout=holdout,
        bins=_tenths(said, came),
        independent=overlap,
    )


def _tenths(said: Floats, came: Flags) -> tuple[ReliabilityBin, ...]:
    """Parts of about the same number of rows, in the order of what was said; equal values stay together."""
    order = np.argsort(said, kind="stable")
    parts = max(1, min(_BINS, len(said) // _LEAST_IN_BIN))
    edges = np.quantile(said, np.arange(1, parts) / parts)
    place = np.searchsorted(edges, said[order], side="right")
    found = []
    for number in range(parts):
        inside = order[place == number]
        if len(inside):
            found.append(ReliabilityBin(len(inside), float(said[inside].mean()), float(came[inside].mean())))
    return tuple(found)
