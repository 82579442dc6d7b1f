"""From nodes with gaps to a forest: splits that send every row right, and what no root leads to, left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest, columns_used
from gradus_convert.forest.rounding import LARGEST
from gradus_convert.forest.views import FilledView, MissingView, View, nan_alone, ordered

__all__ = ["Nodes", "for_finite_rows", "kept", "restrict", "with_views"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The nodes of some trees.

    Attributes:
        roots: int64 [T].
        left: int64 [M]; a leaf points at itself.
        right: int64 [M]; a leaf points at itself.
        split: bool [M].
    """

    roots: Int64
    left: Int64
    right: Int64
    split: Bool


def kept(nodes: Nodes, only_right: Bool) -> tuple[Nodes, Int64]:
    """Replace splits by their right children where `only_right`, and leave out what is not reached.

    Returns:
        The nodes left, numbered anew in their own order, and the old number of each.
    """
    here = np.arange(len(nodes.split))
    stands_for = _skip(np.where(nodes.split & only_right, nodes.right, here))
    left, right, roots = stands_for[nodes.left], stands_for[nodes.right], stands_for[nodes.roots]
    old = _reachable(roots, left, right, nodes.split)
    number = np.full(len(here), -1, np.int64)
    number[old] = np.arange(len(old))
    return Nodes(number[roots], number[left[old]], number[right[old]], nodes.split[old]), old


def _skip(stands_for: Int64) -> Int64:
    """Follow replacements to their end."""
    while True:
        further = stands_for[stands_for]
        if (further == stands_for).all():
            return stands_for
        stands_for = further


def _reachable(roots: Int64, left: Int64, right: Int64, split: Bool) -> Int64:
    """Nodes that a root leads to, in their own order."""
    seen = np.zeros(len(split), bool)
    frontier = roots
    while len(frontier):
        seen[frontier] = True
        parents = frontier[split[frontier]]
        frontier = np.concatenate([left[parents], right[parents]])
        frontier = frontier[~seen[frontier]]
    return np.flatnonzero(seen)


def with_views(forest: Forest, views: tuple[View, ...]) -> Forest:
    """Return the same forest with other views around those it looks at.

    Raises:
        KeyError: A view that it looks at is not among them.
    """
    number = {view: forest.n_features + i for i, view in enumerate(views)}
    used = set(columns_used(forest.feature).tolist())
    column = np.arange(-1, forest.n_columns)
    for i, view in enumerate(forest.views, forest.n_features):
        column[i + 1] = number[view] if i in used else -1
    return replace(forest, feature=column[forest.feature + 1].astype(np.int32), views=views)


def for_finite_rows(forest: Forest, infinite: Bool | None = None) -> Forest:
    """Return the forest for rows without infinities: no infinite threshold is left where none is of use.

    A split that sends every number right is replaced by its right child; where every one goes left, the
    threshold becomes the largest float32. Views that are not looked at any more are left out.

    Args:
        forest: The forest.
        infinite: bool [n_features], where a row may be infinite all the same.
    """
    open_ = np.zeros(forest.n_features, np.bool_) if infinite is None else infinite
    infinite_fill = np.array([isinstance(v, FilledView) and np.isinf(v.fill) for v in forest.views], np.bool_)
    closed = ~open_[forest.sources] & ~np.append(np.zeros(forest.n_features, np.bool_), infinite_fill)
    here = closed[np.maximum(forest.feature, 0)] & (forest.feature >= 0)
    threshold = np.where(here & np.isposinf(forest.threshold), LARGEST, forest.threshold)
    return _pruned(forest, forest.feature, threshold, here & np.isneginf(threshold))


def restrict(forest: Forest, missing: Bool) -> Forest:
    """Return the forest for rows that are finite, but for NaN in some columns.

    There it gives the same leaves. Views of the other columns are needed only for categories, and where a
    number counts as missing.

    Args:
        forest: The forest.
        missing: bool [n_features], where a row may be NaN.
    """
    column = np.arange(forest.n_columns)
    all_left, all_right = np.zeros((2, forest.n_columns), np.bool_)
    for i, view in enumerate(forest.views, forest.n_features):
        if missing[view.column] or not nan_alone(view):
            continue
        if isinstance(view, FilledView):
            column[i] = view.column
        elif isinstance(view, MissingView):
            column[i] = view.column
            (all_left if view.value else all_right)[i] = True
    at, split = np.maximum(forest.feature, 0), forest.feature >= 0
    threshold = np.where(split & all_left[at], np.float32(np.inf), forest.threshold)
    threshold = np.where(split & all_right[at], np.float32(-np.inf), threshold)
    feature = np.where(split, column[at], -1)
    return for_finite_rows(replace(forest, feature=feature, threshold=threshold))


def _pruned(forest: Forest, feature: npt.NDArray[np.integer], threshold: Float32, only_right: Bool) -> Forest:
    before = Nodes(
        forest.roots.astype(np.int64),
        forest.left.astype(np.int64),
        forest.right.astype(np.int64),
        forest.feature >= 0,
    )
    nodes, old = kept(before, only_right)
    used = [i for i in columns_used(feature[old]).tolist() if i >= forest.n_features]
    views = ordered([forest.views[i - forest.n_features] for i in used])
    leaf = forest.leaf[old]
    number = np.cumsum(~nodes.split) - 1
    return with_views(
        replace(
            forest,
            roots=nodes.roots.astype(np.int32),
            left=nodes.left.astype(np.int32),
            right=nodes.right.astype(np.int32),
            feature=feature[old].astype(np.int32),
            threshold=threshold[old],
            leaf=np.where(nodes.split, -1, number).astype(np.int32),
            values=forest.values[leaf[~nodes.split]],
            native_leaf=forest.native_leaf[old],
        ),
        views,
    )
