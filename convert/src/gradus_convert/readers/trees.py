"""From one table of nodes a tree to a Forest: what every reader shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link

__all__ = ["NodeTable", "assemble", "check_classes"]


@dataclass(frozen=True, slots=True, eq=False)
class NodeTable:
    """The n nodes of one tree; node 0 is the root.

    Attributes:
        left: int [n], child of `x <= threshold`; anything at a leaf.
        right: int [n], the other child.
        feature: int [n]; below 0 at a leaf.
        threshold: float32 [n], no NaN; -inf where nothing goes left.
        values: float64 [n, K], read at leaves alone.
        native_leaf: int [n], the library's name of a leaf; read at leaves alone.
        output: The output the tree adds to; -1 for vector leaves.
    """

    left: npt.NDArray[np.integer]
    right: npt.NDArray[np.integer]
    feature: npt.NDArray[np.integer]
    threshold: npt.NDArray[np.float32]
    values: npt.NDArray[np.float64]
    native_leaf: npt.NDArray[np.integer]
    output: int


def assemble(
    trees: Sequence[NodeTable],
    *,
    base: npt.ArrayLike,
    n_features: int,
    n_outputs: int,
    link: Link,
    scale: float = 1.0,
) -> Forest:
    """Join trees into a forest, nodes in their own order, unreachable nodes left out.

    A split whose threshold is -inf, which sends every row to the right, is replaced by its right child.

    Raises:
        InexactModelError: There is no tree, or the nodes break a rule of the IR.
    """
    if not trees:
        raise InexactModelError("a model must have at least one tree", place="model")
    sizes = [len(t.feature) for t in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    feature = np.concatenate([t.feature for t in trees]).astype(np.int64)
    threshold = np.concatenate([t.threshold for t in trees]).astype(np.float32)
    left = np.concatenate([t.left + s for t, s in zip(trees, starts, strict=True)]).astype(np.int64)
    right = np.concatenate([t.right + s for t, s in zip(trees, starts, strict=True)]).astype(np.int64)
    nodes = np.arange(len(feature))
    split = feature >= 0
    left, right = np.where(split, left, nodes), np.where(split, right, nodes)
    stands_for = _skip(np.where(split & np.isneginf(threshold), right, nodes))
    left, right, roots = stands_for[left], stands_for[right], stands_for[starts]
    kept = _reachable(roots, left, right, split)
    number = np.full(len(feature), -1, np.int64)
    number[kept] = np.arange(len(kept))
    split = split[kept]
    row = np.where(split, -1, np.cumsum(~split) - 1)
    native = np.concatenate([t.native_leaf for t in trees]).astype(np.int64)[kept]
    values = np.concatenate([t.values for t in trees])[kept]
    return Forest(
        roots=number[roots].astype(np.int32),
        left=number[left[kept]].astype(np.int32),
        right=number[right[kept]].astype(np.int32),
        feature=np.where(split, feature[kept], -1).astype(np.int32),
        threshold=np.where(split, threshold[kept], np.float32(0)),
        leaf=row.astype(np.int32),
        values=values[~split],
        tree_output=np.array([t.output for t in trees], np.int32),
        base=np.asarray(base, np.float64),
        n_features=n_features,
        n_outputs=n_outputs,
        link=link,
        scale=scale,
        native_leaf=np.where(split, -1, native),
    )


def _skip(stands_for: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Follow replacements to their end."""
    while True:
        further = stands_for[stands_for]
        if (further == stands_for).all():
            return stands_for
        stands_for = further


def _reachable(
    roots: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    split: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int64]:
    """Nodes that a root leads to, in their own order."""
    seen = np.zeros(len(split), bool)
    frontier = roots
    while len(frontier):
        seen[frontier] = True
        parents = frontier[split[frontier]]
        frontier = np.concatenate([left[parents], right[parents]])
        frontier = frontier[~seen[frontier]]
    return np.flatnonzero(seen)


def check_classes(n_classes: int, place: str) -> None:
    """Refuse a classifier of fewer than two classes.

    Raises:
        InexactModelError: It has fewer.
    """
    if n_classes < 2:
        raise InexactModelError("a classifier must have two classes or more", place=place, value=n_classes)
