"""The members' vote: their weighted probabilities, and weights fitted to out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradus_train.training.member import Probabilities, RowNumbers

__all__ = ["combine", "optimal_weights"]

_STEPS = 200
_DIGITS = 6
_LEAST = 4e-6


def combine(members: Sequence[Probabilities], weights: Sequence[float], kind: str) -> Probabilities:
    """Return the vote of members.

    Args:
        members: Probabilities of each, float64 [N, C]; NaN rows give NaN rows.
        weights: Positive, one a member; they are taken relative to their sum.
        kind: "soft": weighted mean of probabilities; "hard": weighted share of the members whose highest
            class it is (the lowest class index where two are equal).

    Returns:
        float64 [N, C].
    """
    total = float(sum(weights))
    result = np.zeros_like(members[0])
    for weight, p in zip(weights, members, strict=True):
        said = p
        if kind == "hard":
            missing = np.asarray(np.isnan(p).any(axis=1))
            said = np.eye(p.shape[1])[np.where(missing[:, None], 0.0, p).argmax(axis=1)]
            said[missing] = np.nan
        result += (weight / total) * said
    return result


def optimal_weights(members: Sequence[Probabilities], labels: RowNumbers) -> tuple[float, ...]:
    """Fit weights of a soft vote: those with the least log loss.

    The log loss is convex in the weights, and expectation-maximisation for mixture weights (Dempster, Laird
    and Rubin, 1977) goes down at every step and stays on the simplex.

    Args:
        members: Probabilities of each, float64 [N, C], of rows that none of them was fitted on.
        labels: Class indices, int64 [N].

    Returns:
        Weights that sum to 1, rounded to 6 digits; at least 4e-6 each: a member without weight has no vote,
        and one with less than 2^-18 of all has no exact form in a graph.
    """
    said: npt.NDArray[np.float64] = np.column_stack([p[np.arange(len(labels)), labels] for p in members])
    said = np.maximum(said, 1e-15)
    weights = np.full(len(members), 1.0 / len(members))
    for _ in range(_STEPS):
        share = said * weights
        weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    return tuple(max(round(float(w), _DIGITS), _LEAST) for w in weights)
