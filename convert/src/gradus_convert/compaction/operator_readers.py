"""Readers of the tree operators of ai.onnx.ml: all is checked before anything is built from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from gradus_convert.compaction.attributes import Attributes, is_average, transform_of
from gradus_convert.compaction.operator5 import read_tree_ensemble
from gradus_convert.compaction.tree_operator import (
    MOST_NODE_OUTPUTS,
    Binary,
    Ensemble,
    LabelOutput,
    NodeArrays,
    build_forest,
    refuse,
)
from gradus_runtime.wording import counted

__all__ = ["TREE_OPERATORS", "read_operator"]

TREE_OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")

_Array = npt.NDArray[Any]


def read_operator(node: onnx.NodeProto, n_features: int, *, place: str) -> Ensemble:
    """Read a tree operator, or refuse it by the rule it breaks.

    Args:
        node: Of one of `TREE_OPERATORS`.
        n_features: Columns of its input; 0 where the file does not say.
        place: How errors name it.

    Raises:
        InexactModelError: It has no exact form, or is malformed.
    """
    attributes = Attributes(node, place)
    if node.op_type == "TreeEnsemble":
        return read_tree_ensemble(attributes, n_features)
    nodes, keys = _version3_nodes(attributes)
    width = max(n_features, int(nodes.feature.max(initial=0)) + 1)
    if node.op_type == "TreeEnsembleRegressor":
        return _regressor(attributes, nodes, keys, width)
    return _classifier(attributes, nodes, keys, width)


def _version3_nodes(a: Attributes) -> tuple[NodeArrays, dict[tuple[int, int], int]]:
    """The nodes, and the place of each by (tree, node)."""
    mode = np.array(a.words("nodes_modes"), dtype=np.str_)
    count = len(mode)
    if not count:
        raise refuse("an ensemble must have a node", a.place)
    trees = a.array("nodes_treeids", np.int64, count).tolist()
    ids = a.array("nodes_nodeids", np.int64, count).tolist()
    keys = {key: i for i, key in enumerate(zip(trees, ids, strict=True))}
    if len(keys) != count:
        raise refuse("a node's id must occur once in its tree", a.place)
    leaf = mode == "LEAF"
    children = {}
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        targets = a.array(name, np.int64, count).tolist()
        found = np.array([keys.get(key, -1) for key in zip(trees, targets, strict=True)], np.int64)
        children[name] = np.where(leaf, np.arange(count), found)
    is_child = np.zeros(count + 1, np.bool_)
    for child in children.values():
        is_child[child[~leaf]] = True
    roots = np.flatnonzero(~is_child[:count])
    if len({trees[r] for r in roots}) != len(roots) or len(roots) != len(set(trees)):
        raise refuse("a tree must have one root", a.place, len(roots))
    tracks = a.array("nodes_missing_value_tracks_true", np.int64)
    if len(tracks) not in (0, count):
        entries = counted(count, "entry", "entries")
        raise refuse(f"nodes_missing_value_tracks_true must have {entries}", a.place, len(tracks))
    return (
        NodeArrays(
            roots=roots,
            mode=mode,
            feature=np.where(leaf, -1, a.array("nodes_featureids", np.int64, count)),
            value=a.array("nodes_values", np.float32, count),
            if_true=children["nodes_truenodeids"],
            if_false=children["nodes_falsenodeids"],
            true_if_nan=(tracks if len(tracks) else np.zeros(count)) != 0,
        ),
        keys,
    )


def _scores(
    a: Attributes, nodes: NodeArrays, keys: dict[tuple[int, int], int], kind: str, outputs: int
) -> tuple[_Array, _Array]:
    """What each node gives to each output: float64 [M, outputs], and where it names one."""
    weights = a.array(f"{kind}_weights", np.float32)
    count = len(weights)
    trees = a.array(f"{kind}_treeids", np.int64, count).tolist()
    ids = a.array(f"{kind}_nodeids", np.int64, count).tolist()
    targets = a.array(f"{kind}_ids", np.int64, count)
    if count and (targets.min() < 0 or targets.max() >= outputs):
        raise refuse(f"{kind}_ids must be below {outputs}", a.place, int(targets.max()))
    rows = np.array([keys.get(key, -1) for key in zip(trees, ids, strict=True)], np.int64)
    if count and (rows.min() < 0 or (nodes.mode[rows] != "LEAF").any()):
        raise refuse(f"{kind}_nodeids must name leaves", a.place)
    if not np.isfinite(weights).all():
        raise refuse(f"{kind}_weights must be finite", a.place)
    values = np.zeros((len(nodes.mode), outputs))
    scored = np.zeros(values.shape, np.bool_)
    np.add.at(values, (rows, targets), weights.astype(np.float64))
    scored[rows, targets] = True
    return values, scored


def _outputs(count: int, nodes: NodeArrays, place: str) -> int:
    if not 1 <= count <= MOST_NODE_OUTPUTS // len(nodes.mode):
        raise refuse(f"nodes times outputs must be 1 to {MOST_NODE_OUTPUTS}", place, (len(nodes.mode), count))
    return count


def _regressor(a: Attributes, nodes: NodeArrays, keys: dict[tuple[int, int], int], width: int) -> Ensemble:
    outputs = _outputs(a.number("n_targets", 1), nodes, a.place)
    base = a.array("base_values", np.float32)
    if len(base) not in (0, outputs):
        raise refuse(f"base_values must have {counted(outputs, 'entry', 'entries')}", a.place, len(base))
    values, scored = _scores(a, nodes, keys, "target", outputs)
    forest, right = build_forest(
        nodes,
        values,
        scored,
        base=base.astype(np.float64) if len(base) else np.zeros(outputs),
        average=is_average(a.word("aggregate_function", "SUM"), a.place),
        n_features=width,
        place=a.place,
    )
    transform = transform_of(a.word("post_transform", "NONE"), a.place)
    if transform != "NONE" and outputs == 1:
        raise refuse(
            "post_transform of a single target must be NONE",
            a.place,
            transform,
            "ONNX applies it, onnxruntime does not.",
        )
    return Ensemble(forest, right, transform, None)


def _classifier(a: Attributes, nodes: NodeArrays, keys: dict[tuple[int, int], int], width: int) -> Ensemble:
    texts, numbers = a.words("classlabels_strings"), a.array("classlabels_int64s", np.int64)
    names = np.array(texts, dtype=object) if texts else numbers
    outputs = _outputs(len(names), nodes, a.place)
    values, scored = _scores(a, nodes, keys, "class", outputs)
    base = a.array("base_values", np.float32)
    binary = _binary(outputs, scored, len(base), a.place)
    if not binary and not (len(base) == outputs or _every_class_scored(nodes, scored)):
        raise refuse("every class must get a score in every row", a.place)
    if binary == "first":
        values, scored = values[:, :1], scored[:, :1]
    elif binary == "second":
        values, scored = values[:, 1:], scored[:, 1:]
    weights = a.array("class_weights", np.float32)
    forest, right = build_forest(
        nodes,
        values,
        scored,
        base=base.astype(np.float64) if len(base) else np.zeros(values.shape[1]),
        average=False,
        n_features=width,
        place=a.place,
    )
    label = LabelOutput(names, binary, bool((weights >= 0).all()))
    return Ensemble(forest, right, transform_of(a.word("post_transform", "NONE"), a.place), label)


def _binary(outputs: int, scored: _Array, base: int, place: str) -> Binary:
    """What onnxruntime does with two classes depends on which of them the leaves name."""
    if outputs < 2:
        raise refuse("a classifier must have two classes", place, outputs)
    if outputs > 2:
        if base not in (0, outputs):
            raise refuse(f"base_values must have {counted(outputs, 'entry', 'entries')}", place, base)
        return ""
    first, second = (bool(scored[:, k].any()) for k in (0, 1))
    allowed = (0, 1) if first and not second else (0,)
    if base not in allowed:
        raise refuse("base_values of two classes must have one clear meaning", place, base)
    if first and second:
        return "both"
    return "first" if first else "second"


def _every_class_scored(nodes: NodeArrays, scored: _Array) -> bool:
    """Whether all leaves of some tree name each class: onnxruntime passes over a class without a score."""
    leaf = nodes.mode == "LEAF"
    owner = np.full(len(leaf), -1)
    level, trees = nodes.roots, np.arange(len(nodes.roots))
    for _ in range(len(leaf)):
        owner[level] = trees
        keep = ~leaf[level]
        level, trees = level[keep], np.repeat(trees[keep], 2)
        level = np.stack([nodes.if_true[level], nodes.if_false[level]], axis=1).reshape(-1)
        if not len(level) or level.min() < 0 or len(level) > len(leaf):
            break
    always = np.ones((len(nodes.roots), scored.shape[1]), np.bool_)
    reached = leaf & (owner >= 0)
    np.logical_and.at(always, owner[reached], scored[reached])
    return bool(always.any(axis=0).all())
