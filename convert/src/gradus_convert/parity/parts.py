"""A level's graph in two parts, cut at the widened rows: the views of a row, and the walk over them."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper

from gradus_convert.graphs.level_graph import LEAVES
from gradus_convert.graphs.widened_row import WIDENED_ROWS

__all__ = ["has_widened_rows", "views_part", "walk_part"]


def has_widened_rows(data: bytes) -> bool:
    """Whether a graph makes widened rows."""
    return any(v.name == WIDENED_ROWS for v in onnx.load_model_from_string(data).graph.value_info)


def views_part(data: bytes) -> bytes:
    """Return the graph that makes the widened rows, its one output, of the level's rows."""
    model = onnx.load_model_from_string(data)
    return _part(model, list(model.graph.input), _rows(model))


def walk_part(data: bytes) -> bytes:
    """Return the graph that walks from the widened rows, its one input, to `leaves`."""
    model = onnx.load_model_from_string(data)
    (leaves,) = [o for o in model.graph.output if o.name == LEAVES]
    return _part(model, [_rows(model)], leaves)


def _rows(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    (rows,) = [v for v in model.graph.value_info if v.name == WIDENED_ROWS]
    width = rows.type.tensor_type.shape.dim[1].dim_value
    return helper.make_tensor_value_info(WIDENED_ROWS, TensorProto.FLOAT, ["N", width])


def _part(model: onnx.ModelProto, inputs: list[onnx.ValueInfoProto], output: onnx.ValueInfoProto) -> bytes:
    """Keep what an output needs, back to the inputs."""
    graph, wanted = model.graph, {output.name}
    given = {i.name for i in inputs}
    nodes: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output) - given:
            nodes.append(node)
            wanted.update(_read(node))
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for field in ("node", "input", "output", "initializer", "value_info"):
        result.graph.ClearField(field)
    result.graph.node.extend(nodes[::-1])
    result.graph.input.extend(inputs)
    result.graph.output.append(output)
    result.graph.initializer.extend(t for t in graph.initializer if t.name in wanted)
    return bytes(result.SerializeToString())


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """Every value that a node reads, in its subgraphs too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read(inner)
        yield from (o.name for o in attribute.g.output)
