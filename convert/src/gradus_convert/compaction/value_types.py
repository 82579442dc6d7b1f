"""Element types and shapes of a model's values: by onnx; by onnxruntime where onnx does not know them.

Both are asked in a process of its own, because either may crash on a graph that the other takes.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from gradus_convert.isolation import ProcessLimits, call
from gradus_runtime.errors import GradusError

__all__ = ["ValueType", "ask_session", "infer", "value_types"]

MIB = 1 << 20
LIMITS = ProcessLimits(4096 * MIB, 120.0)
_MEMORY_TIMES = 20
_ELEMENTS = {
    "float": onnx.TensorProto.FLOAT, "double": onnx.TensorProto.DOUBLE, "float16": onnx.TensorProto.FLOAT16,
    "int64": onnx.TensorProto.INT64, "int32": onnx.TensorProto.INT32, "bool": onnx.TensorProto.BOOL,
    "string": onnx.TensorProto.STRING,
}  # fmt: skip


_NUMPY = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
_LARGEST_ROW = 1 << 20


@dataclass(frozen=True, slots=True)
class ValueType:
    """A tensor's element type, as onnx numbers it; its sizes, 0 where open, None if the rank is unknown."""

    element: int
    sizes: tuple[int, ...] | None


def value_types(model: onnx.ModelProto, wanted: Collection[str], *, place: str) -> Mapping[str, ValueType]:
    """Return what is known of values of a model.

    Args:
        model: It passed onnx's checker.
        wanted: Names of the values that matter: onnxruntime is asked only for those that onnx leaves open.
        place: How errors name the model.
    """
    data = model.SerializeToString()
    found = _ask("infer", data, (), place)
    rest = [name for name in wanted if name not in found or found[name].sizes is None]
    return {**found, **_ask("ask_session", data, rest, place)} if rest else found


def _ask(task: str, data: bytes, names: Collection[str], place: str) -> dict[str, ValueType]:
    """Ask in another process; nothing is known where that one crashes or refuses the model."""
    limits = ProcessLimits(LIMITS.memory + _MEMORY_TIMES * len(data), LIMITS.seconds)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.flush()
        request = {"path": file.name, "names": list(names)}
        try:
            answer = call(f"{__name__}:{task}", request, limits, place=place)
        except GradusError:
            return {}
    return {
        name: ValueType(element, None if sizes is None else tuple(sizes))
        for name, (element, sizes) in answer.items()
    }


def infer(request: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """What onnx's shape inference says; runs in the other process."""
    model = onnx.load_model(request["path"])
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # onnx raises bare C++ errors of several kinds: then it knows what the file says
        graph = model.graph
    found: dict[str, Any] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        known = value.type.tensor_type
        if known.elem_type:
            sizes = [d.dim_value for d in known.shape.dim] if known.HasField("shape") else None
            found[value.name] = (known.elem_type, sizes)
    return found


def ask_session(request: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """What an onnxruntime session says of values that are made its outputs; runs in the other process."""
    import onnxruntime as ort

    model = onnx.load_model(Path(request["path"]))
    there = {o.name for o in model.graph.output}
    made = {o for node in model.graph.node for o in node.output}
    names = [n for n in request["names"] if n in made]
    model.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names if n not in there)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime raises classes of its own for every cause: then nothing is known
        return {}
    ranks = _observed(session, names)
    found: dict[str, Any] = {}
    for end in session.get_outputs():
        element = _ELEMENTS.get(end.type.removeprefix("tensor(").removesuffix(")"))
        if end.name in names and element is not None:
            # onnxruntime gives [] for an unknown rank, too; no value that rows go through is a scalar
            sizes = [d if isinstance(d, int) and d > 0 else 0 for d in end.shape or ()]
            found[end.name] = (element, sizes or ranks.get(end.name))
    return found


def _observed(session: Any, names: Collection[str]) -> dict[str, list[int]]:
    """Sizes that values have in a run on two rows, the first left open; nothing where no run can be made."""
    if not names:
        return {}
    feed: dict[str, Any] = {}
    for end in session.get_inputs():
        element = _NUMPY.get(end.type.removeprefix("tensor(").removesuffix(")"))
        sizes = [d if isinstance(d, int) and d > 0 else 0 for d in end.shape or ()]
        if element is None or not sizes or 0 in sizes[1:] or math.prod(sizes[1:]) > _LARGEST_ROW:
            return {}
        feed[end.name] = np.ones((sizes[0] or 2, *sizes[1:]), element)
    try:
        values = session.run(list(names), feed)
    except Exception:  # onnxruntime raises classes of its own for every cause: then nothing is known
        return {}
    pairs = zip(names, values, strict=True)
    return {name: [0, *value.shape[1:]] for name, value in pairs if isinstance(value, np.ndarray)}
