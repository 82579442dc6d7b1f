"""Models with one tree operator, made by hand: any mode, transform, class layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"]
ML = "ai.onnx.ml"


def tree_attributes(
    seed: int,
    *,
    trees: int = 4,
    depth: int = 4,
    features: int = 3,
    modes: list[str] = MODES,
    nan: bool = True,
) -> tuple[dict[str, list[Any]], list[tuple[int, int]]]:
    """Random `nodes_` attributes, and the (tree, node) of each leaf."""
    rng = np.random.default_rng(seed)
    a: dict[str, list[Any]] = {
        f"nodes_{k}": []
        for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")
    }
    tracks: list[int] = []
    leaves: list[tuple[int, int]] = []
    for tree in range(trees):
        queue, count = [(0, 0)], 1
        while queue:
            node, level = queue.pop(0)
            leaf = level == depth or (level > 0 and rng.random() < 0.25)
            a["nodes_treeids"].append(tree)
            a["nodes_nodeids"].append(node)
            a["nodes_featureids"].append(0 if leaf else int(rng.integers(features)))
            a["nodes_modes"].append("LEAF" if leaf else str(rng.choice(modes)))
            a["nodes_values"].append(0.0 if leaf else float(rng.choice([0.0, 0.5, -0.25, 1.0])))
            a["nodes_truenodeids"].append(0 if leaf else count)
            a["nodes_falsenodeids"].append(0 if leaf else count + 1)
            tracks.append(int(nan and not leaf and rng.random() < 0.5))
            if leaf:
                leaves.append((tree, node))
            else:
                queue += [(count, level + 1), (count + 1, level + 1)]
                count += 2
    if nan:
        a["nodes_missing_value_tracks_true"] = tracks
    return a, leaves


def regressor(seed: int, *, targets: int = 1, changes: dict[str, Any] | None = None, **grow: Any) -> bytes:
    """A `TreeEnsembleRegressor` with a value for every target in every leaf."""
    a, leaves = tree_attributes(seed, **grow)
    rng = np.random.default_rng(seed + 1)
    a |= {
        "target_treeids": [t for t, _ in leaves for _ in range(targets)],
        "target_nodeids": [n for _, n in leaves for _ in range(targets)],
        "target_ids": list(range(targets)) * len(leaves),
        "target_weights": rng.normal(size=len(leaves) * targets).tolist(),
    }
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain=ML, n_targets=targets, **(a | (changes or {}))
    )
    return model([node], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", targets])])


def classifier(
    seed: int,
    ids: list[int],
    labels: list[Any],
    *,
    positive: bool = False,
    changes: dict[str, Any] | None = None,
) -> bytes:
    """A `TreeEnsembleClassifier` whose every leaf gives weight to the classes `ids`."""
    a, leaves = tree_attributes(seed)
    weights = np.random.default_rng(seed + 1).normal(size=len(leaves) * len(ids))
    a |= {
        "class_treeids": [t for t, _ in leaves for _ in ids],
        "class_nodeids": [n for _, n in leaves for _ in ids],
        "class_ids": ids * len(leaves),
        "class_weights": (np.abs(weights) / 5 if positive else weights).tolist(),
    }
    texts = isinstance(labels[0], str)
    a["classlabels_strings" if texts else "classlabels_int64s"] = labels
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "p"], domain=ML, **(a | (changes or {}))
    )
    kind = TensorProto.STRING if texts else TensorProto.INT64
    return model(
        [node],
        [
            helper.make_tensor_value_info("label", kind, ["N"]),
            helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", len(labels)]),
        ],
    )


def ensemble5(*, changes: dict[str, Any] | None = None) -> bytes:
    """A `TreeEnsemble` of two trees, one of them a single leaf, with two targets."""
    a: dict[str, Any] = {
        "n_targets": 2,
        "tree_roots": [0, 2],
        "nodes_featureids": [0, 2, 0],
        "nodes_splits": numpy_helper.from_array(np.float32([0.5, -0.25, 0])),
        "nodes_modes": numpy_helper.from_array(np.uint8([0, 3, 0])),
        "nodes_truenodeids": [1, 0, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 3],
        "nodes_falseleafs": [1, 1, 1],
        "nodes_missing_value_tracks_true": [1, 0, 0],
        "leaf_targetids": [0, 1, 0, 1],
        "leaf_weights": numpy_helper.from_array(np.float32([1, 2, 3, 4])),
        "aggregate_function": 1,
        "post_transform": 0,
    }
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain=ML, **(a | (changes or {})))
    return model([node], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])], ml=5)


def model(
    nodes: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    *,
    columns: int | str | None = 3,
    opset: int = 17,
    ml: int = 3,
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """A model with the input `x`."""
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, ["N", columns])], outputs)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
