"""Members that cost the vote: those that are worse than the class priors out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradus_live.statistics import block_test
from gradus_runtime.wording import counted
from gradus_train.evaluation.baselines import priors
from gradus_train.evaluation.evidence import Floats
from gradus_train.training.assemble import LevelResult
from gradus_train.training.prepare import Plan
from gradus_train.training.vote import combine

__all__ = ["MemberCost", "costly_members"]

_LEVEL = 0.005
_BLOCK_BARS = 480
_REACHES = 10
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class MemberCost:
    """A member that is worse than the class priors out of fold.

    Attributes:
        level: Of the member.
        member: Its name.
        rows: Out-of-fold rows.
        loss: Its log loss less that of the priors.
        p: One-sided, over blocks of days.
        without: Log loss of the vote without it less that of the vote; None where it is the only member.
        sentence: All of it for people, with the way out.
    """

    level: str
    member: str
    rows: int
    loss: float
    p: float
    without: float | None
    sentence: str


def costly_members(plan: Plan, results: Sequence[LevelResult]) -> tuple[MemberCost, ...]:
    """Find them; the holdout is not read.

    Args:
        plan: The run.
        results: Its levels.
    """
    found = []
    for result in results:
        if not result.folds:
            continue
        rows = np.concatenate([fold.test_rows for fold in result.folds])
        labels, n_classes = plan.dataset.labels, len(plan.dataset.classes)
        base = np.concatenate(
            [priors(labels[f.train_rows], len(f.test_rows), n_classes) for f in result.folds]
        )
        blocks = _blocks(plan, rows)
        due = _log_of_truth(base, labels[rows])
        vote = _log_of_truth(np.concatenate([f.vote for f in result.folds]), labels[rows])
        for name in result.weights:
            said = np.concatenate([f.members[name] for f in result.folds])
            test = block_test(blocks, due - _log_of_truth(said, labels[rows]))
            if test.mean > 0 and test.p < _LEVEL:
                others = _without(plan, result, name)
                gain = None
                if others is not None:
                    gain = float((vote - _log_of_truth(others, labels[rows])).mean())
                found.append(_cost(result.plan.name, name, len(rows), test.mean, test.p, gain))
    return tuple(found)


def _blocks(plan: Plan, rows: np.ndarray) -> np.ndarray:
    bars = max(_BLOCK_BARS, _REACHES * plan.dataset.rule.reach)
    blocks: np.ndarray = plan.dataset.timestamps[rows] // (bars * plan.dataset.bar_ms)
    return blocks


def _without(plan: Plan, result: LevelResult, name: str) -> Floats | None:
    """Return the out-of-fold vote without a member, the weights of the others as they are."""
    others = [n for n in result.weights if n != name]
    if not others:
        return None
    weights = [result.weights[n] for n in others]
    votes = [combine([f.members[n] for n in others], weights, plan.config.vote.kind) for f in result.folds]
    return np.concatenate(votes)


def _cost(level: str, member: str, rows: int, loss: float, p: float, gain: float | None) -> MemberCost:
    text = f"{level}: {member} is worse than the class priors on {counted(rows, 'out-of-fold row')}: "
    text += f"log loss {loss:+.4f}, p {p:.4f}"
    if gain is not None:
        better = "lower" if gain < 0 else "higher"
        text += f"; without it the vote's is {abs(gain):.4f} {better}. Leave it out: --drop-member {member}"
    return MemberCost(level, member, rows, loss, p, gain, text)


def _log_of_truth(said: Floats, labels: np.ndarray) -> Floats:
    return np.asarray(np.log(np.clip(said[np.arange(len(labels)), labels], _SMALLEST, 1.0)), np.float64)
