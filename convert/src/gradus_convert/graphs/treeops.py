"""The tree-operator encoding: `TreeEnsembleRegressor` (ai.onnx.ml 3) or `TreeEnsemble` (5), for many threads.

The operators spread rows or trees over the intra-op threads of onnxruntime, which the compact encoding does
not use, and walk a tree no further than it is deep. They cost load time and memory: every attribute is
copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from gradus_convert.forest.ir import Forest
from gradus_convert.forest.views import FilledView, nan_alone
from gradus_convert.graphs.builder import FLOAT, INT32, Columns, Graph
from gradus_convert.graphs.compact import Sums
from gradus_convert.graphs.operators import ML
from gradus_convert.graphs.plan import leaf_payload
from gradus_convert.graphs.walk_tables import EXACT_LIMIT
from gradus_runtime.errors import UsageError

__all__ = [
    "ML_OPSETS",
    "NEEDS_ONNXRUNTIME",
    "emit_leaves",
    "emit_tree_operators",
    "numbered",
    "split_attributes",
    "without_fills",
]

ML_OPSETS = {"treeops": 3, "treeops5": 5}
"""The opset of ai.onnx.ml by encoding."""

NEEDS_ONNXRUNTIME = {"treeops5": "1.24.4"}
"""The first onnxruntime that is right by an encoding, where older ones that gradus supports are not."""

_LEQ = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some trees of a forest, and what their leaves give: float32 [leaves of the forest, targets].

    `nan_left` is as `without_fills` gives it.
    """

    forest: Forest
    trees: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    nan_left: npt.NDArray[np.bool_] | None = None


def without_fills(forest: Forest) -> tuple[Forest, npt.NDArray[np.bool_]] | None:
    """Leave out views that put a number in the place of NaN: in ai.onnx.ml 3 a split says where NaN goes.

    Returns:
        The forest of the same leaves that looks at the row alone, and by node whether NaN goes left; None
        where a view is of another kind.
    """
    if not all(isinstance(v, FilledView) and nan_alone(v) for v in forest.views):
        return None
    fills = np.array([v.fill for v in forest.views if isinstance(v, FilledView)], np.float32)
    columns = np.array([v.column for v in forest.views], np.int32)
    feature, left = forest.feature.copy(), np.zeros(forest.n_nodes, np.bool_)
    at = np.flatnonzero(feature >= forest.n_features)
    which = feature[at] - forest.n_features
    left[at] = fills[which] <= forest.threshold[at]
    feature[at] = columns[which]
    return replace(forest, feature=feature, views=()), left


def emit_tree_operators(
    graph: Graph,
    features: str,
    forests: Sequence[Forest],
    *,
    encoding: str,
    leaves: bool = False,
    nan_left: npt.NDArray[np.bool_] | None = None,
) -> Sums:
    """Write tree operators with the meaning of `compact.emit_sums`: same leaves, sums of the same payloads.

    Args:
        graph: Written to.
        features: A value, float32 [N, F].
        forests: At least one.
        encoding: A key of `ML_OPSETS`.
        leaves: Whether to output leaves as well.
        nan_left: By node of the one forest, whether NaN goes left; by default it goes right everywhere. Only
            of "treeops".

    Raises:
        UsageError: Leaves are asked of a forest with more nodes than float32 can count.
    """
    emit = _regressor if ML_OPSETS[encoding] == 3 else _ensemble
    pieces: list[str] = []
    for forest in forests:
        if forest.vector_leaves and emit is _ensemble:
            pieces.append(_vectors(graph, features, forest))
        else:
            pieces += [emit(graph, features, part) for part in _parts(forest, nan_left)]
    sums = pieces[0] if len(pieces) == 1 else graph.op("Concat", *pieces, axis=1)
    columns = Columns(sums, sum(f.n_outputs for f in forests))
    return Sums((columns,), _leaves(graph, features, forests, emit, nan_left) if leaves else None)


def emit_leaves(
    graph: Graph, features: str, forest: Forest, nan_left: npt.NDArray[np.bool_] | None = None
) -> str:
    """Write the leaves of `emit_tree_operators` alone, by `TreeEnsembleRegressor`.

    Raises:
        UsageError: As `emit_tree_operators`.
    """
    return _leaves(graph, features, [forest], _regressor, nan_left)


def _parts(forest: Forest, nan_left: npt.NDArray[np.bool_] | None) -> list[_Part]:
    """One operator an output: with one target it has no list of targets to look through."""
    weights = (forest.values * forest.scale).astype(np.float32)
    every = np.arange(forest.n_trees)
    if forest.vector_leaves:
        return [_Part(forest, every, weights, nan_left)]
    return [_Part(forest, every[forest.tree_output == k], weights, nan_left) for k in range(forest.n_outputs)]


def _vectors(graph: Graph, features: str, forest: Forest) -> str:
    """In ai.onnx.ml 5 a leaf has one target: each tree alone gives a row of the table of distinct vectors."""
    vectors, payload = leaf_payload(forest)
    if vectors is None:
        return _ensemble(graph, features, _Part(forest, np.arange(forest.n_trees), payload[:, None]))
    trees = [_Part(forest, np.array([t]), payload[:, None]) for t in range(forest.n_trees)]
    ids = graph.op("Concat", *(_ensemble(graph, features, t) for t in trees), axis=1)
    table = graph.constant(vectors, np.float32)
    rows = graph.op("Gather", table, graph.op("Cast", ids, to=INT32), axis=0)
    return graph.total(rows, 1)


