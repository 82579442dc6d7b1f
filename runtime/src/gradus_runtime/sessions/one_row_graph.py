"""The graph of a level for single rows alone.

A compact graph chooses by `If` between a branch for one row and one for many (docs/encodings.md). A bot asks
for one row at a time: with the first branch in the place of the `If`, onnxruntime has half of the nodes to
parse and plan, and no choice to make for every row.

Source: the messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Sequence

from gradus_runtime.contracts.graph import ONE_ROW, PROBABILITIES
from gradus_runtime.errors import let_signals_through
from gradus_runtime.sessions.protobuf import BYTES, Field, field_bytes, fields
from gradus_runtime.sessions.shared_constants import SplitModel

__all__ = ["for_one_row", "probabilities_alone"]

_GRAPH = 7
_NODE, _GRAPH_NAME, _INITIALIZER, _OUTPUTS, _VALUE_INFO = 1, 2, 5, 12, 13
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_GRAPH = 1, 6
_VALUE_NAME, _TENSOR_NAME = 1, 8
_ANSWER = PROBABILITIES.encode()
_CHOICE = b"If"
_WITH_GRAPHS = {_CHOICE, b"Loop", b"Scan", b"SequenceMap"}
"""Operators that may read values which they do not list as inputs."""


class _Node:
    """A node: its message, and what that says."""

    __slots__ = ("inputs", "message", "operator", "outputs")

    def __init__(self, message: bytes, operator: bytes, inputs: list[bytes], outputs: list[bytes]) -> None:
        self.message = message
        self.operator = operator
        self.inputs = inputs
        self.outputs = outputs


class _Graph:
    """A graph: its fields by number, in their order."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[int, list[Field]]) -> None:
        self.fields = fields

    def of(self, number: int) -> list[Field]:
        return self.fields.get(number, [])


def for_one_row(skeleton: SplitModel) -> SplitModel | None:
    """Return the graph with its branch for one row in the place of the choice, and the tables that it reads.

    Its output is `probabilities` alone: callers take the argmax themselves.

    None where there is no such choice, or more than a plain one: then the graph itself serves single rows.
    """
    try:
        return _spliced(skeleton)
    except (ValueError, IndexError, OverflowError) as e:
        let_signals_through(e)
        return None  # it is no graph: onnxruntime will say so


def probabilities_alone(skeleton: SplitModel) -> SplitModel | None:
    """Return the graph without what only the label needs; None where that cannot be told."""
    try:
        data = skeleton.model
        (whole,) = [f for f in fields(data, 0, len(data)) if f.number == _GRAPH and f.kind == BYTES]
        graph = _graph(data, whole)
        nodes = [_node(data, f) for f in graph.of(_NODE)]
        if any(node.operator in _WITH_GRAPHS for node in nodes):
            return None
        return _pruned(skeleton, whole, graph, nodes, [])
    except (ValueError, IndexError, OverflowError) as e:
        let_signals_through(e)
        return None  # as above


def _spliced(skeleton: SplitModel) -> SplitModel | None:
    data = skeleton.model
    (whole,) = [f for f in fields(data, 0, len(data)) if f.number == _GRAPH and f.kind == BYTES]
    graph = _graph(data, whole)
    nodes = [_node(data, f) for f in graph.of(_NODE)]
    choices = [i for i, node in enumerate(nodes) if node.operator in _WITH_GRAPHS]
    if len(choices) != 1:
        return None
    (at,) = choices
    branch = _branch(nodes[at].message)
    if branch is None:
        return None
    inner, names, infos = branch
    if any(node.operator in _WITH_GRAPHS for node in inner):
        return None
    outer = dict(zip(names, nodes[at].outputs, strict=True))
    nodes[at : at + 1] = [_renamed(node, outer) for node in inner]
    return _pruned(skeleton, whole, graph, nodes, infos)


