"""What a features graph must be to be published: plain operators, everything inside the one file."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError

from gradus_runtime.errors import IntegrityError

__all__ = ["OPERATORS", "check_features_graph"]

OPERATORS = frozenset(
    {
        *("Abs", "Add", "And", "Cast", "Concat", "CumSum", "Div", "Equal", "Expand", "Gather", "Greater"),
        *("GreaterOrEqual", "Identity", "IsNaN", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg"),
        *(
            "NonZero",
            "Not",
            "Or",
            "Range",
            "ReduceSum",
            "Reshape",
            "ScatterElements",
            "Shape",
            "Sign",
            "Slice",
        ),
        *("Split", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
    }
)
"""What a features graph may consist of: IEEE 754 defines each result, and none runs a graph of its own."""

_PLAIN = (onnx.AttributeProto.INT, onnx.AttributeProto.INTS, onnx.AttributeProto.STRING)


def check_features_graph(data: bytes, place: str) -> None:
    """Check the bytes of a `features.onnx`; its ends are checked where it is opened.

    Raises:
        IntegrityError: It is not ONNX, refers to other files, or holds anything but plain operators.
    """
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except (DecodeError, ValueError, onnx.checker.ValidationError) as e:
        raise IntegrityError("a features graph must be an ONNX file", place=place, cause=str(e)) from None
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise IntegrityError("a features graph must hold operators and constants alone", place=place)
    for tensor in graph.initializer:
        if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
            raise IntegrityError("a tensor's data must be in the file itself", place=place, value=tensor.name)
    for node in graph.node:
        plain = all(a.type in _PLAIN and not a.ref_attr_name for a in node.attribute)
        if node.domain or node.op_type not in OPERATORS or not plain:
            raise IntegrityError(
                "a features graph must consist of plain operators", place=place, value=node.op_type
            )
