"""What the proof counts, and what it says of the first thing that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ProofCounts", "WrongLeaf"]


@dataclass(frozen=True, slots=True)
class WrongLeaf:
    """A tree and a row where two do not end at the same leaf.

    Attributes:
        member: Name of the member.
        tree: Number of the tree in the member.
        who: Which two disagree.
        expected: Native id of the leaf.
        found: The other id; -1 if it is no leaf of the tree.
    """

    member: str
    tree: int
    who: str
    expected: int
    found: int

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.member}, tree {self.tree}: {self.who}: leaf {self.expected} against {self.found}"


@dataclass(slots=True)
class ProofCounts:
    """Counts, as the proof goes on.

    Attributes:
        leaf_checks: Pairs of a row and a tree whose leaves were compared.
        wrong_leaves: Those that differ.
        first_wrong: The first of them.
        boundary_rows: Rows on a threshold or beside it.
        max_difference: Largest absolute difference of a probability, level against libraries.
        label_changes: Rows, ties apart, whose label differs.
        ties: Rows whose two best classes are nearer to each other than twice the tolerance.
        probability_rows: Rows whose probabilities were compared.
        max_error: Largest absolute difference of a probability, level against sums and links in float64; None
            where a member has no trees.
    """

    leaf_checks: int = 0
    wrong_leaves: int = 0
    first_wrong: WrongLeaf | None = None
    boundary_rows: int = 0
    max_difference: float = 0.0
    label_changes: int = 0
    ties: int = 0
    probability_rows: int = 0
    max_error: float | None = None

    def compare(
        self,
        expected: npt.NDArray[np.integer],
        found: npt.NDArray[np.integer],
        trees: npt.NDArray[np.integer],
        *,
        member: str,
        who: str,
    ) -> None:
        """Compare native ids of leaves, of the same shape; `trees` broadcasts to their tree numbers."""
        self.leaf_checks += expected.size
        wrong = expected != found
        count = int(wrong.sum())
        if count and self.first_wrong is None:
            place = tuple(int(i[0]) for i in np.nonzero(wrong))
            tree = int(np.broadcast_to(trees, expected.shape)[place])
            self.first_wrong = WrongLeaf(member, tree, who, int(expected[place]), int(found[place]))
        self.wrong_leaves += count
