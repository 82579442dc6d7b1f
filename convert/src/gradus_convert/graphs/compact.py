"""The compact encoding: all trees walked together, level by level, by plain tensor operators.

In onnxruntime a one-dimensional `GatherElements` costs about 0.6 ns an element where the tree operators pay
attribute lists, copies and pointers; the tables are initialisers that nothing is built from at load. One
step:

    column = GatherElements(columns, slot); x = GatherElements(row, column)
    right = x > GatherElements(thresholds, slot)
    slot = (2 slot, or GatherElements(left, slot)) + right

`If` chooses between a branch for one row, without row offsets, and one for many, whose values are
tree-major [T, N]. `tree_walk` makes a function of it where sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
from onnx import helper

from gradus_convert.graphs.builder import BOOL, DOUBLE, FLOAT, INT32, INT64, Columns, Graph, Shape
from gradus_convert.graphs.plan import SumPlan, TreeRun, Vectors
from gradus_convert.graphs.walk_tables import SCALE
from gradus_runtime.contracts.graph import ONE_ROW

__all__ = ["Keep", "Sums", "choose_branch", "emit_sums", "scaled", "widths"]

_Piece = tuple[TreeRun, str]
"""A run and the payloads of its trees."""

Keep = Callable[[npt.ArrayLike, npt.DTypeLike, str], str]
"""Takes a table, its type and its name; returns the value under which the walk finds it."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Values of a walk.

    Attributes:
        sums: Side by side float32 [N, R], or float64 if they are exact.
        leaves: int32 [N, T], or None where not asked for.
    """

    sums: tuple[Columns, ...]
    leaves: str | None


def emit_sums(graph: Graph, features: str, plan: SumPlan, *, leaves: bool = False) -> Sums:
    """Write the walk.

    For every row of finite float32 `leaves` are those of `ir.leaves`, forest after forest, and `sums` are the
    sums of the payloads of `plan`: in float32, or in float64 if they are fixed-point numbers, and then exact.
    For any number of rows, and NaN as `plan.tables.copies` says.

    Args:
        graph: Written to.
        features: A value, float32 [N, F].
        plan: What to walk and sum.
        leaves: Whether to output leaves as well.
    """
    parts, found = choose_branch(graph, _copies(graph, features, plan), plan, graph.constant, leaves=leaves)
    for part in parts:
        graph.describe(part.name, DOUBLE if plan.exact else FLOAT, ["N", part.width])
    return Sums(parts, found)


def choose_branch(
    graph: Graph,
    copies: Sequence[str],
    plan: SumPlan,
    keep: Keep,
    *,
    leaves: bool = False,
    names: Sequence[str] | None = None,
) -> tuple[tuple[Columns, ...], str | None]:
    """Write the walk for one row, that for many, and the choice between them.

    Args:
        graph: Written to.
        copies: The rows as the walk looks at them, float32 [N, F].
        plan: What to walk and sum.
        keep: Stores a table.
        leaves: Whether to output leaves as well.
        names: Of the outputs; by default they are counted.

    Returns:
        As `Sums` has them.
    """
    branches = []
    for kind in (_OneRow, _ManyRows):
        walk = kind(graph.branch(kind.prefix), plan, copies, keep)
        ends = walk.walk()
        sums = walk.sums(ends)
        outputs = [helper.make_tensor_value_info(part.name, walk.type, None) for part in sums]
        if leaves:
            outputs.append(helper.make_tensor_value_info(walk.leaves(ends), INT32, None))
        branches.append(walk.graph.as_subgraph(kind.title, outputs))
    width = graph.constant(plan.tables.n_features, np.int64)
    one = graph.op("Equal", graph.op("Size", copies[0]), width, type=BOOL, dims=[])
    count = len(sums) + leaves
    results = graph.split_op(
        "If", [one], count, names=names, then_branch=branches[0], else_branch=branches[1]
    )
    parts = tuple(Columns(name, part.width) for name, part in zip(results, sums, strict=False))
    return parts, results[-1] if leaves else None


def _copies(graph: Graph, features: str, plan: SumPlan) -> list[str]:
    """Return the rows as the walk looks at them, or two such copies."""
    kind, width = plan.tables.copies, plan.tables.n_features
    if kind == "plain":
        return [features]
    if kind == "scaled":
        return [scaled(graph, features, width)]
    right = _nan_to_infinity(graph, features, width)
    return [right] if kind == "right" else [features, right]


def scaled(graph: Graph, rows: str, width: int, name: str | None = None) -> str:
    """Multiply rows by `SCALE`."""
    scale = graph.constant(SCALE, np.float32)
    return graph.op("Mul", rows, scale, type=FLOAT, dims=["N", width], name=name)


def _nan_to_infinity(graph: Graph, rows: str, width: int) -> str:
    missing = graph.op("IsNaN", rows, type=BOOL, dims=["N", width])
    infinity = graph.constant(np.inf, np.float32)
    return graph.op("Where", missing, infinity, rows, type=FLOAT, dims=["N", width])


def widths(plan: SumPlan) -> tuple[int, ...]:
    """Return how many columns each value of the sums of a plan has."""
    runs = sorted((run for runs in plan.runs for run in runs), key=lambda run: run.first)
    groups = groupby(enumerate((run, "") for run in runs), _alike)
    return tuple(sum(run.outputs for _, (run, _) in group) for _, group in groups)


def _alike(numbered: tuple[int, _Piece]) -> int:
    """What neighbouring pieces have in common that one operator can sum: as many trees for each output."""
    place, (run, _) = numbered
    return run.trees // run.outputs if run.vectors is None else -1 - place


class _OneRow:
    """The branch for one row: slots are [T]."""

    prefix, title = "one_", ONE_ROW

    def __init__(self, graph: Graph, plan: SumPlan, copies: Sequence[str], keep: Keep) -> None:
        self.graph, self.plan, self.tables, self._keep = graph, plan, plan.tables, keep
        self.type = DOUBLE if plan.exact else FLOAT
        self.row = self._row(copies)

    def _row(self, copies: Sequence[str]) -> str:
        """Return one flat row of copies, each with the column of -inf that leaves look at."""
        g, features = self.graph, self.tables.n_features
        lowest = g.constant([-np.inf], np.float32)
        parts: list[str] = []
        for copy in copies:
            parts += [g.op("Reshape", copy, g.shape(-1), type=FLOAT, dims=[features]), lowest]
        return g.op("Concat", *parts, axis=0, type=FLOAT, dims=[self.tables.n_columns])

    def _flat(self, trees: int) -> int | str:
        """The length of a flat value of so many trees."""
        return trees

    def _table(self, name: str, level: int) -> str:
        """Store the column of a table (or the children) that a level's slots are in, at the first call."""
        top = level < self.tables.heap
        value = self.tables.left if name == "left" else getattr(self.tables.level(level), name)
        kind = np.int32 if name == "column" and level == 0 else value.dtype
        return self._keep(value, kind, f"{name}{level if top else ''}")

    def _gather(self, table: str, slot: str, trees: int, type: int) -> str:  # noqa: A002  ONNX's own word
        return self.graph.op("GatherElements", table, slot, axis=0, type=type, dims=[self._flat(trees)])

    def _add(self, a: str, b: str, trees: int) -> str:
        return self.graph.op("Add", a, b, type=INT32, dims=[self._flat(trees)])

    def _right(self, x: str, threshold: str, trees: int) -> str:
        right = self.graph.op("Greater", x, threshold, type=BOOL, dims=[self._flat(trees)])
        return self.graph.op("Cast", right, to=INT32, type=INT32, dims=[self._flat(trees)])

    def _roots(self) -> str:
        """The first step: the roots' columns and thresholds are constants, not gathered."""
        trees = self.tables.n_trees
        x = self._gather(self.row, self._table("column", 0), trees, FLOAT)
        return self._add(self._right(x, self._table("threshold", 0), trees), self._root_children(), trees)

    def _root_children(self) -> str:
        return self.graph.constant(2 * np.arange(self.tables.n_trees), np.int32, "root_child")

    def _column(self, slot: str, level: int, trees: int) -> str:
        """Where in `row` the splits at `slot` look."""
        table, kind = self._table("column", level), self.tables.level(level).column.dtype
        if kind == np.int32:
            return self._gather(table, slot, trees, INT32)
        column = self._gather(table, slot, trees, helper.np_dtype_to_tensor_dtype(kind))
        return self.graph.op("Cast", column, to=INT32, type=INT32, dims=[self._flat(trees)])

    def _step(self, slot: str, level: int, trees: int) -> str:
        x = self._gather(self.row, self._column(slot, level, trees), trees, FLOAT)
        threshold = self._gather(self._table("threshold", level), slot, trees, FLOAT)
        right = self._right(x, threshold, trees)
        if level < self.tables.heap:
            child = self._add(slot, slot, trees)
        else:
            child = self._gather(self._table("left", level), slot, trees, INT32)
        return self._add(child, right, trees)

    def walk(self) -> list[str]:
        """Return the slots at which the trees of each stage end."""
        slot, level, trees = self._roots(), 1, self.tables.n_trees
        ends: list[str] = []
        for stage in reversed(self.tables.stages):
            while level < stage.steps:
                slot = self._step(slot, level, trees)
                level += 1
            if stage.trees < trees:
                trees -= stage.trees
                slot, done = self._cut(slot, [trees, stage.trees])
                ends.insert(0, done)
        return [slot, *ends]

    def _cut(self, slot: str, sizes: list[int]) -> list[str]:
        return self.graph.cut(slot, sizes)

    def sums(self, ends: list[str]) -> list[Columns]:
        """Return the sums, side by side."""
        pieces: list[_Piece] = []
        for stage, runs, end in zip(self.tables.stages, self.plan.runs, ends, strict=True):
            payload = self._gather(self._table("threshold", stage.steps), end, stage.trees, FLOAT)
            parts = [payload] if len(runs) == 1 else self._cut(payload, [r.trees for r in runs])
            pieces += zip(runs, parts, strict=True)
        pieces.sort(key=lambda piece: piece[0].first)
        together = ([piece for _, piece in group] for _, group in groupby(enumerate(pieces), _alike))
        return [self._joined(group) for group in together]

    def _joined(self, pieces: list[_Piece]) -> Columns:
        """Return the sums of neighbouring runs of one kind, by one operator for all of them."""
        runs, payloads = zip(*pieces, strict=True)
        if len(runs) == 1:
            return Columns(self._total(runs[0], payloads[0]), runs[0].outputs)
        outputs, trees = sum(r.outputs for r in runs), sum(r.trees for r in runs)
        payload = self.graph.op("Concat", *payloads, axis=0, type=FLOAT, dims=[self._flat(trees)])
        return Columns(self._total(TreeRun(runs[0].first, outputs, trees, None), payload), outputs)

    def _total(self, run: TreeRun, payload: str) -> str:
        """Return the sums of a run, [N, outputs]."""
        if run.vectors is None:
            return self._values(run, payload)
        return self._rows(run, run.vectors, payload)

    def _summed(self, payload: str, trees: int) -> str:
        """Return payloads in the type in which they are summed: fixed-point numbers are exact in both."""
        if not self.plan.exact:
            return payload
        return self.graph.op("Cast", payload, to=DOUBLE, type=DOUBLE, dims=[self._flat(trees)])

    def _values(self, run: TreeRun, payload: str) -> str:
        g, dims = self.graph, [1, run.outputs, run.trees // run.outputs]
        split = g.op("Reshape", self._summed(payload, run.trees), g.shape(*dims), type=self.type, dims=dims)
        return g.op("ReduceSum", split, g.shape(2), keepdims=0, type=self.type, dims=[1, run.outputs])

    def _rows(self, run: TreeRun, vectors: Vectors, payload: str) -> str:
        rows = self._vectors(run, vectors, payload, [run.trees])
        if self.plan.exact:
            return self.graph.total(rows, 0, keepdims=1)
        ones = self.graph.constant(np.ones((1, run.trees)), np.float32)
        return self.graph.op("MatMul", ones, rows, type=FLOAT, dims=[1, run.outputs])

    def _vectors(self, run: TreeRun, vectors: Vectors, payload: str, dims: Shape) -> str:
        dtype = np.float64 if self.plan.exact else np.float32
        table = self._keep(vectors, dtype, f"vectors{run.first}")
        ids = self.graph.op("Cast", payload, to=INT32, type=INT32, dims=dims)
        return self.graph.op("Gather", table, ids, axis=0, type=self.type, dims=[*dims, run.outputs])

    def leaves(self, ends: list[str]) -> str:
        """Return the nodes, int32 [N, T], in the order of the forests."""
        g = self.graph
        parts = [
            g.op("GatherElements", self._table("node", stage.steps), end, axis=0)
            for stage, end in zip(self.tables.stages, ends, strict=True)
        ]
        nodes = parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=0)
        by_tree = g.op("Reshape", nodes, g.shape(self.tables.n_trees, -1))
        order = g.constant(self.plan.leaf_order, np.int64, "leaf_order")
        return g.op("Transpose", g.op("Gather", by_tree, order, axis=0), perm=[1, 0])


