"""Where each split of tree operators sends NaN, read from the file, beside what its forest says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest

__all__ = ["check_sides_of_nan"]

_SIDES = "nodes_missing_value_tracks_true"


def check_sides_of_nan(forests: Sequence[Forest], model_bytes: bytes) -> None:
    """Hold every tree operator of a graph to where the forests send NaN, split by split.

    Args:
        forests: With views, their trees side by side in the graph's output `leaves`.
        model_bytes: The graph: an operator a tree for the leaves, and others for the sums of several trees.

    Raises:
        ParityError: A split sends NaN to another side, or a tree is missing.
    """
    expected = [_sides(f, t) for f in forests for t in range(f.n_trees)]
    alone = 0
    for node in onnx.load_model_from_string(model_bytes).graph.node:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        found, rest = _trees_of(node), iter(expected)
        for sides in found:
            if not any(np.array_equal(sides, e) for e in rest):
                raise _wrong(node.op_type)
        if len(found) == 1 and alone < len(expected) and np.array_equal(found[0], expected[alone]):
            alone += 1
    if alone != len(expected):
        raise _wrong(alone)


def _wrong(value: object) -> ParityError:
    rule = "every split must send missing values where its library does"
    return ParityError(rule, place=f"graph: {_SIDES}", value=value, hint="Report it, with the model.")


def _sides(forest: Forest, tree: int) -> npt.NDArray[np.uint8]:
    """By node, depth-first with the left child next: 1 where NaN goes left."""
    sides, stack = [], [int(forest.roots[tree])]
    nan = np.array([np.nan], np.float32)
    while stack:
        node = stack.pop()
        column = int(forest.feature[node])
        if column >= forest.n_features:
            seen = forest.views[column - forest.n_features].of(nan)[0]
            sides.append(bool(seen <= forest.threshold[node]))
        else:
            sides.append(False)
        if column >= 0:
            stack += (int(forest.right[node]), int(forest.left[node]))
    return np.array(sides, np.uint8)


def _trees_of(node: onnx.NodeProto) -> list[npt.NDArray[np.uint8]]:
    found = {a.name: np.array(a.ints) for a in node.attribute if a.name in (_SIDES, "nodes_treeids")}
    trees = found["nodes_treeids"]
    sides = found.get(_SIDES, np.zeros(len(trees), np.int64)).astype(np.uint8)
    return np.split(sides, np.flatnonzero(np.diff(trees)) + 1)
