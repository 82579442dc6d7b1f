"""What a graph must be to be published: plain operators of the list, everything inside the one file."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError

from gradus_convert.graphs.operators import ALLOWED_OPERATORS, EXACT_OPERATORS, ML
from gradus_convert.publishing.walk_rules import check_walk
from gradus_runtime.contracts import graph as contract
from gradus_runtime.contracts.manifest import EXACT, Level, Manifest
from gradus_runtime.errors import IntegrityError

__all__ = ["check_graph"]

MAX_DEPTH = 8
_DEFAULT = ("", "ai.onnx")
_NUMBERS: dict[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64"}
_End = tuple[str, str, tuple[int | None, ...]]


def check_graph(data: bytes, manifest: Manifest, level: Level) -> None:
    """Check a level's graph before it is published.

    Args:
        data: The bytes of the ONNX file; their size is bounded by the manifest.
        manifest: Names the artifact, the classes and the features.
        level: The level that the graph serves.

    Raises:
        IntegrityError: It is not ONNX, is not the level's, refers to other files, or holds training
            information, sparse initialisers, custom domains, operators outside the list or another function
            than the walk of the compiler; or its bits are said to be exact and an operator is not.
    """
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as e:
        raise IntegrityError("a graph must be an ONNX file", place=level.file, cause=str(e)) from None
    _check_model(model, level)
    walks = {(f.domain, f.name) for f in model.functions}
    for graph, path in _graphs(model.graph, level.file):
        _check_contents(graph, path, ALLOWED_OPERATORS | walks)
        if level.bits == EXACT:
            _check_exact(graph, path, EXACT_OPERATORS | walks)
    _check_ends(model, manifest, level)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as e:
        raise IntegrityError("a graph must pass ONNX's checker", place=level.file, cause=str(e)) from None


def _need(holds: bool, rule: str, place: str, value: object = None) -> None:
    if not holds:
        raise IntegrityError(rule, place=place, value=value)


def _check_model(model: onnx.ModelProto, level: Level) -> None:
    check_walk(model, level.file)
    _need(not model.training_info, "a graph must hold no training information", level.file)
    opsets = {"" if o.domain in _DEFAULT else o.domain: o.version for o in model.opset_import}
    if model.functions:
        walk = opsets.pop(contract.WALK_DOMAIN, None)
        _need(walk == 1, "the domain of the walk must have version 1", level.file, walk)
    for domain in opsets:
        _need(domain in ("", ML), "a graph must use ONNX's own domains only", level.file, domain)
    declared = {"" if d in _DEFAULT else d: v for d, v in level.opsets.items()}
    _need(opsets == declared, f"a graph must use the opsets {declared}", level.file, opsets)


def _graphs(graph: onnx.GraphProto, path: str, depth: int = 0) -> Iterator[tuple[onnx.GraphProto, str]]:
    """The graph and every subgraph in it, each with its place."""
    _need(depth <= MAX_DEPTH, f"subgraphs must be nested at most {MAX_DEPTH} deep", path)
    yield graph, path
    for node in graph.node:
        for attribute in node.attribute:
            where = f"{path}: {node.op_type}.{attribute.name}"
            if attribute.HasField("g"):
                yield from _graphs(attribute.g, where, depth + 1)
            for inner in attribute.graphs:
                yield from _graphs(inner, where, depth + 1)


def _check_contents(graph: onnx.GraphProto, place: str, allowed: frozenset[tuple[str, str]]) -> None:
    _need(not graph.sparse_initializer, "a graph must hold no sparse initialisers", place)
    for tensor in graph.initializer:
        _check_tensor(tensor, place)
    for node in graph.node:
        domain = "" if node.domain in _DEFAULT else node.domain
        operator = (domain, node.op_type)
        rule = "an operator must be on the list of those that gradus emits"
        _need(operator in allowed, rule, place, ".".join(filter(None, operator)))
        for attribute in node.attribute:
            where = f"{place}: {node.op_type}.{attribute.name}"
            sparse = attribute.HasField("sparse_tensor") or attribute.sparse_tensors
            _need(not sparse, "a graph must hold no sparse tensors", where)
            _need(not attribute.ref_attr_name, "a graph must refer to no function's attributes", where)
            for tensor in (attribute.t, *attribute.tensors):
                _check_tensor(tensor, where)


def _check_exact(graph: onnx.GraphProto, place: str, exact: frozenset[tuple[str, str]]) -> None:
    for node in graph.node:
        operator = ("" if node.domain in _DEFAULT else node.domain, node.op_type)
        rule = "a level with exact bits must hold operators alone that are exact to the last bit"
        _need(operator in exact, rule, place, node.op_type)


def _check_tensor(tensor: onnx.TensorProto, place: str) -> None:
    outside = tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data
    _need(not outside, "a tensor's data must be in the file itself", place, tensor.name)


def _check_ends(model: onnx.ModelProto, manifest: Manifest, level: Level) -> None:
    features, classes = len(manifest.level_features(level)), len(manifest.classes)
    inputs = [_end(v) for v in model.graph.input]
    expected: list[_End] = [(contract.INPUT, "float32", (None, features))]
    _need(inputs == expected, f"a graph's inputs must be {expected}", level.file, inputs)
    outputs = sorted(_end(v) for v in model.graph.output)
    expected = [(contract.LABEL, "int64", (None,)), (contract.PROBABILITIES, "float32", (None, classes))]
    _need(outputs == expected, f"a graph's outputs must be {expected}", level.file, outputs)
    metadata = {p.key: p.value for p in model.metadata_props}
    for key, value in contract.expected_metadata(manifest, level).items():
        rule = f"a graph's metadata must say {key} = {value}"
        _need(metadata.get(key) == value, rule, level.file, metadata.get(key))


def _end(value: onnx.ValueInfoProto) -> _End:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return value.name, _NUMBERS.get(kind.elem_type, str(kind.elem_type)), shape