class _ManyRows(_OneRow):
    """The branch for many rows: slots are flat [T * N], tree after tree."""

    prefix, title = "many_", "many_rows"

    def _row(self, copies: Sequence[str]) -> str:
        g, width = self.graph, self.tables.n_columns
        pad, lowest = g.shape(0, 0, 0, 1), g.constant(-np.inf, np.float32)
        dims: Shape = ["N", self.tables.n_features + 1]
        parts = [g.op("Pad", copy, pad, lowest, type=FLOAT, dims=dims) for copy in copies]
        row = parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1, type=FLOAT, dims=["N", width])
        size = g.op("Cast", g.op("Size", row), to=INT32, type=INT32, dims=[])
        starts = [g.constant(0, np.int32), size, g.constant(width, np.int32)]
        self.starts = g.op("Range", *starts, type=INT32, dims=["N"])
        self.count = g.op("Shape", self.starts, type=INT64, dims=[1])
        self.by_column = g.op("Transpose", row, perm=[1, 0], type=FLOAT, dims=[width, "N"])
        self.offsets: dict[int, str] = {}
        return g.op("Reshape", row, g.shape(-1), type=FLOAT, dims=[self._flat(width)])

    def _flat(self, trees: int) -> int | str:
        return f"{trees}N"

    def _flatten(self, value: str, trees: int) -> str:
        return self.graph.op("Reshape", value, self.graph.shape(-1), type=INT32, dims=[self._flat(trees)])

    def _roots(self) -> str:
        trees, g = self.tables.n_trees, self.graph
        upright = g.shape(trees, 1)
        thresholds = g.op("Reshape", self._table("threshold", 0), upright, type=FLOAT, dims=[trees, 1])
        children = g.op("Reshape", self._root_children(), upright, type=INT32, dims=[trees, 1])
        dims: Shape = [trees, "N"]
        x = g.op("Gather", self.by_column, self._table("column", 0), axis=0, type=FLOAT, dims=dims)
        right = g.op("Greater", x, thresholds, type=BOOL, dims=dims)
        right = g.op("Cast", right, to=INT32, type=INT32, dims=dims)
        return self._flatten(g.op("Add", right, children, type=INT32, dims=dims), trees)

    def _column(self, slot: str, level: int, trees: int) -> str:
        return self._add(super()._column(slot, level, trees), self._offset(trees), trees)

    def _offset(self, trees: int) -> str:
        """Where each row starts, repeated for every tree: int32 [T * N]."""
        if trees not in self.offsets:
            g = self.graph
            shape = g.op("Concat", g.shape(trees), self.count, axis=0, type=INT64, dims=[2])
            repeated = g.op("Expand", self.starts, shape, type=INT32, dims=[trees, "N"])
            self.offsets[trees] = self._flatten(repeated, trees)
        return self.offsets[trees]

    def _cut(self, slot: str, sizes: list[int]) -> list[str]:
        by_tree = self.graph.op("Reshape", slot, self.graph.shape(sum(sizes), -1))
        parts = self.graph.cut(by_tree, sizes)
        return [self.graph.op("Reshape", p, self.graph.shape(-1)) for p in parts]

    def _joined(self, pieces: list[_Piece]) -> Columns:
        """Sum the runs one by one: here their payloads are large, and a copy costs more than an operator."""
        sums = [Columns(self._total(run, payload), run.outputs) for run, payload in pieces]
        return Columns(self.graph.join(sums), sum(part.width for part in sums))

    def _values(self, run: TreeRun, payload: str) -> str:
        shape = self.graph.shape(run.outputs, run.trees // run.outputs, -1)
        split = self.graph.op("Reshape", self._summed(payload, run.trees), shape)
        total = self.graph.total(split, 1)
        return self.graph.op("Transpose", total, perm=[1, 0], type=self.type, dims=["N", run.outputs])

    def _rows(self, run: TreeRun, vectors: Vectors, payload: str) -> str:
        dims: Shape = [run.trees, "N"]
        by_tree = self.graph.op("Reshape", payload, self.graph.shape(run.trees, -1), type=FLOAT, dims=dims)
        return self.graph.total(self._vectors(run, vectors, by_tree, dims), 0)
