"""A model of values, such as a regressor, as one self-contained graph.

In the compact encoding the sums are whole numbers, exact in any order, and the link follows in the operators
of `arithmetic`: the 32 bits of a value are the same everywhere. Tree operators add up in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from onnx import helper

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import VALUE_LINKS, Forest
from gradus_convert.graphs.arithmetic import Arithmetic, as_nodes, in_numpy
from gradus_convert.graphs.builder import FLOAT, INT32, Columns, Graph
from gradus_convert.graphs.encoding import choose_encoding
from gradus_convert.graphs.exact_vote import ExactBallot, exponential
from gradus_convert.graphs.fixed_point import LEAST_BITS, FixedPoint, fixed_point
from gradus_convert.graphs.level_graph import LEAVES, finish, with_bases
from gradus_convert.graphs.plan import plan_sums
from gradus_convert.graphs.powers import PER_UNIT
from gradus_convert.graphs.tree_walk import emit_walk
from gradus_convert.graphs.treeops import emit_tree_operators, without_fills
from gradus_convert.graphs.types import Encoding, Front, LevelGraph
from gradus_convert.graphs.widened_row import widened
from gradus_runtime.contracts.graph import INPUT
from gradus_runtime.contracts.manifest import CLOSE, EXACT

__all__ = ["VALUES", "build_values", "exact_values", "value_sums"]

VALUES = "values"

Value = TypeVar("Value")


def build_values(
    forest: Forest,
    *,
    encoding: Encoding,
    metadata: Mapping[str, str],
    leaves: bool = False,
    front: Front | None = None,
) -> LevelGraph:
    """Compile a forest of values: input `features` float32 [N, F], output `values` float32 [N, K].

    For every row that the forest has views for (finite float32 where it has none) each tree ends at the leaf
    that `ir.leaves` gives. Values are those of `exact_values` in the compact encoding; with tree operators
    the link of a sum in float32.

    Args:
        forest: With a link of `VALUE_LINKS`.
        encoding: Of the trees.
        metadata: Goes into `metadata_props`.
        leaves: Likewise.
        front: Likewise.

    Raises:
        InexactModelError: It has another link, or no exact form.
    """
    if forest.link not in VALUE_LINKS:
        raise InexactModelError("a link must be one of values", place="graphs.values", value=forest.link)
    chosen = choose_encoding([forest], encoding=encoding, alone=True)
    graph, width = Graph(), forest.n_outputs
    source = INPUT if front is None else front.emit(graph)
    seen, nan_left = forest, None
    if chosen == "treeops" and (plain := without_fills(forest)):
        seen, nan_left = plain
    rows, (bare,) = widened(graph, Columns(source, forest.n_features), [seen])
    if chosen == "compact":
        fixed = value_sums(forest)
        plan = plan_sums([bare], rows.width, fixed=[fixed])
        result = emit_walk(graph, rows.name, plan, leaves=leaves)
        answer = _link(as_nodes(graph), graph.join(result.sums), fixed, forest.link)
        graph.op("Cast", answer, to=FLOAT, type=FLOAT, dims=["N", width], name=VALUES)
    else:
        result = emit_tree_operators(
            graph, rows.name, [bare], encoding=chosen, leaves=leaves, nan_left=nan_left
        )
        sums = graph.join(with_bases(graph, result.sums, [forest]))
        _float_link(graph, Columns(sums, width), forest.link)
    outputs = [helper.make_tensor_value_info(VALUES, FLOAT, ["N", width])]
    if result.leaves is not None:
        graph.op("Identity", result.leaves, name=LEAVES)
        outputs.append(helper.make_tensor_value_info(LEAVES, INT32, ["N", forest.n_trees]))
    inputs = [helper.make_tensor_value_info(INPUT, FLOAT, ["N", forest.n_features])]
    if front is not None:
        inputs = front.inputs()
    model, opsets = finish(graph.as_graph("values", inputs, outputs), graph.functions, metadata, chosen)
    return LevelGraph(model, chosen, opsets, EXACT if chosen == "compact" else CLOSE)


def value_sums(forest: Forest) -> FixedPoint:
    """Return the sums of a forest of values as whole numbers."""
    exponent = forest.link in ("exp", "logistic")
    unit, least = (PER_UNIT, LEAST_BITS) if exponent else (1.0, None)
    return fixed_point(forest, unit, place="model", least_bits=least)


def exact_values(sums: npt.NDArray[np.int64], fixed: FixedPoint, link: str) -> npt.NDArray[np.float32]:
    """Return the values that a graph must give, to the bit: float32 [N, K], of sums without their base."""
    with np.errstate(over="ignore", under="ignore"):
        return _link(in_numpy(), fixed.value(sums), fixed, link).astype(np.float32)


def _link(ops: Arithmetic[Value], value: Value, fixed: FixedPoint, link: str) -> Value:
    """Apply the link in float64. Of exp, what is beyond 2^100 or below 2^-100 is cut to it."""
    if link in ("exp", "logistic"):
        columns = tuple(range(len(fixed.base)))
        e = exponential(ops, value, [ExactBallot(link, fixed, 1.0, columns)])
        return e if link == "exp" else ops.apply("Div", e, ops.apply("Add", e, ops.constant(1.0)))
    if fixed.base.any():
        value = ops.apply("Add", value, ops.constant(fixed.value(fixed.base)[None]))
    if link == "square":
        size = ops.apply("Max", value, ops.apply("Sub", ops.constant(0.0), value))
        return ops.apply("Mul", value, size)
    return value


def _float_link(graph: Graph, sums: Columns, link: str) -> None:
    operator = {"exp": "Exp", "logistic": "Sigmoid", "identity": "Identity"}.get(link)
    if operator is None:
        graph.op("Mul", sums.name, graph.op("Abs", sums.name), name=VALUES)
    else:
        graph.op(operator, sums.name, name=VALUES)
