"""The order of service, measured: a level serves first only where it proves itself against the one below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradus_live.statistics import BlockTest, stretch_test
from gradus_runtime.wording import counted
from gradus_train.evaluation.evidence import Said
from gradus_train.training.member import RowNumbers
from gradus_train.training.prepare import Plan

__all__ = ["LevelComparison", "ServiceOrder", "declared_order", "measured_order"]

LEVEL = 0.025
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class LevelComparison:
    """A level against what it must be better than.

    Attributes:
        level: Its name.
        against: The level below that is in service, or "priors".
        rows: Out-of-fold rows that both can serve.
        difference: Log loss of the level minus the other's, as the mean over ten stretches of time.
        low: Lower end of the two-sided 95 % interval; None where there are too few rows.
        high: Upper end.
        p: One-sided.
        in_service: p below 2.5 %.
        sentence: All of that for people.
    """

    level: str
    against: str
    rows: int
    difference: float
    low: float | None
    high: float | None
    p: float
    in_service: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class ServiceOrder:
    """Which level serves a row that several could serve.

    Attributes:
        kind: "measured", or "declared": all levels in the order of the feature order.
        levels: Those in service, the first to be asked first.
        others: Those that serve only what nothing in service can, in the order of the feature order.
        proofs: What was measured, the lowest level first.
    """

    kind: str
    levels: tuple[str, ...]
    others: tuple[str, ...]
    proofs: tuple[LevelComparison, ...]


def declared_order(measured: ServiceOrder, names: Sequence[str]) -> ServiceOrder:
    """Return the order of the feature order, with what was measured beside it."""
    return ServiceOrder("declared", tuple(names), (), measured.proofs)


def measured_order(plan: Plan, said: Mapping[str, Said]) -> ServiceOrder:
    """Measure the order of service on out-of-fold rows; the holdout is not read.

    The lowest level must be better than the class shares of its training rows, and each higher one better
    than the highest below that is in service, on the rows that both can serve. The burden is on the higher
    level.

    Args:
        plan: The run.
        said: What each level said, in the order of the feature order, highest first.
    """
    out_of_fold = np.zeros(len(plan.dataset.labels), dtype=np.bool_)
    for fold in plan.timeline.folds:
        out_of_fold[fold.test] = True
    names = list(said)
    serving: list[str] = []
    proofs = []
    for name in reversed(names):
        level = said[name]
        against = serving[0] if serving else "priors"
        other = said[against].probabilities if serving else level.priors
        rows = np.flatnonzero(out_of_fold & level.known & ~np.isnan(other[:, 0]))
        proof = _proof(plan, name, against, rows, level.probabilities, other)
        proofs.append(proof)
        if proof.in_service:
            serving.insert(0, name)
    others = tuple(n for n in names if n not in serving)
    return ServiceOrder("measured", tuple(serving), others, tuple(proofs))


def _proof(
    plan: Plan, name: str, against: str, rows: RowNumbers, mine: np.ndarray, theirs: np.ndarray
) -> LevelComparison:
    labels = plan.dataset.labels[rows]
    gain = np.log(np.maximum(mine[rows, labels], _SMALLEST) / np.maximum(theirs[rows, labels], _SMALLEST))
    test: BlockTest = stretch_test(gain)
    proved = test.p < LEVEL
    low, high = test.bounds(0.95)
    known = bool(np.isfinite(low))
    whom = "the class priors" if against == "priors" else against
    words = f"{name} is {'' if proved else 'not '}better than {whom} on {counted(len(rows), 'row')}"
    if known:
        words += f": difference in log loss {-test.mean:+.4f}, 95 % {-high:+.4f} to {-low:+.4f}"
    else:
        words += ", which are too few to tell"
    return LevelComparison(
        level=name,
        against=against,
        rows=len(rows),
        difference=-test.mean,
        low=-high if known else None,
        high=-low if known else None,
        p=test.p,
        in_service=proved,
        sentence=words,
    )
