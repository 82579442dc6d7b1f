"""Reader of `TreeEnsemble`, the tree operator of ai.onnx.ml 5."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_convert.compaction.attributes import AGGREGATES, TRANSFORMS, Attributes, is_average
from gradus_convert.compaction.tree_operator import (
    MOST_NODE_OUTPUTS,
    Ensemble,
    NodeArrays,
    build_forest,
    refuse,
)
from gradus_runtime.wording import counted

__all__ = ["read_tree_ensemble"]

_MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
Int64 = npt.NDArray[np.int64]


def read_tree_ensemble(a: Attributes, n_features: int) -> Ensemble:
    """Read the operator. Splits and leaves are numbered apart there; here the leaves follow the splits.

    A tree of one leaf is written there as a split with that leaf on both sides: here the leaf is copied.

    Args:
        a: Its attributes.
        n_features: Columns of its input; 0 where the file does not say.

    Raises:
        InexactModelError: It has no exact form, or is malformed.
    """
    modes, weights = a.array("nodes_modes", np.int64), a.array("leaf_weights", np.float32)
    splits, leaves = len(modes), len(weights)
    if not splits or modes.min() < 0 or modes.max() >= len(_MODES):
        raise refuse("nodes_modes must be numbers of modes", a.place)
    if not np.isfinite(weights).all():
        raise refuse("leaf_weights must be finite", a.place)
    if_true, if_false = (_children(a, side, splits, leaves) for side in ("true", "false"))
    both = np.flatnonzero(if_true == if_false)
    copied = if_true[both] - splits
    if (copied < 0).any():
        raise refuse("every node must have one parent, or be one root", a.place)
    if_false[both] = splits + leaves + np.arange(len(both))
    picked = np.append(np.arange(leaves), copied)
    values, scored = _scores(a, weights, picked, splits)
    pad, selves = np.full(len(picked), -1), np.arange(splits, splits + len(picked))
    nodes = NodeArrays(
        roots=a.array("tree_roots", np.int64),
        mode=np.append(np.array(_MODES)[modes], np.full(len(picked), "LEAF")),
        feature=np.append(a.array("nodes_featureids", np.int64, splits), pad),
        value=np.append(a.array("nodes_splits", np.float32, splits), np.zeros(len(picked), np.float32)),
        if_true=np.append(if_true, selves),
        if_false=np.append(if_false, selves),
        true_if_nan=np.append(_tracks(a, splits), np.zeros(len(picked), np.bool_)),
    )
    forest, right = build_forest(
        nodes,
        values,
        scored,
        base=np.zeros(values.shape[1]),
        average=is_average(_named(a, "aggregate_function", 1, AGGREGATES), a.place),
        n_features=max(n_features, int(nodes.feature.max()) + 1),
        place=a.place,
    )
    transform = _named(a, "post_transform", 0, TRANSFORMS)
    if transform != "NONE":
        raise refuse(
            "post_transform of a TreeEnsemble must be NONE",
            a.place,
            transform,
            "Its numbers mean one thing to ONNX and another to onnxruntime (1 is LOGISTIC there).",
        )
    return Ensemble(forest, right, "NONE", None)


def _children(a: Attributes, side: str, splits: int, leaves: int) -> Int64:
    child: Int64 = a.array(f"nodes_{side}nodeids", np.int64, splits)
    to_leaf = a.array(f"nodes_{side}leafs", np.int64, splits) != 0
    if ((child < 0) | (child >= np.where(to_leaf, leaves, splits))).any():
        raise refuse("a child must be a node", a.place, f"nodes_{side}nodeids")
    return np.where(to_leaf, child + splits, child)


def _scores(
    a: Attributes, weights: npt.NDArray[np.float32], picked: Int64, splits: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What each node gives to each output, and where it names one."""
    outputs, total = a.number("n_targets", 1), splits + len(picked)
    targets = a.array("leaf_targetids", np.int64, len(weights))
    if not 1 <= outputs <= MOST_NODE_OUTPUTS // total:
        raise refuse(f"nodes times outputs must be 1 to {MOST_NODE_OUTPUTS}", a.place, (total, outputs))
    if len(targets) and not 0 <= targets.min() <= targets.max() < outputs:
        raise refuse("leaf_targetids must be below n_targets", a.place, outputs)
    values, scored = np.zeros((total, outputs)), np.zeros((total, outputs), np.bool_)
    rows = splits + np.arange(len(picked))
    values[rows, targets[picked]], scored[rows, targets[picked]] = weights[picked], True
    return values, scored


def _tracks(a: Attributes, splits: int) -> npt.NDArray[np.bool_]:
    tracks = a.array("nodes_missing_value_tracks_true", np.int64)
    if len(tracks) not in (0, splits):
        entries = counted(splits, "entry", "entries")
        raise refuse(f"nodes_missing_value_tracks_true must have {entries}", a.place, len(tracks))
    return np.asarray((tracks if len(tracks) else np.zeros(splits, np.int64)) != 0)


def _named(a: Attributes, name: str, default: int, names: tuple[str, ...]) -> str:
    number = a.number(name, default)
    if not 0 <= number < len(names):
        raise refuse(f"{name} must be known", a.place, number)
    return names[number]
