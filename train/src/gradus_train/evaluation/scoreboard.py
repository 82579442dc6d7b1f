"""Scores of a level: members, vote and baselines on the same rows, by fold and on the holdout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.manifest.calibration import at_temperature
from gradus_train.config import parameters_of
from gradus_train.evaluation.baselines import majority, priors
from gradus_train.evaluation.class_metrics import reliability, score
from gradus_train.evaluation.details import FoldScores, LevelDetails, Scoreboard
from gradus_train.training.assemble import LevelResult
from gradus_train.training.calibration import log_loss
from gradus_train.training.member import Probabilities, RowNumbers
from gradus_train.training.prepare import Plan

__all__ = ["calibration_sentence", "flat_metrics", "level_details", "spread"]


def spread(n: int, rows: RowNumbers, said: Probabilities) -> Probabilities:
    """Put probabilities at their rows of the dataset, float64 [n, C]; NaN elsewhere."""
    result = np.full((n, said.shape[1]), np.nan)
    result[rows] = said
    return result


def level_details(plan: Plan, result: LevelResult, below: LevelResult | None) -> LevelDetails:
    """Measure a level.

    Args:
        plan: The run.
        result: The level.
        below: The next level, if it was trained: a baseline on the rows that it serves too.
    """
    below_out, below_held = _votes_below(plan, below)
    final = result.plan.tasks[-1]
    holdout_rows = final.measure
    folds = []
    done = {fold.number: fold for fold in result.folds}
    for number, fold in enumerate(plan.timeline.folds, start=1):
        usable = result.plan.usable
        counts = int(usable[fold.train].sum()), int(usable[fold.test].sum())
        board = None
        if number in done:
            vote = done[number]
            board = _board(plan, vote.train_rows, vote.test_rows, vote.members, vote.vote, below_out)
        folds.append(FoldScores(number, *counts, result.plan.skipped.get(number), board))
    labels = plan.dataset.labels[holdout_rows]
    return LevelDetails(
        name=result.plan.name,
        features=result.plan.features,
        train_rows=len(final.train),
        weights=dict(result.weights),
        parameters={
            m.name: _shown(parameters_of(plan.config, result.plan.name, m)) for m in plan.config.members
        },
        rounds={name: part.rounds for name, part in result.final.items()},
        folds=tuple(folds),
        out_of_fold=_pooled(plan, result, below_out),
        holdout=_board(plan, final.train, holdout_rows, result.holdout, result.holdout_vote, below_held),
        reliability=tuple(
            reliability(labels, result.holdout_vote, c) for c in range(len(plan.dataset.classes))
        ),
        importances={name: tuple(float(v) for v in part.importances) for name, part in result.final.items()},
        calibration=calibration_sentence(plan, result),
    )


def calibration_sentence(plan: Plan, result: LevelResult) -> str | None:
    """Say what a temperature does for a level, out of fold and on the holdout; None where nobody asked."""
    if not plan.config.calibration.temperature:
        return None
    name, found = result.plan.name, result.calibration
    if found is None:
        return f"{name} has no temperature: it has fewer than two folds"
    verb = "has a temperature of" if found.kept else "has no temperature: one of"
    words = (
        f"{name} {verb} {found.temperature:g}{':' if found.kept else ' has'} log loss {found.forward:.4f} "
        f"fold-forward, {found.without:.4f} without"
    )
    labels = plan.dataset.labels[result.plan.tasks[-1].measure]
    before = result.holdout_before if result.holdout_before is not None else result.holdout_vote
    held = log_loss(at_temperature(before, found.temperature), labels)
    return f"{words}; on the holdout {held:.4f}, {log_loss(before, labels):.4f} without"


def flat_metrics(details: LevelDetails) -> dict[str, float]:
    """Figures of the holdout rows under flat names, with the baselines', for the manifest."""
    boards = {"": details.holdout.ensemble}
    boards.update({f"{_key(name)}_": s for name, s in details.holdout.baselines.items()})
    if details.out_of_fold is not None:
        boards["out_of_fold_"] = details.out_of_fold.ensemble
    result: dict[str, float] = {"rows": float(details.holdout.ensemble.rows)}
    for prefix, scores in boards.items():
        for name in ("accuracy", "f1_macro", "f1_weighted", "log_loss", "brier", "ece"):
            result[prefix + name] = float(getattr(scores, name))
    return result | _promise(details)


def _promise(details: LevelDetails) -> dict[str, float]:
    """What a running bot's record is held against: label shares, and the spread of the folds' Brier skill."""
    counts = details.holdout.ensemble.confusion
    total = sum(map(sum, counts))
    result = {f"label_share_{c}": sum(row) / total for c, row in enumerate(counts)} if total else {}
    boards = [fold.scores for fold in details.folds if fold.scores is not None]
    skills = [float(b.baselines["priors"].brier - b.ensemble.brier) for b in boards]
    if skills:
        result |= {
            "folds": float(len(skills)),
            "fold_skill_low": min(skills),
            "fold_skill_mean": sum(skills) / len(skills),
            "fold_skill_high": max(skills),
        }
    return result


def _key(baseline: str) -> str:
    return "baseline_" + baseline.replace(" ", "_")


def _votes_below(plan: Plan, below: LevelResult | None) -> tuple[Probabilities | None, Probabilities | None]:
    if below is None:
        return None, None
    n = len(plan.dataset.labels)
    out = np.full((n, len(plan.dataset.classes)), np.nan)
    for fold in below.folds:
        out[fold.test_rows] = fold.vote
    return out, spread(n, below.plan.tasks[-1].measure, below.holdout_vote)


def _board(
    plan: Plan,
    train: RowNumbers,
    rows: RowNumbers,
    members: Mapping[str, Probabilities],
    vote: Probabilities,
    below: Probabilities | None,
) -> Scoreboard:
    labels, n_classes = plan.dataset.labels[rows], len(plan.dataset.classes)
    seen = plan.dataset.labels[train]
    baselines = {
        "priors": score(labels, priors(seen, len(rows), n_classes)),
        "majority": score(labels, majority(seen, len(rows), n_classes)),
    }
    if below is not None and not np.isnan(below[rows]).any():
        baselines["level below"] = score(labels, below[rows])
    return Scoreboard({name: score(labels, p) for name, p in members.items()}, score(labels, vote), baselines)


def _pooled(plan: Plan, result: LevelResult, below: Probabilities | None) -> Scoreboard | None:
    """All folds together; the baselines of each fold are of that fold's training rows."""
    folds = result.folds
    if not folds:
        return None
    labels, n_classes = plan.dataset.labels, len(plan.dataset.classes)
    rows = np.concatenate([f.test_rows for f in folds])

    def pooled(parts: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        return np.concatenate(parts)

    baselines = {
        "priors": pooled([priors(labels[f.train_rows], len(f.test_rows), n_classes) for f in folds]),
        "majority": pooled([majority(labels[f.train_rows], len(f.test_rows), n_classes) for f in folds]),
    }
    if below is not None and not np.isnan(below[rows]).any():
        baselines["level below"] = below[rows]
    return Scoreboard(
        {name: score(labels[rows], pooled([f.members[name] for f in folds])) for name in result.final},
        score(labels[rows], pooled([f.vote for f in folds])),
        {name: score(labels[rows], p) for name, p in baselines.items()},
    )


def _shown(parameters: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in parameters.items())
