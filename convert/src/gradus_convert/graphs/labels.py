"""A label as the user has it, in the place of the index of a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from gradus_convert.graphs.builder import Graph
from gradus_runtime.contracts.graph import LABEL

__all__ = ["emit_labels", "label_type", "label_values"]

_INDEX = "label_index"


def label_values(labels: tuple[object, ...]) -> npt.NDArray[Any] | None:
    """Return the labels of classes as an array that a graph can hold; None if it cannot hold them.

    Whole numbers become int64, other numbers float64; texts and booleans stay what they are.
    """
    if all(isinstance(x, bool) for x in labels):
        return np.array(labels, np.bool_)
    if all(isinstance(x, str) for x in labels):
        return np.array(labels, object)
    if all(isinstance(x, int) and not isinstance(x, bool) for x in labels):
        return np.array(labels, np.int64)
    if all(isinstance(x, int | float) and not isinstance(x, bool) for x in labels):
        return np.array(labels, np.float64)
    return None


def label_type(labels: npt.NDArray[Any]) -> int:
    """Return the element type of the output."""
    if labels.dtype == object:
        return int(TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(labels.dtype))


def emit_labels(graph: Graph, labels: npt.NDArray[Any]) -> None:
    """Write the label of each row, where the graph so far gives the index of its class as `label`."""
    for node in graph.nodes:
        for i, name in enumerate(node.output):
            if name == LABEL:
                node.output[i] = _INDEX
    graph.op("Gather", graph.words(labels), _INDEX, axis=0, name=LABEL)
