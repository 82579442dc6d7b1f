"""Trees laid out as flat tables for the walk by tensor operators.

A *slot* is a place in a table. All trees of a graph share the tables; the deepest come first.

* The first `heap` levels have a table each, numbered like a heap: tree t has the slots t * 2^l to
  (t + 1) * 2^l - 1 of level l, so the child of slot i is slot 2 i + c of the next table, where c is 1 iff the
  row goes right. No child is stored. A leaf above is repeated at every slot below it.
* Below, one table: first level `heap`, numbered alike; then siblings are neighbours and `left` of their
  parent is the slot of the first: child = left[i] + c. Pairs follow each other depth-first over blocks of
  four levels.
* A leaf looks at the column of -inf, its threshold is its payload, its `left` is itself. -inf > payload never
  holds, so a finished tree stays where it is, and the table of thresholds doubles as the table of payloads.
* Where a threshold is subnormal (XGBoost's `x < 0` has one), row and thresholds are multiplied by 2^24: so a
  processor that takes subnormal numbers for 0 still sends 0 to the right side.
* Slots that only the last step of a walk reaches come last and have a threshold alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, depths

__all__ = ["DEEPEST", "EXACT_LIMIT", "SCALE", "SlotTable", "Stage", "Walk", "WalkTables", "follow", "lay_out"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

MOST_HEAP_LEVELS = 6
HEAP_GROWTH = 1.25
"""Levels are added to the heap while the tables stay below this times the smallest they can be."""

WIDE_SLOTS = 1 << 14
"""Columns of tables up to this size are int32, as the walk wants them: little space, and no Cast."""

BLOCK_LEVELS = 4
EXACT_LIMIT = 1 << 24
"""Integers below are exact in float32."""

SCALE = np.float32(2.0**24)
"""Makes the smallest float32 a normal one. Where all thresholds stay finite, a row and they may be multiplied
by it and compare as before: subnormal numbers become normal ones exactly, what is too large infinite."""

DEEPEST = 256
"""Steps of a walk: each is nine operators, whatever few rows need it."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A forest to walk, and what its leaves answer.

    Attributes:
        forest: The forest.
        payload: float32 [L], the answer of each row of `forest.values`.
        trees: int64 [t], the forest's trees in the order of the walk; -1 for a tree of one leaf that
            answers 0.
        nan_right: bool [M], whether a row whose feature is NaN goes right at a split; None: rows have no NaN.
    """

    forest: Forest
    payload: Float32
    trees: Int64
    nan_right: Bool | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Neighbouring walks that end together: `walks` (indices, as given), number of `trees`, `steps`."""

    walks: tuple[int, ...]
    trees: int
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class SlotTable:
    """Slots.

    Attributes:
        threshold: float32 [S]; the payload at a leaf.
        column: int32 or unsigned [at most S], a column of the row as `WalkTables.copies` says.
        node: int32 [S], the node of the slot in its own forest; -1 where there is none.
    """

    threshold: Float32
    column: npt.NDArray[Any]
    node: Int32


@dataclass(frozen=True, slots=True, eq=False)
class WalkTables:
    """The tables of one graph.

    Attributes:
        top: The table of each level of the heap.
        bottom: The table of all below.
        left: int32, by slot of the bottom.
        stages: In the order of the trees, those with the most steps first.
        n_features: Columns of the caller's rows. Column n_features is -inf.
        copies: What the walk reads. "plain": the row; a NaN goes left. "scaled": the same, times `SCALE`.
            "right": NaN is taken as +inf. "mixed": the row, and from column n_features + 1 on a copy with
            +inf for NaN.
    """

    top: tuple[SlotTable, ...]
    bottom: SlotTable
    left: Int32
    stages: tuple[Stage, ...]
    n_features: int
    copies: str

    @property
    def heap(self) -> int:
        """Levels of the heap."""
        return len(self.top)

    @property
    def n_trees(self) -> int:
        """Trees of all stages together."""
        return sum(s.trees for s in self.stages)

    @property
    def n_columns(self) -> int:
        """Columns of a row that the walk reads."""
        return (self.n_features + 1) * (2 if self.copies == "mixed" else 1)

    def level(self, level: int) -> SlotTable:
        """Return the table that slots of a level are in."""
        return self.top[level] if level < self.heap else self.bottom


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """All trees as one forest: a leaf's column is the pad, its threshold its payload."""

    left: Int64
    right: Int64
    is_leaf: Bool
    column: Int64
    threshold: Float32
    local: Int64
    depth: Int64
    roots: Int64
    steps: Int64


