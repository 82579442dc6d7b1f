"""From one table of nodes a tree to a Forest: what every reader shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link
from gradus_convert.forest.pruning import Nodes, for_finite_rows, kept
from gradus_convert.forest.views import LEFT_OF, FilledView, MissingView, View, ViewTable

__all__ = ["NodeTable", "assemble", "check_classes", "default_sides"]


@dataclass(frozen=True, slots=True, eq=False)
class NodeTable:
    """The n nodes of one tree; node 0 is the root.

    Attributes:
        left: int [n], child of `x <= threshold`; anything at a leaf.
        right: int [n], the other child.
        feature: int [n]; below 0 at a leaf.
        threshold: float32 [n]; NaN where nothing goes left.
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
    views: tuple[View, ...] = (),
    infinite: npt.NDArray[np.bool_] | None = None,
) -> Forest:
    """Join trees into a forest, nodes in their own order, unreachable nodes left out.

    A split that sends every row to the right is replaced by its right child: one whose threshold is NaN, and
    in columns without infinities one whose threshold is -inf.

    Args:
        trees: At least one.
        base: As in `Forest`.
        n_features: As in `Forest`.
        n_outputs: As in `Forest`.
        link: As in `Forest`.
        scale: As in `Forest`.
        views: What features from n_features on name.
        infinite: bool [n_features], where a row may be infinite; by default nowhere.

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
    whole = Nodes(starts.astype(np.int64), left, right, split)
    tree, old = kept(whole, split & np.isnan(threshold))
    native = np.concatenate([t.native_leaf for t in trees]).astype(np.int64)[old]
    values = np.concatenate([t.values for t in trees])[old]
    forest = Forest(
        roots=tree.roots.astype(np.int32),
        left=tree.left.astype(np.int32),
        right=tree.right.astype(np.int32),
        feature=np.where(tree.split, feature[old], -1).astype(np.int32),
        threshold=np.where(tree.split, threshold[old], np.float32(0)),
        leaf=np.where(tree.split, -1, np.cumsum(~tree.split) - 1).astype(np.int32),
        values=values[~tree.split],
        tree_output=np.array([t.output for t in trees], np.int32),
        base=np.asarray(base, np.float64),
        n_features=n_features,
        n_outputs=n_outputs,
        link=link,
        scale=scale,
        native_leaf=np.where(tree.split, -1, native),
        views=views,
    )
    return for_finite_rows(forest, infinite)


def check_classes(n_classes: int, place: str) -> None:
    """Refuse a classifier of fewer than two classes.

    Raises:
        InexactModelError: It has fewer.
    """
    if n_classes < 2:
        raise InexactModelError("a classifier must have two classes or more", place=place, value=n_classes)


def default_sides(
    table: ViewTable,
    feature: npt.NDArray[np.integer],
    threshold: npt.NDArray[np.float32],
    default_left: npt.NDArray[np.bool_],
    *,
    low: float = float("inf"),
    high: float = float("-inf"),
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Send missing values of numeric splits to their side, by views.

    Args:
        table: Views are added to.
        feature: int [n], columns of the row.
        threshold: float32 [n]: a number goes left iff it is at most that; NaN where none does.
        default_left: bool [n], the side of missing values.
        low: A number from `low` to `high` is missing, too.
        high: See `low`.

    Returns:
        The columns and thresholds of splits with the same sides for every row.
    """
    none_left, all_left = np.isnan(threshold), np.isposinf(threshold)
    alone = np.where(default_left, none_left, all_left)  # NaN on one side, everything else on the other
    at = np.where(alone, LEFT_OF, threshold)
    keys = np.stack([feature, alone, default_left], axis=1).astype(np.int64)
    kinds, which = np.unique(keys, axis=0, return_inverse=True)
    views: list[View] = []
    for column, apart, left in kinds.tolist():
        if apart:
            views.append(MissingView(column, 0 if left else 1, low, high))
        else:
            views.append(FilledView(column, float("-inf") if left else float("inf"), low, high))
    return table.columns(views, which.reshape(-1)), at.astype(np.float32)
