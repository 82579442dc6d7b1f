"""The views of a row as operators: the widened row that the walk reads, computed once before it.

All copies of columns are made together, by one IsNaN and one Where; all sets of categories by one
GatherElements. What `forest.views` says in numpy, the operators give to the bit: none of them rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest, columns_used
from gradus_convert.forest.views import CategoryView, FilledView, MissingView, Reading, View, ordered
from gradus_convert.graphs.builder import BOOL, FLOAT, INT32, Columns, Graph
from gradus_convert.graphs.walk_tables import WIDE_SLOTS

__all__ = ["WIDENED_ROWS", "RowPlan", "emit_rows", "plan_rows", "widened"]

WIDENED_ROWS = "widened_rows"
"""The name of the widened rows in a level's graph, float32 [N, W]."""

_NARROW = 255
"""Columns that the tables of a walk name by a byte, the one of leaves apart."""

_LEAST_USED = 0.7
"""Of the columns of whole copies of a row, how many must be looked at."""

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The columns that the trees of a level look at; others are left out.

    Attributes:
        n_features: Columns of the caller's rows.
        filled: The first columns: of the row as they are (a number), or filled views.
        missing: The next.
        categories: The last, by their reading.
    """

    n_features: int
    filled: tuple[int | FilledView, ...]
    missing: tuple[MissingView, ...]
    categories: tuple[CategoryView, ...]

    @property
    def width(self) -> int:
        """Columns of the widened row."""
        return len(self.columns)

    @property
    def columns(self) -> tuple[int | View, ...]:
        """All columns of the widened row."""
        return (*self.filled, *self.missing, *self.categories)

    def of(self, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the widened rows of float32 [N, F], plainly: what the operators must give."""
        result = np.empty((len(X), self.width), np.float32)
        for i, column in enumerate(self.columns):
            result[:, i] = X[:, column] if isinstance(column, int) else column.of(X[:, column.column])
        return result


def plan_rows(forests: Sequence[Forest]) -> tuple[RowPlan | None, list[Forest]]:
    """Plan the widened row of some forests.

    Args:
        forests: All for rows of as many columns.

    Returns:
        The plan, and the forests as they look at its rows, without views. None and the forests themselves
        where they have no views.
    """
    if not any(f.views for f in forests):
        return None, list(forests)
    n_features = forests[0].n_features
    seen = [_looked_at(f) for f in forests]
    own = {i for columns in seen for i in columns.values() if isinstance(i, int)}
    views = ordered([v for columns in seen for v in columns.values() if not isinstance(v, int)])
    if not views:
        return None, [replace(f, views=()) if f.views else f for f in forests]
    filled = [v for v in views if isinstance(v, FilledView)]
    plan = RowPlan(
        n_features,
        _copies([*sorted(own), *filled], n_features, len(views) - len(filled)),
        tuple(v for v in views if isinstance(v, MissingView)),
        tuple(v for r in get_args(Reading) for v in views if isinstance(v, CategoryView) and v.reading == r),
    )
    number = {column: i for i, column in enumerate(plan.columns)}
    bare = []
    for forest, columns in zip(forests, seen, strict=True):
        new = np.full(forest.n_columns + 1, -1)
        for i, column in columns.items():
            new[i + 1] = number[column]
        feature = new[forest.feature + 1].astype(np.int32)
        bare.append(replace(forest, feature=feature, n_features=plan.width, views=()))
    return plan, bare


def _copies(filled: Sequence[int | FilledView], n_features: int, others: int) -> tuple[int | FilledView, ...]:
    """Return columns and filled views, copy of the row after copy where that leaves few columns idle.

    Whole copies are put side by side, where single columns are gathered, which takes 5 ns each.
    """
    kinds = sorted({() if isinstance(v, int) else (v.fill, v.low, v.high) for v in filled})
    width = len(kinds) * n_features
    if width + others > _NARROW or len(filled) < _LEAST_USED * width:
        return tuple(filled)
    return tuple(FilledView(c, *kind) if kind else c for kind in kinds for c in range(n_features))