def lay_out(walks: Sequence[Walk], n_features: int, *, heap: int | None = None) -> WalkTables:
    """Lay out forests for one walk.

    For every row of finite float32 and every tree of a walk, following the tables by the rules above for the
    steps of the tree's stage ends at a slot whose `node` is the leaf that `ir.leaves` gives, and whose
    `threshold` is that leaf's payload.

    Args:
        walks: At least one.
        n_features: Columns of a row.
        heap: Levels numbered like a heap, at least 1; by default as many as make the walk faster for little
            space.

    Raises:
        InexactModelError: There are 2^31 slots or more, or a tree is deeper than `DEEPEST`.
    """
    steps = [max(1, int(depths(w.forest).max())) for w in walks]
    if max(steps) > DEEPEST:
        raise InexactModelError(
            f"the compact encoding walks at most {DEEPEST} levels",
            place="graphs.tables",
            value=max(steps),
            hint='Use the encoding "treeops".',
        )
    order = sorted(range(len(walks)), key=lambda i: -steps[i])
    copies = _copies(walks)
    nodes = _join([walks[i] for i in order], [steps[i] for i in order], n_features, copies)
    heap = min(heap or _heap_levels(nodes), max(steps))
    levels = _heap(nodes, heap)
    slots, left, inner = _bottom(nodes, levels[heap], heap)
    dtype = _column_type(int(nodes.column.max()))
    return WalkTables(
        top=tuple(_table(nodes, level, len(level), dtype) for level in levels[:heap]),
        bottom=_table(nodes, slots, inner, dtype),
        left=left.astype(np.int32),
        stages=tuple(_stages(walks, order, steps)),
        n_features=n_features,
        copies=copies,
    )


def _table(nodes: _Nodes, slots: Int64, inner: int, dtype: Any) -> SlotTable:
    columns = nodes.column[slots[:inner]].astype(np.int32 if inner <= WIDE_SLOTS else dtype)
    return SlotTable(nodes.threshold[slots], columns, nodes.local[slots].astype(np.int32))


def _heap_levels(nodes: _Nodes) -> int:
    """The most levels for which the tables stay within `HEAP_GROWTH` of the smallest."""
    split_depths = nodes.depth[~nodes.is_leaf]
    sizes = []
    for heap in range(1, MOST_HEAP_LEVELS + 1):
        above = sum(int((nodes.steps >= level).sum()) << level for level in range(heap))
        at = int((nodes.steps >= heap).sum()) << heap
        sizes.append(5 * above + 9 * at + 18 * int((split_depths >= heap).sum()))
    return max(k for k, size in enumerate(sizes, 1) if size <= HEAP_GROWTH * min(sizes))


def _column_type(largest: int) -> type[np.unsignedinteger[Any]] | type[np.signedinteger[Any]]:
    if largest <= np.iinfo(np.uint8).max:
        return np.uint8
    return np.uint16 if largest <= np.iinfo(np.uint16).max else np.int32


def _stages(walks: Sequence[Walk], order: list[int], steps: list[int]) -> list[Stage]:
    result: list[Stage] = []
    for i in order:
        last = result[-1] if result else None
        if last is not None and last.steps == steps[i]:
            result[-1] = Stage((*last.walks, i), last.trees + len(walks[i].trees), steps[i])
        else:
            result.append(Stage((i,), len(walks[i].trees), steps[i]))
    return result