def _leaves(
    graph: Graph,
    features: str,
    forests: Sequence[Forest],
    emit: Callable[[Graph, str, _Part], str],
    nan_left: npt.NDArray[np.bool_] | None,
) -> str:
    """Every tree alone, its leaves giving their node."""
    pieces = []
    for forest in forests:
        if forest.n_nodes > EXACT_LIMIT:
            raise UsageError("leaves need at most 2^24 nodes a forest", value=forest.n_nodes)
        nodes = np.zeros((len(forest.values), 1), np.float32)
        is_leaf = forest.feature < 0
        nodes[forest.leaf[is_leaf], 0] = np.flatnonzero(is_leaf)
        every = range(forest.n_trees)
        pieces += [emit(graph, features, _Part(forest, np.array([t]), nodes, nan_left)) for t in every]
    joined = graph.op("Concat", *pieces, axis=1)
    return graph.op("Cast", joined, to=INT32)


def numbered(
    forest: Forest, trees: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Nodes, tree after tree and depth-first with the left child next; the tree and the number of each."""
    order: list[int] = []
    owner: list[int] = []
    for tree in trees.tolist():
        stack, start = [int(forest.roots[tree])], len(order)
        while stack:
            node = stack.pop()
            order.append(node)
            if forest.left[node] != node:
                stack += (int(forest.right[node]), int(forest.left[node]))
        owner.append(len(order) - start)
    nodes = np.array(order, np.int64)
    tree = np.repeat(np.arange(len(trees)), owner)
    return nodes, tree, np.arange(len(nodes)) - np.searchsorted(tree, tree)


def split_attributes(
    forest: Forest, trees: npt.NDArray[np.int64], nan_left: npt.NDArray[np.bool_] | None
) -> dict[str, Any]:
    """The attributes of ai.onnx.ml 3 that describe the nodes of trees."""
    nodes, tree, number = numbered(forest, trees)
    local = np.zeros(forest.n_nodes, np.int64)
    local[nodes] = number
    leaf = forest.feature[nodes] < 0
    tracks = {}
    if nan_left is not None and nan_left[nodes].any():
        tracks["nodes_missing_value_tracks_true"] = nan_left[nodes].astype(int).tolist()
    return tracks | {
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_featureids": np.where(leaf, 0, forest.feature[nodes]).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": forest.threshold[nodes].tolist(),
        "nodes_truenodeids": np.where(leaf, 0, local[forest.left[nodes]]).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, local[forest.right[nodes]]).tolist(),
    }


def _regressor(graph: Graph, features: str, part: _Part) -> str:
    """ai.onnx.ml 3. An output without trees is written as one leaf of 0."""
    forest, targets = part.forest, part.weights.shape[1]
    if not len(part.trees):
        return _constant_target(graph, features)
    nodes, tree, local = numbered(forest, part.trees)
    leaf = forest.feature[nodes] < 0
    ends = nodes[leaf]
    return graph.op(
        "TreeEnsembleRegressor",
        features,
        domain=ML,
        type=FLOAT,
        dims=["N", targets],
        n_targets=targets,
        target_treeids=np.repeat(tree[leaf], targets).tolist(),
        target_nodeids=np.repeat(local[leaf], targets).tolist(),
        target_ids=np.tile(np.arange(targets), len(ends)).tolist(),
        target_weights=part.weights[forest.leaf[ends]].reshape(-1).tolist(),
        **split_attributes(forest, part.trees, part.nan_left),
    )


def _constant_target(graph: Graph, features: str) -> str:
    first = graph.op("Slice", features, graph.shape(0), graph.shape(1), graph.shape(1))
    return graph.op(
        "Mul", graph.op("Cast", graph.op("IsNaN", first), to=FLOAT), graph.constant(0, np.float32)
    )


def _ensemble(graph: Graph, features: str, part: _Part) -> str:
    """ai.onnx.ml 5: splits and leaves are numbered apart; a single leaf is a split with it on both sides."""
    forest, targets = part.forest, part.weights.shape[1]
    if not len(part.trees):
        return _constant_target(graph, features)
    nodes, tree, _ = numbered(forest, part.trees)
    leaf = forest.feature[nodes] < 0
    first = np.append(True, tree[1:] != tree[:-1])
    kept = ~leaf | first
    number = np.zeros(forest.n_nodes, np.int64)
    number[nodes[leaf]] = np.arange(leaf.sum()) * targets
    is_leaf = forest.feature < 0
    splits = nodes[kept]
    place = np.cumsum(kept) - 1
    split_number = np.zeros(forest.n_nodes, np.int64)
    split_number[nodes] = place
    children = [
        np.where(is_leaf[c[splits]], number[c[splits]], split_number[c[splits]])
        for c in (forest.left, forest.right)
    ]
    weights = part.weights[forest.leaf[nodes[leaf]]].reshape(-1)
    return graph.op(
        "TreeEnsemble",
        features,
        domain=ML,
        type=FLOAT,
        dims=["N", targets],
        n_targets=targets,
        aggregate_function=1,
        post_transform=0,
        tree_roots=place[first].tolist(),
        nodes_featureids=np.maximum(forest.feature[splits], 0).tolist(),
        nodes_splits=numpy_helper.from_array(forest.threshold[splits]),
        nodes_modes=numpy_helper.from_array(np.full(len(splits), _LEQ, np.uint8)),
        nodes_truenodeids=children[0].tolist(),
        nodes_falsenodeids=children[1].tolist(),
        nodes_trueleafs=is_leaf[forest.left[splits]].astype(int).tolist(),
        nodes_falseleafs=is_leaf[forest.right[splits]].astype(int).tolist(),
        leaf_targetids=np.tile(np.arange(targets), int(leaf.sum())).tolist(),
        leaf_weights=numpy_helper.from_array(weights),
    )
