"""An `Ensemble` as plain tensor operators in the place of its node."""

from __future__ import annotations

import numpy as np
import onnx

from gradus_convert.compaction.tree_operator import Ensemble, LabelOutput
from gradus_convert.graphs.builder import FLOAT, INT64, Graph
from gradus_convert.graphs.compact import emit_sums
from gradus_convert.graphs.plan import plan_sums

__all__ = ["emit_ensemble"]


def emit_ensemble(graph: Graph, node: onnx.NodeProto, ensemble: Ensemble, *, columns: int) -> None:
    """Write what gives a node's outputs the same values, for every row of float32, NaN included.

    Leaves are the same; sums are float32 sums of the same weights in another order.

    Args:
        graph: Written to.
        node: The tree operator; its input and output names are kept.
        ensemble: As `read_operator` gives it.
        columns: Of its input, 0 where the file does not say: then it is cut to the columns that are read.
    """
    forest, rows = ensemble.forest, node.input[0]
    if not columns:
        ends = (graph.shape(0), graph.shape(forest.n_features), graph.shape(1))
        rows = graph.op("Slice", rows, *ends, type=FLOAT, dims=["N", forest.n_features])
    plan = plan_sums([forest], forest.n_features, nan_right=[ensemble.nan_right])
    ((sums, _),) = emit_sums(graph, rows, plan).sums
    if forest.base.any():
        sums = graph.op("Add", sums, graph.constant(forest.base[None], np.float32))
    if ensemble.label is None:
        _transform(graph, sums, ensemble, node.output[0])
        return
    scores = node.output[1] if len(node.output) > 1 and node.output[1] else None
    if node.output[0]:
        _emit_label(graph, sums, ensemble.label, node.output[0])
    if scores:
        _transform(graph, _both_scores(graph, sums, ensemble), ensemble, scores)


def _transform(graph: Graph, scores: str, ensemble: Ensemble, name: str) -> None:
    one = ensemble.label is not None and ensemble.label.binary == "first"
    if ensemble.transform == "LOGISTIC":
        graph.op("Sigmoid", scores, name=name)
    elif ensemble.transform == "SOFTMAX" and not one:
        graph.op("Softmax", scores, name=name, axis=1)
    else:
        graph.op("Identity", scores, name=name)


def _both_scores(graph: Graph, sums: str, ensemble: Ensemble) -> str:
    """Two columns where the leaves name one class of two, as onnxruntime fills the other."""
    label = ensemble.label
    if label is None or label.binary not in ("first", "second"):
        return sums
    if label.binary == "second":
        other = graph.op("Sub", sums, sums)
    elif label.positive and ensemble.transform != "LOGISTIC":
        other = graph.op("Sub", graph.constant(1, np.float32), sums)
    else:
        other = graph.op("Neg", sums)
    return graph.op("Concat", other, sums, axis=1)


def _emit_label(graph: Graph, sums: str, label: LabelOutput, name: str) -> None:
    if label.binary:
        limit = graph.constant(0.5 if label.positive and label.binary != "both" else 0, np.float32)
        column = sums if label.binary != "both" else graph.op("Gather", sums, graph.shape(1), axis=1)
        above = graph.op("Greater", graph.op("Reshape", column, graph.shape(-1)), limit)
        best = graph.op("Cast", above, to=INT64)
    else:
        best = graph.op("ArgMax", sums, axis=1, keepdims=0)
    numbered = label.names.dtype != object and (label.names == np.arange(len(label.names))).all()
    if numbered:
        graph.op("Identity", best, name=name)
    else:
        graph.op("Gather", graph.words(label.names), best, name=name, axis=0)
