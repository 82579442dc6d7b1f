"""A tree operator, read and checked: its forest, and what it makes of the sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest

__all__ = [
    "MOST_NODE_OUTPUTS",
    "Binary",
    "Ensemble",
    "LabelOutput",
    "NodeArrays",
    "Transform",
    "build_forest",
    "refuse",
]

MOST_NODE_OUTPUTS = 50_000_000
"""Nodes times outputs: beyond, an ensemble takes gigabytes to look at."""

Transform = Literal["NONE", "SOFTMAX", "LOGISTIC"]
Binary = Literal["", "first", "second", "both"]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LabelOutput:
    """A classifier's first output.

    Attributes:
        names: int64 or text, by class.
        binary: For two classes, which of them the leaves give weight to; else "".
        positive: Whether no weight is negative: a binary score is then compared with 0.5, else with 0.
    """

    names: npt.NDArray[Any]
    binary: Binary
    positive: bool


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """A tree operator.

    Attributes:
        forest: Its trees; `base` and `scale` as the operator has them.
        nan_right: bool [M], whether NaN goes right at a split.
        transform: Of the sums.
        label: Of a classifier; None for a regressor.
    """

    forest: Forest
    nan_right: Bool
    transform: Transform
    label: LabelOutput | None


@dataclass(frozen=True, slots=True, eq=False)
class NodeArrays:
    """Nodes as an operator numbers them, flat: children are indices, a leaf points at itself.

    `mode` is "BRANCH_LEQ" and so on, "LEAF" at a leaf; `true_if_nan` is `nodes_missing_value_tracks_true`.
    """

    roots: Int64
    mode: npt.NDArray[np.str_]
    feature: Int64
    value: Float32
    if_true: Int64
    if_false: Int64
    true_if_nan: Bool


def refuse(rule: str, place: str, value: object = None, hint: str | None = None) -> InexactModelError:
    """Make the error that says why an operator cannot be rewritten."""
    return InexactModelError(rule, place=place, value=value, hint=hint)


def build_forest(
    nodes: NodeArrays,
    values: npt.NDArray[np.float64],
    scored: Bool,
    *,
    base: npt.NDArray[np.float64],
    average: bool,
    n_features: int,
    place: str,
) -> tuple[Forest, Bool]:
    """Bring every comparison to `x <= threshold goes left`, with the meaning of NaN kept apart.

    For every float32 x but NaN: x < t iff x <= the next float32 below t; x > t iff not x <= t; x >= t iff not
    x < t. For NaN no comparison holds, and `true_if_nan` overrules it.

    Args:
        nodes: Of the operator.
        values: float64 [M, K], what each node gives to each output; 0 at a split.
        scored: bool [M, K], where a leaf names an output at all.
        base: float64 [K].
        average: Divide sums by the number of trees.
        n_features: Columns of a row.
        place: How errors name the operator.

    Returns:
        The forest, and `nan_right`.

    Raises:
        InexactModelError: A mode, a threshold, or the structure has no exact form.
    """
    split = nodes.mode != "LEAF"
    known = np.isin(nodes.mode, ["LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
    if not known.all():
        raise refuse("a node's mode must compare by order", place, str(nodes.mode[~known][0]))
    strict = np.isin(nodes.mode, ["BRANCH_LT", "BRANCH_GTE"])
    swapped = np.isin(nodes.mode, ["BRANCH_GT", "BRANCH_GTE"])
    threshold = np.where(strict, np.nextafter(nodes.value, np.float32(-np.inf)), nodes.value)
    if not np.isfinite(threshold[split]).all():
        raise refuse(
            "every threshold must be finite", place, float(threshold[split & ~np.isfinite(threshold)][0])
        )
    tree = _owners(nodes, split, place)
    outputs = _single_output(scored, tree, split, len(nodes.roots))
    leaves = np.flatnonzero(~split)
    leaf = np.full(len(split), -1)
    leaf[leaves] = np.arange(len(leaves))
    picked = values[leaves] if outputs is None else values[leaves, outputs[tree[leaves]]][:, None]
    forest = Forest(
        roots=nodes.roots.astype(np.int32),
        left=np.where(swapped, nodes.if_false, nodes.if_true).astype(np.int32),
        right=np.where(swapped, nodes.if_true, nodes.if_false).astype(np.int32),
        feature=np.where(split, nodes.feature, -1).astype(np.int32),
        threshold=np.where(split, threshold, 0).astype(np.float32),
        leaf=leaf.astype(np.int32),
        values=picked,
        tree_output=(np.full(len(nodes.roots), -1) if outputs is None else outputs).astype(np.int32),
        base=base,
        n_features=n_features,
        n_outputs=values.shape[1],
        link="identity",
        scale=1.0 / len(nodes.roots) if average else 1.0,
        native_leaf=leaf.astype(np.int64),
    )
    return forest, np.asarray(split & (nodes.true_if_nan == swapped))


def _owners(nodes: NodeArrays, split: Bool, place: str) -> Int64:
    """The tree of each node, level by level from the roots; refuses what is no tree."""
    count = len(split)
    for name in ("if_true", "if_false", "roots"):
        child = getattr(nodes, name)
        if ((child < 0) | (child >= count)).any():
            raise refuse("a child must be a node", place, name)
    if (nodes.feature[split] < 0).any():
        raise refuse("a split's feature must be a column", place, int(nodes.feature[split].min()))
    owner = np.full(count, -1)
    level, trees = nodes.roots, np.arange(len(nodes.roots))
    while len(level):
        if (owner[level] >= 0).any() or len(np.unique(level)) < len(level):
            raise refuse("every node must have one parent, or be one root", place)
        owner[level] = trees
        keep = split[level]
        level, trees = level[keep], np.repeat(trees[keep], 2)
        level = np.stack([nodes.if_true[level], nodes.if_false[level]], axis=1).reshape(-1)
    if (owner < 0).any():
        raise refuse("every node must be reached from a root", place, int(np.flatnonzero(owner < 0)[0]))
    return owner


def _single_output(scored: Bool, tree: Int64, split: Bool, trees: int) -> Int64 | None:
    """The output each tree adds to, or None where some tree adds to several."""
    if scored.shape[1] == 1:
        return np.zeros(trees, np.int64)
    named = np.zeros((trees, scored.shape[1]), np.bool_)
    np.logical_or.at(named, tree[~split], scored[~split])
    return named.argmax(axis=1) if (named.sum(axis=1) <= 1).all() else None
