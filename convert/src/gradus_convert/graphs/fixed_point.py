"""Leaves as whole numbers: their sums do not depend on the order in which they are made.

A leaf counts as a whole number of 2^-bits. `bits` is the largest for which no sum of leaves, whatever the row
and whatever the order, comes to 2^52: float64 then holds every partial sum exactly. A graph sums them as
float64 and not as int64: a Cast less, and onnxruntime's CUDA provider sums int64 by way of float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, tree_of_node
from gradus_convert.forest.rounding import LARGEST

__all__ = ["LEAST_BITS", "SUM_BITS", "FixedPoint", "fixed_point", "largest_sum"]

SUM_BITS = 52
"""Sums stay below 2^52 in size."""

LEAST_BITS = 30
"""With fewer fractional bits the rounding of the leaves would show in the probabilities."""

MOST_BITS = 60
"""Tiny leaves need no more: 2^-60 of a margin, or of a probability, is nothing in float32."""


Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class FixedPoint:
    """The outputs of a forest, times a unit, in whole numbers of 2^-bits.

    Attributes:
        bits: What a whole number counts.
        leaves: int64 [L, K], for each row of `Forest.values`. Where K is 1 each is exact in float32: it
            travels in the table of thresholds.
        base: int64 [n_outputs], added to the sums.
        low: int64 [n_outputs], the smallest sum, base included, that leaves can add up to.
        high: int64 [n_outputs], the largest.
    """

    bits: int
    leaves: Int64
    base: Int64
    low: Int64
    high: Int64

    def value(self, whole: Int64) -> Float64:
        """Return what whole numbers stand for; exact."""
        return np.asarray(np.ldexp(whole.astype(np.float64), -self.bits), np.float64)


def fixed_point(
    forest: Forest, unit: float, *, place: str, least_bits: int | None = LEAST_BITS
) -> FixedPoint:
    """Choose the scale of a forest by the worst sum, and round every leaf once.

    Args:
        forest: The forest.
        unit: Multiplies its leaves and its base: what the vote wants to have summed.
        place: How errors name it.
        least_bits: Fractional bits that must be left; None where the sums are the answer, to whose size
            alone their rounding is compared.

    Raises:
        InexactModelError: Its leaves are so large that the worst sum leaves fewer than `least_bits`.
    """
    values, base = forest.values * forest.scale, forest.base
    worst = largest_sum(forest)
    limit = float(LARGEST) if least_bits is None else 2.0 ** (SUM_BITS - 1 - least_bits)
    if not worst < limit:
        why = (
            "float32 can hold the answer" if least_bits is None else f"{least_bits} fractional bits are left"
        )
        raise InexactModelError(
            f"leaves must add up to less than {limit:.7g}, so that {why}",
            place=place,
            value=worst,
            hint='Scale the model\'s outputs down, or use the encoding "treeops", whose last bits may vary.',
        )
    bits = SUM_BITS - 1 - math.frexp(worst * unit)[1]
    if least_bits is not None:
        bits = min(MOST_BITS, bits)
    values = values * unit
    if values.shape[1] == 1:
        values = values.astype(np.float32).astype(np.float64)  # what the table of thresholds can hold
    leaves, start = _whole(values, bits), _whole(base * unit, bits)
    low, high = (_by_output(forest, _by_tree(forest, leaves, pick)) for pick in (np.minimum, np.maximum))
    return FixedPoint(bits, leaves, start, low + start, high + start)


def largest_sum(forest: Forest) -> float:
    """Return the largest sum that leaves and base can come to in any row and any order; may be infinite."""
    with np.errstate(over="ignore"):
        sizes = _by_output(forest, _by_tree(forest, np.abs(forest.values * forest.scale), np.maximum))
        return float((sizes + np.abs(forest.base)).max())


def _whole(values: Float64, bits: int) -> Int64:
    return np.asarray(np.rint(np.ldexp(values, bits)), np.int64)


def _by_output(forest: Forest, by_tree: Array) -> Array:
    """Add one value (or vector) a tree to the outputs that the trees add to: [n_outputs]."""
    if forest.vector_leaves:
        return np.asarray(by_tree.sum(axis=0))
    total = np.zeros(forest.n_outputs, by_tree.dtype)
    np.add.at(total, forest.tree_output, by_tree[:, 0])
    return total


def _by_tree(forest: Forest, values: Array, pick: np.ufunc) -> Array:
    """The largest (or smallest) of the values that the leaves of each tree refer to: [T, K]."""
    tree = tree_of_node(forest)
    leaves = np.flatnonzero(forest.leaf >= 0)
    leaves = leaves[np.argsort(tree[leaves], kind="stable")]
    starts = np.searchsorted(tree[leaves], np.arange(forest.n_trees))
    return np.asarray(pick.reduceat(values[forest.leaf[leaves]], starts, axis=0))
