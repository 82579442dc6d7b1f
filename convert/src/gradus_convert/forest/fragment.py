"""Members that are not trees: an ONNX graph to be joined into the level's graph."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from gradus_convert.errors import InexactModelError

__all__ = ["OPSETS", "OnnxFragment", "check_fragment"]

OPSETS = {"": 13, "ai.onnx.ml": 3}
"""The opset of each domain, of fragments and of the graphs around them: the lowest their operators allow."""


@dataclass(frozen=True, slots=True)
class OnnxFragment:
    """A member as an ONNX model of one input and one output.

    Attributes:
        model_bytes: Input float32 [N, n_features], output probabilities float32 [N, n_classes]; no subgraph
            refers to names outside it, and no node is of a tree ensemble.
        n_features: Columns of the input.
        n_classes: Columns of the output.
    """

    model_bytes: bytes
    n_features: int
    n_classes: int


def check_fragment(fragment: OnnxFragment) -> onnx.ModelProto:
    """Parse a fragment and hold it to its promise.

    Raises:
        InexactModelError: It has other inputs or outputs, or holds trees.
    """
    model = onnx.load_from_string(fragment.model_bytes)
    ends = (len(model.graph.input), len(model.graph.output))
    if ends != (1, 1):
        raise InexactModelError("a fragment must have one input and one output", place="fragment", value=ends)
    for node in model.graph.node:
        if node.op_type.startswith("TreeEnsemble"):
            raise InexactModelError(
                "a member converted as a fragment must hold no trees",
                place=f"fragment: node {node.name or node.op_type}",
                value=node.op_type,
                hint="Make the trees a member of their own: fragments are not held to exact thresholds.",
            )
    return model
