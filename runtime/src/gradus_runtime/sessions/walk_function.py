"""The walk of a compact graph is a function of the file: its body, put in the place of the call.

onnxruntime does the same for a function that it has no kernel for, but resolves the graph twice for it. Call
and body use the same names (`gradus_runtime.contracts.graph`), so nothing is renamed.

Source: the messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from gradus_runtime.contracts.graph import TREE_WALK, WALK_DOMAIN
from gradus_runtime.errors import let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.sessions.protobuf import BYTES, Field, field_bytes, fields
from gradus_runtime.sessions.shared_constants import SplitModel

__all__ = ["with_body", "with_call"]

_GRAPH, _OPSETS, _FUNCTIONS = 7, 8, 25
_OPSET_DOMAIN = 1
_GRAPH_NODE = 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_DOMAIN = 1, 2, 4, 7
_NAME, _INPUT, _OUTPUT, _NODE, _DOMAIN = 1, 4, 5, 7, 10
_WALK = (WALK_DOMAIN.encode(), TREE_WALK.encode())


@dataclass(frozen=True, slots=True)
class _Ends:
    """Whose call or function it is, and what goes in and out."""

    domain: bytes
    name: bytes
    inputs: list[bytes]
    outputs: list[bytes]


def with_body(skeleton: SplitModel) -> SplitModel | None:
    """Return the graph with the body of its walk in the place of the call; None where there is none."""
    try:
        return _put(skeleton)
    except (ValueError, IndexError, OverflowError) as e:
        let_signals_through(e)
        return None  # it is no graph: onnxruntime will say so


def with_call(skeleton: SplitModel) -> SplitModel | None:
    """Return the graph with the call of its walk and without the body; None where there is none.

    onnxruntime opens it where an operator of that name is registered, and refuses it elsewhere: what serves
    it is never the body.
    """
    try:
        return _put(skeleton, called=True)
    except (ValueError, IndexError, OverflowError) as e:
        let_signals_through(e)
        return None  # as above


def _put(skeleton: SplitModel, *, called: bool = False) -> SplitModel | None:
    data = skeleton.model
    every = list(fields(data, 0, len(data)))
    whole = [f for f in every if f.kind == BYTES]
    functions, graphs = ([f for f in whole if f.number == number] for number in (_FUNCTIONS, _GRAPH))
    if len(functions) != 1 or len(graphs) != 1:
        return None
    ends, body = _function(data, functions[0])
    calls, pieces = list[_Ends](), list[bytes]()
    for field in fields(data, graphs[0].value, graphs[0].stop):
        if field.number == _GRAPH_NODE and (call := _node(data, field)).domain == ends.domain:
            calls.append(call)
            pieces.append(data[field.start : field.stop] if called else body)
        else:
            pieces.append(data[field.start : field.stop])
    if (ends.domain, ends.name) != _WALK or calls != [ends]:
        return None
    model = []
    for field in every:
        if field is graphs[0]:
            model.append(field_bytes(_GRAPH, b"".join(pieces)))
        elif field is not functions[0] and (called or not _is_opset_of_walk(data, field)):
            model.append(data[field.start : field.stop])
    return SplitModel(b"".join(model), skeleton.tables)


def _function(data: bytes, function: Field) -> tuple[_Ends, bytes]:
    """Return what a function is, and its nodes as those of a graph."""
    parts: dict[int, list[bytes]] = {}
    for field in fields(data, function.value, function.stop):
        if field.kind == BYTES:
            parts.setdefault(field.number, []).append(data[field.value : field.stop])
    ((name,), (domain,)) = (parts.get(number, [b""]) for number in (_NAME, _DOMAIN))
    body = b"".join(field_bytes(_GRAPH_NODE, node) for node in parts.get(_NODE, []))
    return _Ends(domain, name, parts.get(_INPUT, []), parts.get(_OUTPUT, [])), body


def _node(data: bytes, node: Field) -> _Ends:
    parts: dict[int, list[bytes]] = {}
    for field in fields(data, node.value, node.stop):
        if field.kind == BYTES and field.number in (_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_DOMAIN):
            parts.setdefault(field.number, []).append(data[field.value : field.stop])
    ((name,), (domain,)) = (parts.get(number, [b""]) for number in (_NODE_TYPE, _NODE_DOMAIN))
    return _Ends(domain, name, parts.get(_NODE_INPUT, []), parts.get(_NODE_OUTPUT, []))


def _is_opset_of_walk(data: bytes, field: Field) -> bool:
    if field.number != _OPSETS or field.kind != BYTES:
        return False
    inner = fields(data, field.value, field.stop)
    return any(f.number == _OPSET_DOMAIN and data[f.value : f.stop] == _WALK[0] for f in inner)
