"""Members from anywhere: an ONNX model of one float32 input that gives the probabilities of classes.

A network of any framework, say. It becomes a fragment of the level's graph, so it must hold the operators and
opsets that a level's graph may hold, and no trees: `gradus compile` rewrites those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.fragment import OPSETS, OnnxFragment, check_fragment
from gradus_convert.readers.native import NativeModel
from gradus_runtime.errors import DataError

__all__ = ["read", "read_file"]

_ROWS = 64
_OUTPUT = "fragment_probabilities"


def read_file(path: Path) -> NativeModel:
    """Read an ONNX file.

    Raises:
        DataError: It is no ONNX file.
        InexactModelError: As `read`.
    """
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        onnx.checker.check_model(model)
    except (DecodeError, ValueError, onnx.checker.ValidationError) as e:
        raise DataError("a model must be an ONNX file", place=str(path), cause=str(e)) from None
    return read(model, place=str(path))


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Take an `onnx.ModelProto` as a fragment.

    Its output, or the last of several (skl2onnx gives the label first), must be probabilities float32 [N, C].

    Raises:
        InexactModelError: It has other ends, opsets or operators, or its rows do not sum to 1.
    """
    width = _width(model, place)
    source = model.graph.output[-1].name
    pruned = _only(model, source)
    answer = _session(pruned)
    random = np.random.default_rng(0)
    said = answer(random.normal(size=(_ROWS, width)).astype(np.float32))
    sums = said.sum(axis=1) if said.ndim == 2 else np.zeros(1)
    if said.ndim != 2 or said.shape[1] < 2 or not np.allclose(sums, 1.0, atol=1e-5) or (said < 0).any():
        raise InexactModelError(
            "an ONNX member must give the probabilities of classes, [N, C]",
            place=place,
            value=source,
            hint="End it with a Softmax.",
        )
    fragment = OnnxFragment(pruned.SerializeToString(deterministic=True), width, int(said.shape[1]))
    check_fragment(fragment)
    return NativeModel("onnx", model, fragment, answer, None, 0, None)


def _width(model: Any, place: str) -> int:
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    known = inputs[0].type.tensor_type if inputs else None
    if len(inputs) != 1 or known is None or known.elem_type != TensorProto.FLOAT or len(known.shape.dim) != 2:
        raise InexactModelError(
            "an ONNX member must have one input, float32 [N, F]", place=place, value=[i.name for i in inputs]
        )
    width = int(known.shape.dim[1].dim_value)
    if width <= 0:
        raise InexactModelError("the columns of the input must be known", place=place, value=inputs[0].name)
    opsets = {o.domain or "ai.onnx": o.version for o in model.opset_import}
    if opsets.get("ai.onnx", 0) != OPSETS[""]:
        raise InexactModelError(
            f"an ONNX member must have opset {OPSETS['']}",
            place=place,
            value=opsets,
            hint=f"Export it with opset_version={OPSETS['']}.",
        )
    return width


def _only(model: Any, source: str) -> Any:
    """The model with one output, and what that needs alone."""
    graph = model.graph
    kept: list[Any] = []
    wanted = {source}
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    nodes = [*reversed(kept), helper.make_node("Identity", [source], [_OUTPUT])]
    constants = [t for t in graph.initializer if t.name in wanted]
    names = {t.name for t in constants}
    inputs = [i for i in graph.input if i.name not in names]
    output = helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "fragment", inputs, [output], constants)
    result = helper.make_model(made, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    result.producer_name = "gradus"
    return result


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def answer(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        rows = np.ascontiguousarray(X, np.float32)
        return np.asarray(session.run(None, {name: rows})[0], np.float64)

    return answer
