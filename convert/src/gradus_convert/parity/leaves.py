"""Leaf equality: the native library, the interpreter and the compiled graph, tree by tree.

On given rows all three are asked for all trees. On thresholds the proof goes in two steps, each on rows of
its own: the library against the interpreter on rows made for one round of trees; the interpreter against the
graph on rows that serve many trees at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradus_convert import ir
from gradus_convert.errors import ParityError
from gradus_convert.ir import Forest
from gradus_convert.parity.boxes import Boxes, boundary_boxes, fill
from gradus_convert.parity.compiled import Compiled
from gradus_convert.parity.findings import Findings
from gradus_convert.parity.packing import Packing
from gradus_convert.readers.native import NativeModel

__all__ = ["ProvenForest", "check_boundaries", "check_rows"]

LEAVES = "leaves"
_ROWS = 256
_NODES = 2048
_AHEAD = 4

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ProvenForest:
    """A member with trees.

    Attributes:
        name: Of the member.
        native: With leaves.
        forest: Its exact form: what is compiled.
        first: Where its trees start among the trees of the graph.
    """

    name: str
    native: NativeModel
    forest: Forest
    first: int


def check_rows(members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: Findings) -> None:
    """Compare all three on rows, for every tree."""
    for rows, (compiled,) in graph.run(X, LEAVES):
        _check_width(members, compiled)
        for m in members:
            trees = np.arange(m.forest.n_trees)
            said = _native(m, X[rows], range(m.forest.n_trees))
            parts = range(rows.start, rows.stop, _ROWS)
            plain = np.concatenate([ir.leaves(m.forest, X[i : min(i + _ROWS, rows.stop)]) for i in parts])
            ours = m.forest.native_leaf[plain]
            theirs = _ids(m, compiled[:, m.first : m.first + m.forest.n_trees])
            findings.compare(said, ours, trees, member=m.name, who="library against interpreter")
            findings.compare(ours, theirs, trees, member=m.name, who="interpreter against graph")


def check_boundaries(
    members: Sequence[ProvenForest], graph: Compiled, source: Float32, findings: Findings
) -> Float32:
    """Compare on every threshold and its neighbours.

    Args:
        members: Those with trees.
        graph: With the output `leaves`.
        source: float32 [R, F], finite: values for the columns that no split on the path asks for.
        findings: Added to.

    Returns:
        Rows that serve many trees each: float32 [N, F].
    """
    nodes = sum(m.forest.n_nodes for m in members)
    packing = Packing(source, min(8192, max(64, nodes // 40)))
    with ThreadPoolExecutor(1) as other:
        pending: deque[Future[None]] = deque()
        for m in members:
            for trees in _chunks(m):
                boxes = list(boundary_boxes(m.forest, trees))
                pending.append(other.submit(_check_library, m, trees, boxes, source, findings))
                for b in boxes:
                    packing.add(replace(b, trees=b.trees + m.first))
                if len(pending) > _AHEAD:
                    pending.popleft().result()
        for check in pending:
            check.result()
    packed, rows, trees_of_rows = packing.finish()
    _check_graph(members, graph, packed, rows, trees_of_rows, findings)
    return packed


def _check_width(members: Sequence[ProvenForest], compiled: npt.NDArray[np.generic]) -> None:
    expected = sum(m.forest.n_trees for m in members)
    if compiled.shape[1] != expected:
        rule = f"a graph must walk {expected} trees"
        raise ParityError(rule, place="graph: leaves", value=compiled.shape[1])


def _chunks(member: ProvenForest) -> Iterator[range]:
    """Whole rounds of trees, with some thousands of boxes together."""
    forest, step = member.forest, member.native.per_round
    sizes = np.diff(np.append(np.sort(forest.roots), forest.n_nodes))
    start = nodes = 0
    for stop in range(step, forest.n_trees + 1, step):
        nodes += int(sizes[stop - step : stop].sum())
        if nodes >= _NODES or stop == forest.n_trees:
            yield range(start, stop)
            start, nodes = stop, 0


def _check_library(
    member: ProvenForest, trees: range, boxes: Sequence[Boxes], source: Float32, findings: Findings
) -> None:
    """Compare library and interpreter inside each box, for all the given trees."""
    if not boxes:
        return
    X = np.concatenate([fill(b, source) for b in boxes])
    findings.boundary_rows += len(X)
    plain = np.stack([_walk(member.forest, np.full(len(X), t), X) for t in trees], axis=1)
    said = _native(member, X, trees)
    ours = member.forest.native_leaf[plain]
    findings.compare(said, ours, np.array(trees), member=member.name, who="library against interpreter")


def _check_graph(
    members: Sequence[ProvenForest],
    graph: Compiled,
    X: Float32,
    rows: npt.NDArray[np.int64],
    trees: npt.NDArray[np.int64],
    findings: Findings,
) -> None:
    """Compare the pairs of a row and a tree that were asked for; `trees` counts all trees of the graph."""
    order = np.argsort(rows, kind="stable")
    rows, trees = rows[order], trees[order]
    for part, (compiled,) in graph.run(X, LEAVES):
        low, high = np.searchsorted(rows, [part.start, part.stop])
        row, tree = rows[low:high], trees[low:high]
        for m in members:
            mine = (m.first <= tree) & (tree < m.first + m.forest.n_trees)
            number = tree[mine] - m.first
            ours = m.forest.native_leaf[_walk(m.forest, number, X[row[mine]])]
            theirs = _ids(m, compiled[row[mine] - part.start, tree[mine]])
            findings.compare(ours, theirs, number, member=m.name, who="interpreter against graph")


def _native(member: ProvenForest, X: Float32, trees: range) -> npt.NDArray[np.int64]:
    if member.native.leaves is None:
        raise ValueError(f"{member.name} has no trees")
    return member.native.leaves(X, trees)


def _walk(forest: Forest, trees: npt.NDArray[np.int64], X: Float32) -> npt.NDArray[np.int32]:
    """The leaf of one tree for each row: int32 [N], as `ir.leaves` has it in the tree's column."""
    node = forest.roots[trees]
    rows = np.arange(len(X))
    while (forest.feature[node] >= 0).any():
        goes_left = X[rows, forest.feature[node]] <= forest.threshold[node]
        node = np.where(goes_left, forest.left[node], forest.right[node])
    return node


def _ids(member: ProvenForest, nodes: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Native ids of the nodes that a graph names; -1 for what is no node."""
    found = nodes.astype(np.int64)
    known = (found >= 0) & (found < member.forest.n_nodes)
    return np.where(known, member.forest.native_leaf[np.where(known, found, 0)], -1)