def _looked_at(forest: Forest) -> dict[int, int | View]:
    used = columns_used(forest.feature).tolist()
    return {i: i if i < forest.n_features else forest.views[i - forest.n_features] for i in used}


def widened(graph: Graph, features: Columns, forests: Sequence[Forest]) -> tuple[Columns, list[Forest]]:
    """Write the rows that forests look at; the caller's own where they have no views.

    Args:
        graph: Written to.
        features: The caller's rows.
        forests: For such rows.

    Returns:
        The rows, and the forests as they look at them, without views.
    """
    plan, bare = plan_rows(forests)
    return (features if plan is None else emit_rows(graph, features.name, plan)), bare


def emit_rows(graph: Graph, features: str, plan: RowPlan) -> Columns:
    """Write the widened rows. For every float32 row they are the columns of `forest.views.widen`, bit by bit.

    Args:
        graph: Written to.
        features: A value, float32 [N, F].
        plan: What they consist of.
    """
    if len(plan.filled) == plan.width and any(isinstance(v, FilledView) for v in plan.filled):
        return _filled(graph, features, plan, WIDENED_ROWS)
    parts = []
    if plan.filled:
        parts.append(_filled(graph, features, plan))
    if plan.missing:
        parts.append(_missing_or_not(graph, features, plan))
    for reading in get_args(Reading):
        views = [v for v in plan.categories if v.reading == reading]
        if views:
            parts.append(_sets(graph, _categories(graph, features, plan.n_features, reading, views), views))
    if len(parts) == 1:
        graph.op("Identity", parts[0].name, name=WIDENED_ROWS, type=FLOAT, dims=["N", plan.width])
    else:
        names = [p.name for p in parts]
        graph.op("Concat", *names, axis=1, name=WIDENED_ROWS, type=FLOAT, dims=["N", plan.width])
    return Columns(WIDENED_ROWS, plan.width)


def _picked(graph: Graph, features: str, n_features: int, columns: Sequence[int]) -> str:
    """Return some columns of the rows; the rows themselves where they are all, in their order."""
    copies, rest = divmod(len(columns), n_features)
    if not rest and list(columns) == list(range(n_features)) * copies:
        if copies == 1:
            return features
        return graph.op("Concat", *([features] * copies), axis=1, type=FLOAT, dims=["N", copies * n_features])
    which = graph.constant(columns, np.int64)
    return graph.op("Gather", features, which, axis=1, type=FLOAT, dims=["N", len(columns)])


def _row(graph: Graph, values: Sequence[float]) -> str:
    return graph.constant([values], np.float32)


def _absent(graph: Graph, x: str, ranges: Sequence[tuple[float, float]]) -> str:
    """Return which values are missing: NaN, and each column's range where one has any."""
    width = len(ranges)
    nan = graph.op("IsNaN", x, type=BOOL, dims=["N", width])
    if all(low > high for low, high in ranges):
        return nan
    lows, highs = (_row(graph, [r[i] for r in ranges]) for i in (0, 1))
    above = graph.op("GreaterOrEqual", x, lows, type=BOOL, dims=["N", width])
    below = graph.op("LessOrEqual", x, highs, type=BOOL, dims=["N", width])
    inside = graph.op("And", above, below, type=BOOL, dims=["N", width])
    return graph.op("Or", nan, inside, type=BOOL, dims=["N", width])


def _filled(graph: Graph, features: str, plan: RowPlan, name: str | None = None) -> Columns:
    width = len(plan.filled)
    views = [FilledView(v, float("nan")) if isinstance(v, int) else v for v in plan.filled]
    x = _picked(graph, features, plan.n_features, [v.column for v in views])
    if any(isinstance(v, FilledView) for v in plan.filled):
        absent = _absent(graph, x, [(v.low, v.high) for v in views])
        fill = _row(graph, [v.fill for v in views])
        x = graph.op("Where", absent, fill, x, type=FLOAT, dims=["N", width], name=name)
    return Columns(x, width)


