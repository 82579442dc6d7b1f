"""The rules of a policy: what a row scores, and which action follows.

A row and a table come to the same bits: both add up weight times probability in float64 in the order of the
classes, and neither Python nor numpy's elementwise operators fuse a product with a sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import Manifest, PolicyRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HELD", "PolicyRules", "below_threshold", "rules_of"]

HELD = -1
"""In place of the index of a class: no rule is reached."""

NO_CUTOFF = -math.inf


class PolicyRules:
    """The rules of a policy.

    Args:
        rules: As in the manifest.
        classes: In the order of the probabilities.
        fallback: The action of a row that reaches no threshold.
    """

    def __init__(self, rules: Sequence[PolicyRule], classes: Sequence[str], fallback: str) -> None:
        self._classes = tuple(classes)
        self._fallback = fallback
        self._rules = tuple((self._classes.index(r.action), r.weights, r.threshold) for r in rules)

    def choose(self, probabilities: Sequence[float], cutoff: float | None = None) -> tuple[int, float]:
        """Decide on one row.

        Args:
            probabilities: By class.
            cutoff: What a score must be above, beside reaching its own threshold.

        Returns:
            Index of the class that is answered, `HELD` where no threshold is reached; and the largest score
            among the rules.
        """
        least = NO_CUTOFF if cutoff is None else cutoff
        label, best, top = HELD, NO_CUTOFF, NO_CUTOFF
        for index, weights, threshold in self._rules:
            score = 0.0
            for weight, probability in zip(weights, probabilities):  # noqa: B905  strict takes longer
                score += weight * probability
            if score > top:
                top = score
            if score >= threshold and score > least and score > best:
                label, best = index, score
        return label, top

    def scores(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the score of each row by each rule, float64 [n, rules].

        Args:
            probabilities: [n, C].
        """
        columns = [column.astype(np.float64) for column in probabilities.T]
        found = np.zeros((len(probabilities), len(self._rules)))
        for at, (_, weights, _) in enumerate(self._rules):
            for weight, column in zip(weights, columns, strict=True):
                found[:, at] += weight * column
        return found

    def choose_all(
        self, scores: NDArray[np.float64], cutoffs: NDArray[np.float64] | None = None
    ) -> NDArray[np.intp]:
        """Decide on n rows as `choose` does.

        Args:
            scores: As `scores` returns them.
            cutoffs: float64 [n], as in `choose`; None for none.

        Returns:
            intp [n], indices of classes; `HELD` where no threshold is reached.
        """
        if not len(scores):
            return np.zeros(0, np.intp)
        reached = scores >= np.array([threshold for _, _, threshold in self._rules])
        if cutoffs is not None:
            reached &= scores > cutoffs[:, None]
        best = np.where(reached, scores, NO_CUTOFF).argmax(axis=1)
        labels = np.array([index for index, _, _ in self._rules], np.intp)[best]
        return np.where(reached.any(axis=1), labels, HELD)

    def explain(self, probabilities: Sequence[float], call: int, cutoff: float | None = None) -> str | None:
        """Say why the action is not the most probable class; None where it is.

        Args:
            probabilities: By class.
            call: Index of the most probable class.
            cutoff: As in `choose`.
        """
        label, _ = self.choose(probabilities, cutoff)
        action = self._fallback if label == HELD else self._classes[label]
        called = self._classes[call]
        if action == called:
            return None
        rules = {index: (weights, threshold) for index, weights, threshold in self._rules}
        if label == HELD:
            if call not in rules:
                return f"{called} has no rule in the policy: {action}"
            weights, threshold = rules[call]
            score = math.fsum(w * p for w, p in zip(weights, probabilities, strict=True))
            moves = cutoff is not None and score >= threshold
            bound = f"not above {cutoff:.4g}" if moves else f"below {threshold:.4g}"
            return f"{called} scores {score:.4g}, {bound}: {action}"
        weights, threshold = rules[label]
        score = math.fsum(w * p for w, p in zip(weights, probabilities, strict=True))
        moves = cutoff is not None and cutoff >= threshold
        bound = f"above {cutoff:.4g}" if moves else f"at least {threshold:.4g}"
        return f"{called} is more probable, but {action} scores {score:.4g}, {bound}: {action}"


def below_threshold(call: str, confidence: float, threshold: float, action: str) -> str:
    """Say why a weak call is held."""
    return f"{call} with confidence {confidence:.3f} is below {threshold:.3f}: {action}"


def rules_of(manifest: Manifest) -> PolicyRules | None:
    """Return the rules of a manifest; None where it answers with the most probable class."""
    policy = manifest.policy
    if policy is None:
        return None
    return PolicyRules(policy.rules, manifest.classes, manifest.decision.fallback_action)
