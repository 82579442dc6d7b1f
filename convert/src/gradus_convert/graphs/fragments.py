"""Members that are no forests: their ONNX graphs, joined into the level's with names of their own."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError
from onnx import compose, helper, numpy_helper

from gradus_convert.errors import InexactModelError
from gradus_convert.graphs.builder import Graph
from gradus_convert.graphs.members import OnnxFragment
from gradus_convert.graphs.operators import FRAGMENT_OPSETS, ML, check_operators, nodes_of

__all__ = ["emit_fragment"]


def emit_fragment(graph: Graph, fragment: OnnxFragment, features: str, *, prefix: str) -> str:
    """Write a fragment's nodes and constants; of its outputs only the probabilities remain.

    For every row the value equals the fragment's own output.

    Args:
        graph: Written to.
        fragment: The fragment.
        features: What takes the place of its input.
        prefix: Starts its names in the level's graph.

    Returns:
        The name of its probabilities.

    Raises:
        InexactModelError: It is no valid model, has other inputs, opsets or operators than allowed.
    """
    model = _parse(fragment, prefix)
    model = compose.add_prefix(model, prefix, rename_edges=True)
    for node in nodes_of(model.graph):
        for i, name in enumerate(node.input):
            if name == prefix + fragment.input:
                node.input[i] = features
    wanted = prefix + fragment.probabilities
    needed, kept = {wanted}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            for inner in [node, *nodes_of(_subgraphs(node))]:
                needed.update(inner.input)
    check_operators([n for k in kept for n in [k, *nodes_of(_subgraphs(k))]], place=prefix.rstrip("."))
    graph.nodes.extend(reversed(kept))
    for tensor in model.graph.initializer:
        if tensor.name in needed:
            graph.adopt(tensor.name, numpy_helper.to_array(tensor))
    return wanted


def _subgraphs(node: onnx.NodeProto) -> onnx.GraphProto:
    """A graph that holds the nodes of all subgraphs of a node."""
    inner = [n for a in node.attribute if a.type == onnx.AttributeProto.GRAPH for n in a.g.node]
    return helper.make_graph(inner, "subgraphs", [], [])


def _parse(fragment: OnnxFragment, prefix: str) -> onnx.ModelProto:
    place = prefix.rstrip(".")
    try:
        model = onnx.load_model_from_string(fragment.model)
    except DecodeError:
        raise InexactModelError("a fragment must be an ONNX model", place=place) from None
    opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
    for domain, version in opsets.items():
        if FRAGMENT_OPSETS.get(domain) != version and not (domain == ML and version < FRAGMENT_OPSETS[ML]):
            raise InexactModelError(
                f"a fragment must have the opsets {FRAGMENT_OPSETS}",
                place=place,
                value=opsets,
                hint="Export it with target_opset set to FRAGMENT_OPSETS.",
            )
    constants = {t.name for t in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in constants]
    if inputs != [fragment.input]:
        raise InexactModelError(
            "a fragment must have one input", place=place, value=inputs, hint="Join its columns first."
        )
    produced = {o for n in model.graph.node for o in n.output}
    if fragment.probabilities not in produced:
        raise InexactModelError(
            "a fragment must produce its probabilities", place=place, value=fragment.probabilities
        )
    return model