def _copies(walks: Sequence[Walk]) -> str:
    right = [
        w.nan_right[w.forest.feature >= 0] if w.nan_right is not None else np.zeros(0, np.bool_)
        for w in walks
    ]
    joined = np.concatenate(right)
    if all(w.nan_right is None for w in walks) or not joined.any():
        return "scaled" if _has_subnormal([w.forest for w in walks]) else "plain"
    return "right" if joined.all() else "mixed"


def _has_subnormal(forests: Sequence[Forest]) -> bool:
    """Whether a processor may take a threshold for 0, where it is told to, and all can be scaled."""
    thresholds = np.concatenate([f.threshold for f in forests])
    if (thresholds == -np.inf).any():  # the lowest finite number is above it, and would be it
        return False
    sizes = np.abs(thresholds[np.isfinite(thresholds)])
    subnormal = (sizes > 0) & (sizes < np.finfo(np.float32).tiny)
    return bool(subnormal.any() and sizes.max() < np.finfo(np.float32).max / SCALE)


def _join(walks: Sequence[Walk], steps: Sequence[int], n_features: int, copies: str) -> _Nodes:
    """Concatenate forests; the last node of all is the leaf of the trees that answer 0."""
    parts: dict[str, list[npt.NDArray[Any]]] = {
        k: [] for k in ("left", "right", "column", "threshold", "local", "depth", "roots", "steps")
    }
    offset, total = 0, sum(w.forest.n_nodes for w in walks)
    for walk, count in zip(walks, steps, strict=True):
        forest = walk.forest
        leaf = forest.feature < 0
        column = np.where(leaf, n_features, forest.feature)
        threshold = np.where(leaf, walk.payload[forest.leaf], forest.threshold)
        if copies == "mixed" and walk.nan_right is not None:
            column = column + np.where(leaf | ~walk.nan_right, 0, n_features + 1)
        elif copies == "scaled":
            threshold = np.where(leaf, threshold, forest.threshold * SCALE)
        parts["left"].append(forest.left.astype(np.int64) + offset)
        parts["right"].append(forest.right.astype(np.int64) + offset)
        parts["column"].append(column)
        parts["threshold"].append(threshold)
        parts["local"].append(np.arange(forest.n_nodes))
        parts["depth"].append(depths(forest))
        parts["roots"].append(np.where(walk.trees < 0, total, forest.roots[walk.trees] + offset))
        parts["steps"].append(np.full(len(walk.trees), count))
        offset += forest.n_nodes
    zero = {"left": total, "right": total, "column": n_features, "threshold": 0, "local": -1, "depth": 0}
    for name, value in zero.items():
        parts[name].append(np.array([value]))
    joined = {k: np.concatenate(v) for k, v in parts.items()}
    threshold = joined.pop("threshold").astype(np.float32)
    whole = {k: v.astype(np.int64) for k, v in joined.items()}
    return _Nodes(is_leaf=whole["left"] == np.arange(total + 1), threshold=threshold, **whole)


def _heap(nodes: _Nodes, heap: int) -> list[Int64]:
    """The node of each slot of levels 0 to `heap`, for the trees that are walked as far."""
    levels, level = [nodes.roots], nodes.roots[:, None]
    for depth in range(1, heap + 1):
        level = level[: int((nodes.steps >= depth).sum())]
        level = np.stack([nodes.left[level], nodes.right[level]], axis=2).reshape(len(level), -1)
        levels.append(level.reshape(-1))
    return levels


