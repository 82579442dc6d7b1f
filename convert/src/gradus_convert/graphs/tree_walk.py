"""The exact walk as a function of the file, `gradus::TreeWalk1`, whose body is the walk in plain operators.

Every onnxruntime puts the body in the place of the call. Where a library has registered an operator of this
domain and name, onnxruntime uses it instead: so a native kernel can stand beside the file (docs/kernels.md).
It matches by domain and name alone, so the version is part of the name: a number once given to a meaning is
never given to another.

`sums = TreeWalk1(rows, tables...)`, with a walk as `walk_tables` lays it out:

* rows: float32 [N, columns], what the walk compares.
* tables, in this order: for each level l of the heap `column{l}` and `threshold{l}`; `threshold`, and if any
  tree is walked below the heap, `column` and `left`; for each run of vectors, in the order of the stages, its
  vectors. Columns are uint8, uint16 or int32 ([0]: int32), thresholds float32, `left` int32, vectors float64.
* sums: float64 [N, widths[k]], side by side the sums of all runs, exact in any order: every payload is a
  whole number of some power of two, and no sum reaches 2^53 of them.

Attributes: `columns`, of the rows; `heap`, its levels; `stage_trees`, `stage_steps` and `stage_runs` (their
number) of each stage; `run_first` (its first column among the sums), `run_outputs`, `run_trees` and
`run_vectors` (1 where payloads are rows of vectors) of each run, stage after stage; `widths`.

Call and body use the same names for inputs and outputs, so that the body can be put into the graph as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from gradus_convert.graphs.builder import DOUBLE, Columns, Graph
from gradus_convert.graphs.compact import Sums, choose_branch, scaled, widths
from gradus_convert.graphs.plan import SumPlan
from gradus_runtime.contracts.graph import TREE_WALK, WALK_DOMAIN

__all__ = ["WalkCall", "emit_walk", "walk_call"]

_LEAVES = "walk_leaves"


@dataclass(frozen=True, slots=True, eq=False)
class WalkCall:
    """A call of the function, and the function.

    Attributes:
        node: The call.
        function: Its body.
        tables: What the call is given besides the rows, by name, in order.
        widths: Of the outputs that are sums.
    """

    node: onnx.NodeProto
    function: onnx.FunctionProto
    tables: Mapping[str, npt.NDArray[Any]]
    widths: tuple[int, ...]


def emit_walk(graph: Graph, features: str, plan: SumPlan, *, leaves: bool = False) -> Sums:
    """Write a call of the function; the meaning is that of `compact.emit_sums`.

    Args:
        graph: Written to.
        features: A value, float32 [N, F], finite.
        plan: What to walk and sum; exact.
        leaves: Whether to output leaves as well, for a proof.
    """
    width = plan.tables.n_features
    rows = scaled(graph, features, width, "rows") if plan.tables.copies == "scaled" else features
    call = walk_call(rows, plan, leaves=leaves)
    graph.nodes.append(call.node)
    graph.functions.append(call.function)
    for name, table in call.tables.items():
        graph.adopt(name, table)
    parts = tuple(Columns(n, w) for n, w in zip(call.node.output, call.widths, strict=False))
    for part in parts:
        graph.describe(part.name, DOUBLE, ["N", part.width])
    return Sums(parts, _LEAVES if leaves else None)


def walk_call(rows: str, plan: SumPlan, *, leaves: bool = False) -> WalkCall:
    """Return the call of the function for a plan; the same plan gives the same bytes.

    Args:
        rows: The name of the value to walk.
        plan: What to walk and sum; exact, and without copies that take NaN elsewhere.
        leaves: Whether to output leaves as well.
    """
    if not plan.exact or plan.tables.copies not in ("plain", "scaled"):
        raise ValueError("a function walks exact plans whose rows it can take as they are")
    tables = _tables(plan)
    body = Graph("walk_")

    def keep(value: npt.ArrayLike, dtype: npt.DTypeLike, name: str) -> str:
        if name.startswith("node"):  # only a proof asks for the numbers of the leaves
            tables.setdefault(name, np.asarray(value, dtype))
        return name

    attributes = _attributes(plan)
    names = [*(f"sums{k}" for k in range(len(attributes["widths"]))), *([_LEAVES] if leaves else [])]
    choose_branch(body, [rows], plan, keep, leaves=leaves, names=names)
    inputs = [rows, *tables]
    function = body.as_function(WALK_DOMAIN, TREE_WALK, inputs, names, sorted(attributes))
    node = helper.make_node(TREE_WALK, inputs, names, domain=WALK_DOMAIN, **attributes)
    return WalkCall(node, function, tables, widths(plan))


def _tables(plan: SumPlan) -> dict[str, npt.NDArray[Any]]:
    """The inputs after the rows, by name, in their order."""
    tables, result = plan.tables, dict[str, npt.NDArray[Any]]()
    for level, table in enumerate(tables.top):
        result[f"column{level}"] = table.column if level else table.column.astype(np.int32)
        result[f"threshold{level}"] = table.threshold
    result["threshold"] = tables.bottom.threshold
    if max(s.steps for s in tables.stages) > tables.heap:
        result["column"], result["left"] = tables.bottom.column, tables.left
    for run in (run for runs in plan.runs for run in runs):
        if run.vectors is not None:
            result[f"vectors{run.first}"] = np.asarray(run.vectors, np.float64)
    return result


def _attributes(plan: SumPlan) -> dict[str, Any]:
    stages, runs = plan.tables.stages, [run for runs in plan.runs for run in runs]
    return {
        "columns": plan.tables.n_features,
        "heap": plan.tables.heap,
        "stage_trees": [s.trees for s in stages],
        "stage_steps": [s.steps for s in stages],
        "stage_runs": [len(runs) for runs in plan.runs],
        "run_first": [r.first for r in runs],
        "run_outputs": [r.outputs for r in runs],
        "run_trees": [r.trees for r in runs],
        "run_vectors": [int(r.vectors is not None) for r in runs],
        "widths": widths(plan),
    }