def _pruned(
    skeleton: SplitModel,
    whole: Field,
    graph: _Graph,
    nodes: Sequence[_Node],
    infos: Sequence[tuple[bytes, bytes]],
) -> SplitModel:
    """Return a graph of those of the nodes that `probabilities` needs, with their constants and shapes."""
    data = skeleton.model
    (answer,) = [f for f in graph.of(_OUTPUTS) if _name(data, f, _VALUE_NAME) == _ANSWER]
    kept, read = _needed(nodes, _ANSWER)
    made = {name for node in kept for name in node.outputs}
    constants = {_name(data, f, _TENSOR_NAME): f for f in graph.of(_INITIALIZER)}
    replaced = (_NODE, _INITIALIZER, _OUTPUTS, _VALUE_INFO)
    pieces = [data[f.start : f.stop] for n, all_ in graph.fields.items() if n not in replaced for f in all_]
    pieces.append(data[answer.start : answer.stop])
    pieces += [field_bytes(_NODE, node.message) for node in kept]
    pieces += [data[f.start : f.stop] for name, f in constants.items() if name in read]
    pieces += [data[f.start : f.stop] for f in graph.of(_VALUE_INFO) if _name(data, f, _VALUE_NAME) in made]
    pieces += [field_bytes(_VALUE_INFO, info) for name, info in infos if name in made]
    model = data[: whole.start] + field_bytes(_GRAPH, b"".join(pieces)) + data[whole.stop :]
    return SplitModel(model, {k: v for k, v in skeleton.tables.items() if k.encode() in read})


def _branch(choice: bytes) -> tuple[list[_Node], list[bytes], list[tuple[bytes, bytes]]] | None:
    """Return the nodes, the names of the outputs, and the shapes by name, of the branch for one row."""
    for attribute in fields(choice, 0, len(choice)):
        if attribute.number != _ATTRIBUTE:
            continue
        parts = {f.number: f for f in fields(choice, attribute.value, attribute.stop)}
        name, body = parts.get(_ATTRIBUTE_NAME), parts.get(_ATTRIBUTE_GRAPH)
        if name is None or body is None or choice[name.value : name.stop] != b"then_branch":
            continue
        graph = _graph(choice, body)
        if [choice[f.value : f.stop] for f in graph.of(_GRAPH_NAME)] != [ONE_ROW.encode()]:
            return None
        infos = [(_name(choice, f, _VALUE_NAME), choice[f.value : f.stop]) for f in graph.of(_VALUE_INFO)]
        names = [_name(choice, f, _VALUE_NAME) for f in graph.of(_OUTPUTS)]
        return [_node(choice, f) for f in graph.of(_NODE)], names, infos
    return None


def _graph(data: bytes, message: Field) -> _Graph:
    found: dict[int, list[Field]] = {}
    for field in fields(data, message.value, message.stop):
        found.setdefault(field.number, []).append(field)
    return _Graph(found)


def _node(data: bytes, message: Field) -> _Node:
    inputs: list[bytes] = []
    outputs: list[bytes] = []
    operator = b""
    for field in fields(data, message.value, message.stop):
        if field.number == _INPUT:
            inputs.append(data[field.value : field.stop])
        elif field.number == _OUTPUT:
            outputs.append(data[field.value : field.stop])
        elif field.number == _OP_TYPE:
            operator = data[field.value : field.stop]
    return _Node(data[message.value : message.stop], operator, inputs, outputs)


def _renamed(node: _Node, names: dict[bytes, bytes]) -> _Node:
    """Return a node whose values have other names."""
    if names.keys().isdisjoint((*node.inputs, *node.outputs)):
        return node
    pieces = []
    for field in fields(node.message, 0, len(node.message)):
        content = node.message[field.value : field.stop]
        if field.number in (_INPUT, _OUTPUT):
            pieces.append(field_bytes(field.number, names.get(content, content)))
        else:
            pieces.append(node.message[field.start : field.stop])
    inputs, outputs = ([names.get(n, n) for n in values] for values in (node.inputs, node.outputs))
    return _Node(b"".join(pieces), node.operator, inputs, outputs)


def _needed(nodes: Sequence[_Node], output: bytes) -> tuple[list[_Node], set[bytes]]:
    """Return the nodes that an output needs, in their order, and the names of all values read."""
    read = {output}
    kept = []
    for node in reversed(nodes):
        if not read.isdisjoint(node.outputs):
            kept.append(node)
            read.update(node.inputs)
    return kept[::-1], read


def _name(data: bytes, message: Field, number: int) -> bytes:
    """Return the name of a value or tensor; b"" if it has none."""
    for field in fields(data, message.value, message.stop):
        if field.number == number:
            return data[field.value : field.stop]
    return b""