def _bottom(nodes: _Nodes, first: Int64, heap: int) -> tuple[Int64, Int64, int]:
    """Lay out what is below the heap, `first` being its first level.

    Returns:
        The node of each slot; `left` of each slot that is left again; the number of those.
    """
    if len(first) >= np.iinfo(np.int32).max // 4:
        raise InexactModelError(
            "there must be fewer than 2^29 slots", place="graphs.tables", value=len(first)
        )
    left_over = np.repeat(nodes.steps[nodes.steps >= heap], 1 << heap) - heap
    parents, last = _pairs(nodes, first, left_over)
    parents = np.concatenate([parents[~last], parents[last]])
    children = np.stack([nodes.left[parents], nodes.right[parents]], axis=1).reshape(-1)
    start = np.full(len(nodes.left), -1)
    start[parents] = len(first) + 2 * np.arange(len(parents))
    slots = np.concatenate([first, children])
    inner = len(first) + 2 * int((~last).sum())
    left = np.where(start[slots[:inner]] < 0, np.arange(inner), start[slots[:inner]])
    return slots, left, inner


def _pairs(nodes: _Nodes, level: Int64, left_over: Int64) -> tuple[Int64, Bool]:
    """Order the splits at and below a level as their pairs of children shall follow.

    Args:
        nodes: All trees.
        level: The nodes of the level.
        left_over: The steps that are left to each.

    Returns:
        The splits, and which of them have children at the last step of their walk.
    """
    sizes, preorder = _sizes(nodes), np.zeros(len(nodes.left), np.int64)
    block = np.arange(len(nodes.left))
    found, lasts, depth = [], [], 0
    preorder[level] = np.cumsum(sizes[level]) - sizes[level]
    while True:
        keep = ~nodes.is_leaf[level]
        level, left_over = level[keep], left_over[keep]
        if not len(level):
            break
        if depth % BLOCK_LEVELS == 0:
            block[level] = level
        found.append(level)
        lasts.append(left_over == 1)
        left, right = nodes.left[level], nodes.right[level]
        block[left] = block[right] = block[level]
        preorder[left] = preorder[level] + 1
        preorder[right] = preorder[left] + sizes[left]
        level = np.stack([left, right], axis=1).reshape(-1)
        left_over = np.repeat(left_over - 1, 2)
        depth += 1
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    splits, last = np.concatenate(found), np.concatenate(lasts)
    order = np.lexsort((preorder[splits], nodes.depth[splits], preorder[block[splits]]))
    return splits[order], last[order]


def _sizes(nodes: _Nodes) -> Int64:
    """Nodes in the subtree of each node, itself included."""
    sizes = np.ones(len(nodes.left), np.int64)
    splits = np.flatnonzero(~nodes.is_leaf)
    splits = splits[np.argsort(-nodes.depth[splits], kind="stable")]
    ends = np.flatnonzero(np.diff(nodes.depth[splits])) + 1
    for level in np.split(splits, ends):
        sizes[level] += sizes[nodes.left[level]] + sizes[nodes.right[level]]
    return sizes


def follow(tables: WalkTables, row: Float32) -> tuple[Int32, Float32]:
    """Follow the tables for one row, plainly.

    Returns:
        The node that each tree ends at, int32 [T], and its payload, float32 [T], in the order of the walk.
    """
    values = np.append(row, np.float32(-np.inf)).astype(np.float32)
    if tables.copies == "mixed":
        values = np.append(values, np.where(np.isnan(values), np.float32(np.inf), values))
    elif tables.copies == "scaled":
        with np.errstate(over="ignore"):
            values = values * SCALE
    elif tables.copies == "right":
        values = np.where(np.isnan(values), np.float32(np.inf), values)
    steps = np.repeat([s.steps for s in tables.stages], [s.trees for s in tables.stages])
    nodes, payloads = [], []
    for tree, count in enumerate(steps.tolist()):
        slot = tree
        for level in range(count):
            table = tables.level(level)
            right = values[table.column[slot]] > table.threshold[slot]
            slot = int((2 * slot if level < tables.heap else tables.left[slot]) + right)
        nodes.append(tables.level(count).node[slot])
        payloads.append(tables.level(count).threshold[slot])
    return np.array(nodes, np.int32), np.array(payloads, np.float32)