def _missing_or_not(graph: Graph, features: str, plan: RowPlan) -> Columns:
    views, width = plan.missing, len(plan.missing)
    x = _picked(graph, features, plan.n_features, [v.column for v in views])
    absent = _absent(graph, x, [(v.low, v.high) for v in views])
    values, others = (_row(graph, [abs(v.value - flip) for v in views]) for flip in (0, 1))
    name = graph.op("Where", absent, values, others, type=FLOAT, dims=["N", width])
    return Columns(name, width)


_Key = tuple[int, tuple[float, ...], float, float]


def _key(view: CategoryView) -> _Key:
    """Views with the same key read one category from a row."""
    return view.column, view.values, view.low, view.high


def _categories(
    graph: Graph, features: str, n_features: int, reading: Reading, views: Sequence[CategoryView]
) -> str:
    """Return the category of each view, int32 [N, S]: -2 if missing, -1 below 0, from its `size` on none."""
    keys = sorted({_key(v) for v in views})
    sizes = {k: max(v.size for v in views if _key(v) == k) for k in keys}
    width = len(keys)
    x = _picked(graph, features, n_features, [k[0] for k in keys])
    if reading == "listed":
        found = [_listed(graph, features, k) for k in keys]
        whole = found[0] if width == 1 else graph.op("Concat", *found, axis=1, type=FLOAT, dims=["N", width])
    else:
        lowest = graph.op("Max", x, graph.constant(-1, np.float32), type=FLOAT, dims=["N", width])
        most = _row(graph, [sizes[k] for k in keys])
        whole = graph.op("Min", lowest, most, type=FLOAT, dims=["N", width])
        if reading == "floored":
            whole = graph.op("Floor", whole, type=FLOAT, dims=["N", width])
    absent = _absent(graph, x, [(k[2], k[3]) for k in keys])
    gone = graph.constant(-2, np.float32)
    whole = graph.op("Where", absent, gone, whole, type=FLOAT, dims=["N", width])
    category = graph.op("Cast", whole, to=INT32, type=INT32, dims=["N", width])
    which = [keys.index(_key(v)) for v in views]
    if which != list(range(width)):
        places = graph.constant(which, np.int64)
        category = graph.op("Gather", category, places, axis=1, type=INT32, dims=["N", len(views)])
    return category


def _listed(graph: Graph, features: str, key: _Key) -> str:
    """Return the place of a column's value among the key's, their number for any other: float32 [N, 1]."""
    column, values, _, _ = key
    x = graph.op("Gather", features, graph.constant([column], np.int64), axis=1, type=FLOAT, dims=["N", 1])
    same = graph.op("Equal", x, _row(graph, values), type=BOOL, dims=["N", len(values)])
    places = _row(graph, [k - len(values) for k in range(len(values))])
    zero = graph.constant(0, np.float32)
    place = graph.op("Where", same, places, zero, type=FLOAT, dims=["N", len(values)])
    total = graph.op("ReduceSum", place, graph.shape(1), keepdims=1, type=FLOAT, dims=["N", 1])
    return graph.op("Add", total, graph.constant(len(values), np.float32), type=FLOAT, dims=["N", 1])


def _sets(graph: Graph, category: str, views: Sequence[CategoryView]) -> Columns:
    """Look up the side of each view's category in the tables of all, one after the other."""
    width = len(views)
    starts = np.cumsum([0, *(len(v.sides) for v in views)])
    sizes = graph.constant([[v.size for v in views]], np.int32)
    first = graph.constant((starts[:-1] + 2)[None], np.int32)
    inside = graph.op("Min", category, sizes, type=INT32, dims=["N", width])
    place = graph.op("Add", inside, first, type=INT32, dims=["N", width])
    flat = graph.op("Reshape", place, graph.shape(-1), type=INT32, dims=[f"{width}N"])
    sides = np.frombuffer(b"".join(v.sides for v in views), np.uint8)
    small = len(sides) <= WIDE_SLOTS
    table = graph.constant(sides, np.float32 if small else np.uint8, f"sides_{views[0].reading}")
    found = graph.op("GatherElements", table, flat, axis=0)
    if not small:
        found = graph.op("Cast", found, to=FLOAT, type=FLOAT, dims=[f"{width}N"])
    name = graph.op("Reshape", found, graph.shape(-1, width), type=FLOAT, dims=["N", width])
    return Columns(name, width)
