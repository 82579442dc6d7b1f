"""The level's vote, by the libraries' own probabilities, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.manifest.calibration import at_temperature

__all__ = ["MemberAnswers", "native_vote"]

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MemberAnswers:
    """What one member says of N rows.

    Attributes:
        probabilities: float64 [N, k].
        classes: The level's class of each of the k columns.
        weight: Positive.
    """

    probabilities: Float64
    classes: tuple[int, ...]
    weight: float


def native_vote(
    ballots: Sequence[MemberAnswers],
    n_classes: int,
    vote: str,
    tolerance: float,
    temperature: float | None = None,
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """Weigh the members' probabilities ("soft") or their decisions ("hard"); then a temperature, if any.

    Returns:
        Probabilities float64 [N, C], and which rows are ties: their two best classes, or in a hard vote those
        of a member, are nearer than twice the tolerance.
    """
    total = np.zeros((len(ballots[0].probabilities), n_classes))
    ties = np.zeros(len(total), bool)
    for b in ballots:
        said = b.probabilities
        if vote == "hard":
            ties |= _close(said, tolerance)
            said = np.eye(said.shape[1])[said.argmax(axis=1)]
        total[:, list(b.classes)] += b.weight * said
    total /= sum(b.weight for b in ballots)
    if temperature is not None:
        total = at_temperature(total, temperature)
    return total, ties | _close(total, tolerance)


def _close(p: Float64, tolerance: float) -> npt.NDArray[np.bool_]:
    best = np.sort(p, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0] <= 2 * tolerance)
