"""Members that are no forests: their ONNX graphs, joined into the level's with names of their own."""

from __future__ import annotations

import onnx
from onnx import compose, numpy_helper

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.fragment import OPSETS, OnnxFragment, check_fragment
from gradus_convert.graphs.builder import Graph
from gradus_convert.graphs.operators import check_operators, nodes_of

__all__ = ["emit_fragment"]


def emit_fragment(graph: Graph, fragment: OnnxFragment, features: str, *, prefix: str, place: str) -> str:
    """Write a fragment's nodes and constants. For every row the value equals the fragment's own output.

    Args:
        graph: Written to.
        fragment: The fragment.
        features: What takes the place of its input.
        prefix: Starts its names in the level's graph.
        place: How errors name it.

    Returns:
        The name of its output.

    Raises:
        InexactModelError: It has other opsets or operators than allowed, or breaks its promise.
    """
    model = check_fragment(fragment)
    check_operators(nodes_of(model.graph), place=place)
    _check_opsets(model, place)
    model = compose.add_prefix(model, prefix)
    outer = model.graph.input[0].name
    for node in nodes_of(model.graph):
        for i, name in enumerate(node.input):
            if name == outer:
                node.input[i] = features
    graph.nodes.extend(model.graph.node)
    for tensor in model.graph.initializer:
        graph.adopt(tensor.name, numpy_helper.to_array(tensor))
    return str(model.graph.output[0].name)


def _check_opsets(model: onnx.ModelProto, place: str) -> None:
    opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
    used = {n.domain for n in nodes_of(model.graph)} | {""}
    for domain in used & opsets.keys():
        if OPSETS.get(domain) != opsets[domain] and not (domain and opsets[domain] < OPSETS.get(domain, 0)):
            raise InexactModelError(
                f"a fragment must have the opsets {OPSETS}",
                place=place,
                value=opsets,
                hint="Export it with target_opset=gradus_convert.forest.fragment.OPSETS.",
            )
