"""The bits that a level must give, without onnxruntime: the interpreter, whole sums, the vote in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, Walker, outputs, probabilities
from gradus_convert.graphs import VotingMember
from gradus_convert.graphs.exact_vote import exact_answers, exact_ballots
from gradus_convert.graphs.plan import column_order
from gradus_convert.graphs.types import Vote
from gradus_convert.parity.native_votes import MemberAnswers, native_vote

__all__ = ["BitOracle", "check_bits", "different_bits", "whole_sums"]

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_TIE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    voting: VotingMember
    forest: Forest
    walker: Walker


class BitOracle:
    """Says what a level of trees answers: to the bit, and in plain float64.

    Args:
        members: Of the level; all are forests.
        n_classes: Of the level.
        vote: "soft" or "hard".
        temperature: Of the level; None for none.
    """

    def __init__(
        self,
        members: Sequence[VotingMember],
        n_classes: int,
        vote: Vote,
        temperature: float | None = None,
    ) -> None:
        trees = [_Member(m, m.model, Walker(m.model)) for m in members if isinstance(m.model, Forest)]
        if len(trees) != len(members):
            raise ValueError("a member without trees has no exact bits")
        self._members = [trees[i] for i in column_order([m.forest for m in trees])]
        self._ballots = exact_ballots([(m.voting, m.forest) for m in self._members], vote)
        self._n_classes, self._vote, self._temperature = n_classes, vote, temperature

    def leaves(self, X: Float32) -> list[Int32]:
        """Return the node that each tree of each member ends at: int32 [N, T], in the order of the sums."""
        return [m.walker.leaves(X) for m in self._members]

    def bits(self, leaves: Sequence[Int32]) -> Float32:
        """Return the probabilities that the compiled level must give, float32 [N, C]."""
        sums = [
            whole_sums(m.forest, b.fixed.leaves, nodes)
            for m, b, nodes in zip(self._members, self._ballots, leaves, strict=True)
        ]
        return exact_answers(
            sums, self._ballots, self._n_classes, vote=self._vote, temperature=self._temperature
        )

    def error(self, leaves: Sequence[Int32], answers: npt.NDArray[np.generic]) -> float:
        """Return how far answers [N, C] are from sums and links in float64; in a hard vote, ties apart."""
        said = [
            probabilities(m.forest, outputs(m.forest, nodes))
            for m, nodes in zip(self._members, leaves, strict=True)
        ]
        ballots = [
            MemberAnswers(p, m.voting.classes, m.voting.weight)
            for p, m in zip(said, self._members, strict=True)
        ]
        expected, ties = native_vote(ballots, self._n_classes, self._vote, _TIE, self._temperature)
        difference = np.abs(answers.astype(np.float64) - expected).max(axis=1)
        return float((difference[~ties] if self._vote == "hard" else difference).max(initial=0.0))


def whole_sums(forest: Forest, whole: Int64, nodes: Int32) -> Int64:
    """Sum whole leaves [L, K] of the nodes [N, T] that rows end at: int64 [N, n_outputs], without base."""
    total = np.zeros((len(nodes), forest.n_outputs), np.int64)
    for tree, output in enumerate(forest.tree_output):
        value = whole[forest.leaf[nodes[:, tree]]]
        if output < 0:
            total += value
        else:
            total[:, output] += value[:, 0]
    return total


def different_bits(expected: Float32, found: npt.NDArray[np.generic]) -> int:
    """Count the numbers whose 32 bits differ; +0.0 and -0.0 do."""
    same_type = np.ascontiguousarray(found, np.float32)
    return int((same_type.view(np.uint32) != expected.view(np.uint32)).sum())


def check_bits(expected: Float32, found: npt.NDArray[np.generic], *, place: str) -> None:
    """Hold answers, both [N, C], to the expected bits.

    Raises:
        ParityError: A bit differs.
    """
    wrong = different_bits(expected, found)
    if wrong:
        raise ParityError(
            "every probability must have the 32 bits of the sums in whole numbers",
            place=place,
            value=f"{wrong} of {expected.size} differ",
            hint="Report it, with the model, the processor and the version of onnxruntime.",
        )
