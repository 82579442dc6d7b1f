"""The one function that a published graph may hold: the walk, with the very body that the compiler emits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from gradus_convert.graphs.plan import SumPlan, TreeRun
from gradus_convert.graphs.tree_walk import walk_call
from gradus_convert.graphs.walk_tables import DEEPEST, SlotTable, Stage, WalkTables
from gradus_runtime.contracts.graph import TREE_WALK, WALK_DOMAIN
from gradus_runtime.errors import IntegrityError

__all__ = ["check_walk"]

_MOST_HEAP_LEVELS = 16
_COLUMNS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.int32))
_FLOAT32, _FLOAT64, _INT32 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32)
_Arrays = Mapping[str, npt.NDArray[Any]]


def check_walk(model: onnx.ModelProto, place: str) -> None:
    """Check the function of a graph, its call, and the tables that the call is given.

    Args:
        model: The graph's file. A model without functions is fine.
        place: How errors name it.

    Raises:
        IntegrityError: It has another function than the walk, or another body than the compiler's; or a table
            leads beyond another.
    """
    if not model.functions:
        return
    found = [(f.domain, f.name) for f in model.functions]
    _need(found == [(WALK_DOMAIN, TREE_WALK)], "a graph's only function must be the walk", place, found)
    calls = [n for n in model.graph.node if n.domain == WALK_DOMAIN]
    _need(len(calls) == 1, "a graph must call its walk once", place, len(calls))
    (call,) = calls
    constants = {t.name: t for t in model.graph.initializer}
    unknown = [name for name in call.input[1:] if name not in constants]
    _need(len(call.input) > 1 and not unknown, "the walk's tables must be constants", place, unknown)
    tables = {name: numpy_helper.to_array(constants[name]) for name in call.input[1:]}
    expected = walk_call(call.input[0], _plan(call, tables, place))
    same = expected.node == call and list(expected.tables) == list(tables)
    _need(same, "the walk must be called as the compiler calls it", place, call.op_type)
    body = "the walk must have exactly the body that the compiler emits"
    _need(expected.function == model.functions[0], body, place, TREE_WALK)


def _need(holds: bool, rule: str, place: str, value: object = None) -> None:
    if not holds:
        raise IntegrityError(rule, place=place, value=value)


def _plan(call: onnx.NodeProto, tables: _Arrays, place: str) -> SumPlan:
    """Rebuild what was compiled from the attributes and the tables of a call."""
    columns, heap = (_whole(call, name, place) for name in ("columns", "heap"))
    trees, steps, counts = (_list(call, f"stage_{name}", place) for name in ("trees", "steps", "runs"))
    fits = len(trees) == len(steps) == len(counts) > 0 and max(steps) <= DEEPEST
    _need(fits, f"each stage must have trees, runs, and at most {DEEPEST} steps", place, steps)
    rule = "the steps of the stages must fall"
    _need(all(a > b for a, b in pairwise(steps)), rule, place, steps)
    rule = f"the heap must have from 1 to {_MOST_HEAP_LEVELS} levels, and no more than there are steps"
    _need(1 <= heap <= min(_MOST_HEAP_LEVELS, max(steps)), rule, place, heap)
    stages = tuple(Stage((), t, s) for t, s in zip(trees, steps, strict=True))
    walked = [sum(s.trees for s in stages if s.steps >= level) for level in range(heap + 1)]
    top = tuple(_level(tables, level, walked[level] << level, columns, place) for level in range(heap))
    bottom, left = _bottom(tables, walked[heap] << heap, max(steps) > heap, columns, place)
    laid_out = WalkTables(top, bottom, left, stages, columns, "plain")
    return SumPlan(laid_out, _runs(call, tables, stages, counts, place), np.zeros(0, np.int64), exact=True)


def _level(tables: _Arrays, level: int, slots: int, columns: int, place: str) -> SlotTable:
    column = _table(tables, f"column{level}", _COLUMNS if level else (_INT32,), (slots,), place)
    threshold = _table(tables, f"threshold{level}", (_FLOAT32,), (slots,), place)
    _inside(column, columns, f"column{level}", place)
    return SlotTable(threshold, column, np.zeros(0, np.int32))


def _bottom(
    tables: _Arrays, first: int, walked: bool, columns: int, place: str
) -> tuple[SlotTable, npt.NDArray[np.int32]]:
    threshold = _table(tables, "threshold", (_FLOAT32,), (None,), place)
    _need(len(threshold) >= first, f"`threshold` must have at least {first} slots", place, len(threshold))
    nothing = np.zeros(0, np.int32)
    if not walked:
        return SlotTable(threshold, nothing, nothing), nothing
    column = _table(tables, "column", _COLUMNS, (None,), place)
    left = _table(tables, "left", (_INT32,), (len(column),), place)
    fits = first <= len(column) <= len(threshold)
    _need(fits, "`column` must have the slots that are left again", place, len(column))
    _inside(column, columns, "column", place)
    # where it is the child of a split, the slot after it is the other child
    ends = left.astype(np.int64) + (column != columns)
    _inside(left, len(threshold) - 1, "left", place)
    _need(bool((ends < len(threshold)).all()), "`left` must lead to slots", place, int(ends.max(initial=0)))
    return SlotTable(threshold, column, nothing), left


def _inside(table: npt.NDArray[Any], last: int, name: str, place: str) -> None:
    good = not table.size or (int(table.min()) >= 0 and int(table.max()) <= last)
    _need(good, f"`{name}` must be from 0 to {last}", place, (table.min(initial=0), table.max(initial=0)))


def _runs(
    call: onnx.NodeProto, tables: _Arrays, stages: Sequence[Stage], counts: Sequence[int], place: str
) -> tuple[tuple[TreeRun, ...], ...]:
    first, outputs, trees, vectors = (
        _list(call, f"run_{name}", place, least=least)
        for name, least in (("first", 0), ("outputs", 1), ("trees", 1), ("vectors", 0))
    )
    fits = len(first) == len(outputs) == len(trees) == len(vectors) == sum(counts)
    _need(fits, "the stages must have the runs that there are", place, list(counts))
    rule = "runs of values must have as many trees for each of their outputs"
    even = all(v in (0, 1) and (v or t % o == 0) for v, t, o in zip(vectors, trees, outputs, strict=True))
    _need(even, rule, place, trees)
    order = sorted(range(len(first)), key=first.__getitem__)
    ends = np.cumsum([0, *(outputs[i] for i in order)]).tolist()
    _need([first[i] for i in order] == ends[:-1], "runs must fill the sums side by side", place, first)
    runs = []
    for f, o, t, v in zip(first, outputs, trees, vectors, strict=True):
        table = _table(tables, f"vectors{f}", (_FLOAT64,), (None, o), place) if v else None
        runs.append(TreeRun(f, o, t, table))
    starts = np.cumsum([0, *counts]).tolist()
    by_stage = tuple(tuple(runs[a:b]) for a, b in pairwise(starts))
    whole = all(sum(r.trees for r in part) == s.trees for part, s in zip(by_stage, stages, strict=True))
    _need(whole, "the runs of a stage must have its trees", place, trees)
    return by_stage


def _table(
    tables: _Arrays, name: str, kinds: Sequence[np.dtype[Any]], shape: tuple[int | None, ...], place: str
) -> npt.NDArray[Any]:
    table = tables.get(name)
    if table is None:
        raise IntegrityError("the walk must have all its tables", place=place, value=name)
    right = table.ndim == len(shape) and all(w in (None, n) for w, n in zip(shape, table.shape, strict=True))
    rule = f"`{name}` must have the shape {shape} and a type of {[k.name for k in kinds]}"
    _need(right and table.dtype in kinds, rule, place, (table.shape, table.dtype.name))
    return table


def _whole(call: onnx.NodeProto, name: str, place: str) -> int:
    values = [a.i for a in call.attribute if a.name == name and a.type == onnx.AttributeProto.INT]
    _need(len(values) == 1 and values[0] > 0, f"the walk must have a number `{name}`", place, values)
    return int(values[0])


def _list(call: onnx.NodeProto, name: str, place: str, least: int = 1) -> list[int]:
    found = [a for a in call.attribute if a.name == name and a.type == onnx.AttributeProto.INTS]
    values = [int(v) for v in helper.get_attribute_value(found[0])] if len(found) == 1 else []
    good = 0 < len(values) <= 1 << 16 and min(values) >= least and math.fsum(values) < 1 << 31
    _need(good, f"the walk must have numbers `{name}` of at least {least}", place, values[:8])
    return values
