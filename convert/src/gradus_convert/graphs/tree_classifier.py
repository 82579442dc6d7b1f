"""A classifier by itself as one `TreeEnsembleClassifier`: the operator that stock converters write.

It sums the trees, applies the link and chooses the label in one operator. A model of few trees spends more
time between operators than in its trees, so this is what answers one of its rows soonest. Thresholds are
those of the forest, so every tree ends at the same leaf as in the other encodings; sums and links are
float32.

Operator: https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md#aionnxmltreeensembleclassifier; how
onnxruntime reads the scores of two classes: `_set_score_binary` of its tree_ensemble_aggregator.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.builder import Graph
from gradus_convert.graphs.operators import ML
from gradus_convert.graphs.treeops import numbered, split_attributes
from gradus_runtime.contracts.graph import LABEL, PROBABILITIES

__all__ = ["emit_classifier", "fits"]

_TRANSFORMS = {"softmax": "SOFTMAX", "sigmoid": "LOGISTIC", "identity": "NONE"}
_ROUNDING = 1e-9


def fits(forest: Forest, classes: tuple[int, ...], n_classes: int) -> bool:
    """Whether one operator can say what a forest that votes alone says.

    Of two classes onnxruntime takes the score of the second; the border is 0.5 where no leaf is negative, and
    0 elsewhere. So margins must have a negative leaf, and probabilities must be of both classes.
    """
    if forest.link not in _TRANSFORMS or classes != tuple(range(n_classes)):
        return False
    if forest.n_outputs > 2:
        return True
    if forest.link == "sigmoid":
        return bool((_leaves(forest).given < 0).any())
    if forest.link != "identity" or not forest.vector_leaves or forest.n_outputs != 2:
        return False
    sums = forest.values.sum(axis=1) * forest.scale * forest.n_trees
    return bool((forest.values >= 0).all() and not forest.base.any() and np.abs(sums - 1).max() < _ROUNDING)


def emit_classifier(
    graph: Graph,
    features: str,
    forest: Forest,
    labels: npt.NDArray[Any] | None,
    nan_left: npt.NDArray[np.bool_] | None,
) -> bool:
    """Write `probabilities` and `label` of a forest that `fits`.

    Args:
        graph: Written to.
        features: A value, float32 [N, F].
        forest: All of the model.
        labels: As in `build_level`.
        nan_left: As `without_fills` gives it.

    Returns:
        Whether `label` is the label already, and not the index of its class.
    """
    named = labels is not None and labels.dtype in (np.dtype(object), np.dtype(np.int64))
    words = labels if named and labels is not None else np.arange(max(forest.n_outputs, 2))
    kind = "classlabels_strings" if words.dtype == object else "classlabels_int64s"
    found = _leaves(forest)
    attributes: dict[str, Any] = {kind: words.tolist()}
    if forest.n_outputs > 2 and forest.base.any():
        attributes["base_values"] = forest.base.astype(np.float32).tolist()
    graph.split_op(
        "TreeEnsembleClassifier",
        (features,),
        2,
        names=(LABEL, PROBABILITIES),
        domain=ML,
        class_treeids=found.tree.tolist(),
        class_nodeids=found.node.tolist(),
        class_ids=found.output.tolist(),
        class_weights=found.given.astype(np.float32).tolist(),
        post_transform=_TRANSFORMS[forest.link],
        **attributes,
        **split_attributes(forest, np.arange(forest.n_trees), nan_left),
    )
    return labels is None or named


@dataclass(frozen=True, slots=True, eq=False)
class _Leaves:
    """By leaf and output that it gives to: its tree, its node in the tree, the output, what it gives."""

    tree: npt.NDArray[np.int64]
    node: npt.NDArray[np.int64]
    output: npt.NDArray[np.int64]
    given: npt.NDArray[np.float64]


def _leaves(forest: Forest) -> _Leaves:
    """Of two classes the leaves of the second; their base is brought by the first tree."""
    nodes, tree, local = numbered(forest, np.arange(forest.n_trees))
    leaf = forest.feature[nodes] < 0
    nodes, tree, local = nodes[leaf], tree[leaf], local[leaf]
    given = forest.values[forest.leaf[nodes]] * forest.scale
    if forest.link == "sigmoid":
        given[tree == 0] += forest.base
    if forest.n_outputs == 2 and forest.vector_leaves:
        given = given[:, 1:]
    width = given.shape[1]
    output = np.arange(width)[None] if forest.vector_leaves else forest.tree_output[tree][:, None]
    if forest.n_outputs <= 2:
        output = np.zeros((1, 1), np.int64)  # where all give to one class, it is the score of the second
    return _Leaves(
        np.repeat(tree, width),
        np.repeat(local, width),
        np.broadcast_to(output, given.shape).reshape(-1).astype(np.int64),
        given.reshape(-1),
    )
