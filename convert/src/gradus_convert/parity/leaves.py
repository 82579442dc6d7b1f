"""Leaf equality: the native library, the interpreter and the compiled graph, tree by tree.

On given rows all three are asked for all trees. On thresholds the proof goes in two steps, each on rows of
its own: the library against the interpreter on rows made for one round of trees; the interpreter against the
graph on rows that serve many trees at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, Walker
from gradus_convert.parity.boxes import Boxes, boundary_boxes, fill
from gradus_convert.parity.compiled import Compiled, ahead, slices
from gradus_convert.parity.findings import Findings
from gradus_convert.parity.packing import Packed, pack
from gradus_convert.readers.native import NativeModel

__all__ = ["ProvenForest", "check_boundaries", "check_rows", "check_single_rows"]

LEAVES = "leaves"
_NODES = 2048
_POOL = 8192
_AHEAD = 64

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ProvenForest:
    """A member with trees.

    Attributes:
        name: Of the member.
        native: With leaves.
        forest: Its exact form: what is compiled.
        first: Where its trees start among the trees of the graph.
        walker: Of the forest: the interpreter.
    """

    name: str
    native: NativeModel
    forest: Forest
    first: int
    walker: Walker


def check_rows(members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: Findings) -> None:
    """Compare all three on rows, for every tree."""
    for rows, (compiled,) in ahead(lambda part: graph.run(X[part], LEAVES), slices(len(X))):
        _check_width(members, compiled)
        for m in members:
            trees = np.arange(m.forest.n_trees)
            said = _native(m, X[rows], range(m.forest.n_trees))
            ours = m.forest.native_leaf[m.walker.leaves(X[rows])]
            theirs = _ids(m, compiled[:, m.first : m.first + m.forest.n_trees])
            findings.compare(said, ours, trees, member=m.name, who="library against interpreter")
            findings.compare(ours, theirs, trees, member=m.name, who="interpreter against graph")


def check_single_rows(
    members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: Findings
) -> None:
    """Compare interpreter and graph on rows asked for one by one, for every tree."""
    for rows, (compiled,) in ahead(lambda part: graph.run(X[part], LEAVES, block=1), slices(len(X))):
        for m in members:
            ours = m.forest.native_leaf[m.walker.leaves(X[rows])]
            theirs = _ids(m, compiled[:, m.first : m.first + m.forest.n_trees])
            trees = np.arange(m.forest.n_trees)
            findings.compare(ours, theirs, trees, member=m.name, who="interpreter against graph, one row")


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

    def compiled(part: Packed) -> npt.NDArray[np.generic]:
        (leaves,) = graph.run(part.rows, LEAVES)
        return leaves[part.row, part.tree]

    nodes = sum(m.forest.n_nodes for m in members)
    pool = min(_POOL, nodes // 40)
    boxes = _boxes_checked_by_library(members, source, findings)
    packed = [source[:0]]
    for part, nodes_found in ahead(compiled, pack(boxes, source, pool), _AHEAD):
        packed.append(part.rows)
        for m in members:
            mine = (m.first <= part.tree) & (part.tree < m.first + m.forest.n_trees)
            number = part.tree[mine] - m.first
            ours = m.forest.native_leaf[m.walker.leaf(part.rows[part.row[mine]], number)]
            theirs = _ids(m, nodes_found[mine])
            findings.compare(ours, theirs, number, member=m.name, who="interpreter against graph")
    return np.concatenate(packed)


def _boxes_checked_by_library(
    members: Sequence[ProvenForest], source: Float32, findings: Findings
) -> Iterator[Boxes]:
    """Compare library and interpreter in every box, and pass it on; trees are counted over all members."""
    for m in members:
        for trees in _chunks(m):
            boxes = list(boundary_boxes(m.forest, trees))
            _check_library(m, trees, boxes, source, findings)
            for b in boxes:
                yield replace(b, trees=b.trees + m.first)


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
    said = _native(member, X, trees)
    ours = member.forest.native_leaf[member.walker.leaves(X, trees)]
    findings.compare(said, ours, np.array(trees), member=member.name, who="library against interpreter")


def _native(member: ProvenForest, X: Float32, trees: range) -> npt.NDArray[np.int64]:
    if member.native.leaves is None:
        raise ValueError(f"{member.name} has no trees")
    return member.native.leaves(X, trees)


def _ids(member: ProvenForest, nodes: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Native ids of the nodes that a graph names; -1 for what is no node."""
    found = nodes.astype(np.int64)
    known = (found >= 0) & (found < member.forest.n_nodes)
    return np.where(known, member.forest.native_leaf[np.where(known, found, 0)], -1)
