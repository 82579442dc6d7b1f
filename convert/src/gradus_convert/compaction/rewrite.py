"""A whole ONNX file: every tree operator rewritten, everything around kept, both held side by side."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import version_converter

from gradus_convert.compaction.lowering import emit_ensemble
from gradus_convert.compaction.operator_readers import TREE_OPERATORS, read_operator
from gradus_convert.compaction.probes import Agreement, compare_models, compare_operator
from gradus_convert.compaction.tree_operator import refuse
from gradus_convert.compaction.value_types import ValueType, value_types
from gradus_convert.graphs.builder import Graph
from gradus_convert.graphs.operators import ML, nodes_of
from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["MAX_BYTES", "Compaction", "compact", "load"]

MAX_BYTES = 1 << 30
LOWEST_OPSET = 13
LOWEST_IR = 7


@dataclass(frozen=True, slots=True)
class Compaction:
    """A rewritten file: its bytes; operators, trees and nodes that were rewritten; how the probes agreed."""

    model_bytes: bytes
    operators: int
    trees: int
    nodes: int
    agreement: Agreement


def load(path: Path) -> bytes:
    """Read a file, or say why not.

    Raises:
        DataError: It is no regular file, or larger than `MAX_BYTES`.
        EnvironmentFailedError: It cannot be read.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DataError("a model must be a regular file", place=str(path))
        if facts.st_size > MAX_BYTES:
            raise DataError(
                f"a model must have at most {MAX_BYTES} bytes", place=str(path), value=facts.st_size
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("the model must exist", place=str(path)) from None
    except OSError as e:
        raise EnvironmentFailedError(
            "the model must be readable", place=str(path), cause=e.strerror
        ) from None


def compact(data: bytes, *, place: str) -> Compaction:
    """Rewrite the tree operators of a model into the compact encoding.

    For any input that the model takes, the rewritten one gives the same outputs: every tree ends at the same
    leaf, sums are float32 sums of the same weights. Every operator is tried on rows at its own thresholds and
    their float32 neighbours, NaN and infinities, and the whole model on random inputs where it takes numbers.

    Args:
        data: The bytes of an ONNX file.
        place: How errors name it.

    Raises:
        DataError: It is no valid ONNX file, or keeps tensors outside.
        InexactModelError: An operator has no exact form, or there is none.
        CheckError: The probes disagree.
    """
    model = _upgrade(_parse(data, place), place)
    targets = _targets(model, place)
    inputs = {model.graph.node[i].input[0] for i in targets}
    types = value_types(model, inputs, place=place)
    nodes: list[onnx.NodeProto] = []
    agreements, trees, splits = [], 0, 0
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for i, node in enumerate(model.graph.node):
        if i not in targets:
            nodes.append(node)
            continue
        where = f"{place}: {node.name or node.op_type}"
        columns = _columns(types.get(node.input[0]), where)
        ensemble = read_operator(node, columns, place=where)
        graph = Graph(_prefix(i, model))
        emit_ensemble(graph, node, ensemble, columns=columns)
        agreements.append(compare_operator(model, node, ensemble, graph, place=where))
        nodes.extend(graph.nodes)
        result.graph.initializer.extend(graph.initializers())
        result.graph.value_info.extend(graph.value_info)
        trees, splits = trees + ensemble.forest.n_trees, splits + ensemble.forest.n_nodes
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    written = _finish(result, place)
    agreements.append(compare_models(data, written, place=place))
    return Compaction(written, len(targets), trees, splits, Agreement.join(agreements))


def _parse(data: bytes, place: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(data)
        external = [t.name for t in _tensors(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL]
        if external:
            raise DataError(
                "tensors must be inside the file",
                place=place,
                value=external[0],
                hint="Save it with save_as_external_data=False.",
            )
        onnx.checker.check_model(model)
    except DecodeError:
        raise DataError(
            "a model must be an ONNX file", place=place, hint="It is truncated, or not a model."
        ) from None
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as e:
        raise DataError("a model must pass onnx.checker", place=place, cause=str(e)) from None
    return model


def _tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    yield from graph.initializer
    for node in nodes_of(graph):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from attribute.g.initializer


def _targets(model: onnx.ModelProto, place: str) -> set[int]:
    found = {i for i, n in enumerate(model.graph.node) if n.domain == ML and n.op_type in TREE_OPERATORS}
    everywhere = sum(n.domain == ML and n.op_type in TREE_OPERATORS for n in nodes_of(model.graph))
    if not found:
        raise refuse("a model must have a tree operator", place, hint=f"Known: {', '.join(TREE_OPERATORS)}.")
    if everywhere != len(found):
        raise refuse("tree operators must stand outside of subgraphs", place, everywhere - len(found))
    return found


def _upgrade(model: onnx.ModelProto, place: str) -> onnx.ModelProto:
    """Bring the default domain to the opset that the encoding needs."""
    version = max((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if version == 0:
        model.opset_import.add(domain="", version=LOWEST_OPSET)
    elif version < LOWEST_OPSET:
        try:
            model = version_converter.convert_version(model, LOWEST_OPSET)
        except Exception as e:  # onnx raises bare C++ errors of several kinds
            raise refuse(
                f"the opset must be {LOWEST_OPSET}, or onnx must know how to raise it",
                place,
                str(e),
                "Export the model with a newer target_opset.",
            ) from None
    model.ir_version = max(model.ir_version, LOWEST_IR)
    return model


def _columns(known: ValueType | None, place: str) -> int:
    """Columns of an operator's input, 0 where they are not known."""
    if known is None:
        raise refuse(
            "the type of the operator's input must be known",
            place,
            hint="Neither onnx nor onnxruntime knows it: give the values that lead to it a value_info.",
        )
    if known.element != onnx.TensorProto.FLOAT:
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        raise refuse("the operator's input must be float32", place, names.get(known.element, known.element))
    if known.sizes is None:
        raise refuse("the rank of the operator's input must be known", place)
    if len(known.sizes) != 2:
        raise refuse("the operator's input must be [N, F]", place, len(known.sizes))
    return known.sizes[1]


def _prefix(index: int, model: onnx.ModelProto) -> str:
    """A start of names that no name of the model has."""
    names = {n for node in model.graph.node for n in (*node.output, node.name)}
    prefix = f"compact{index}_"
    while any(n.startswith(prefix) for n in names | {t.name for t in model.graph.initializer}):
        prefix = "_" + prefix
    return prefix


def _finish(model: onnx.ModelProto, place: str) -> bytes:
    used = {n.domain for n in nodes_of(model.graph)}
    kept = [o for o in model.opset_import if o.domain in used | {"", "ai.onnx"}]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as e:
        raise refuse("the rewritten model must pass onnx.checker", place, str(e)) from None
    return bytes(model.SerializeToString(deterministic=True))
