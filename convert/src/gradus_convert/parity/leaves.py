"""Leaf equality: the native library, the interpreter and the compiled graph, tree by tree.

On given rows all three are asked for all trees. On thresholds the proof goes in two steps, each on rows of
its own: the library against the interpreter on rows made for one round of trees; the interpreter against the
graph on rows that serve many trees at once.

Where forests look at views of the row, the second step cuts the graph at the widened rows: its first part is
held to the views, value by value, at all values that matter to a column; its second part walks widened rows,
whose columns are then independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, Walker
from gradus_convert.forest.rounding import LARGEST
from gradus_convert.graphs.treeops import without_fills
from gradus_convert.graphs.widened_row import WIDENED_ROWS, RowPlan, plan_rows
from gradus_convert.parity.bits import different_bits
from gradus_convert.parity.boxes import Boxes, boundary_boxes, fill
from gradus_convert.parity.compiled import Compiled, ahead, slices
from gradus_convert.parity.nan_sides import check_sides_of_nan
from gradus_convert.parity.packing import Packed, pack
from gradus_convert.parity.parts import has_widened_rows, views_part, walk_part
from gradus_convert.parity.proof_counts import ProofCounts
from gradus_convert.parity.regions import Domain, atoms_of, critical_values, rows_at_splits
from gradus_convert.readers.native import NativeModel

__all__ = ["ProvenForest", "check_boundaries", "check_leaves_of_rows", "check_single_rows"]

LEAVES = "leaves"
_NODES = 2048
_POOL = 8192
_AHEAD = 64
_SAMPLE, _EACH = 4096, 4
"""How many nodes, of all, have rows that are kept, and the rows of each that go without."""
_SINGLE = 64

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


def check_leaves_of_rows(
    members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: ProofCounts
) -> None:
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
    members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: ProofCounts
) -> None:
    """Compare interpreter and graph on rows asked for one by one, for every tree."""
    for rows, (compiled,) in ahead(lambda part: graph.run(X[part], LEAVES, block=1), slices(len(X))):
        for m in members:
            ours = m.forest.native_leaf[m.walker.leaves(X[rows])]
            theirs = _ids(m, compiled[:, m.first : m.first + m.forest.n_trees])
            trees = np.arange(m.forest.n_trees)
            findings.compare(ours, theirs, trees, member=m.name, who="interpreter against graph, one row")


def check_boundaries(
    members: Sequence[ProvenForest],
    graph: Compiled,
    source: Float32,
    findings: ProofCounts,
    *,
    model_bytes: bytes,
    domain: Domain,
) -> Float32:
    """Compare on every threshold and its neighbours, and on what views make of missing values and categories.

    Args:
        members: Those with trees.
        graph: With the output `leaves`.
        source: float32 [R, F], finite: values for the columns that no split on the path asks for.
        findings: Added to.
        model_bytes: The graph's file.
        domain: What rows may hold.

    Returns:
        Rows that serve many trees each, or a sample of all: float32 [N, F].
    """
    plan, bare = plan_rows([m.forest for m in members])
    if plan is None:
        boxes = _boxes_checked_by_library(members, source, findings)
        return _check_packed(members, graph, boxes, source, findings, LARGEST)
    sample = _check_regions(members, source, domain, findings)
    if not has_widened_rows(model_bytes):
        _check_plain(members, graph, source, sample, findings, model_bytes)
        return sample
    check_views(members, plan, model_bytes, domain)
    wide = [replace(m, forest=forest, walker=Walker(forest)) for m, forest in zip(members, bare, strict=True)]
    boxes = (b for m in wide for b in _boxes(m, np.float32(np.inf)))
    walk = Compiled(walk_part(model_bytes))
    _check_packed(wide, walk, boxes, plan.of(source), findings, np.float32(np.inf))
    return sample


def _check_plain(
    members: Sequence[ProvenForest],
    graph: Compiled,
    source: Float32,
    sample: Float32,
    findings: ProofCounts,
    model_bytes: bytes,
) -> None:
    """Compare interpreter and graph where splits themselves say where NaN goes.

    Numbers on every threshold, as of a forest without views; of NaN what each split of the file says, and
    rows with missing values from all over.
    """
    plain = []
    for m in members:
        found = without_fills(m.forest)
        if found is None:
            raise ParityError("a graph must have the views of its rows", place="graph", value=m.name)
        plain.append(replace(m, forest=found[0], walker=Walker(found[0])))
    check_sides_of_nan([m.forest for m in members], model_bytes)
    boxes = (b for m in plain for b in _boxes(m, LARGEST))
    _check_packed(plain, graph, boxes, source, findings, LARGEST)
    _check_graph(members, graph, sample, findings)


def _check_graph(members: Sequence[ProvenForest], graph: Compiled, X: Float32, findings: ProofCounts) -> None:
    for rows, (compiled,) in ahead(lambda part: graph.run(X[part], LEAVES), slices(len(X))):
        for m in members:
            ours = m.forest.native_leaf[m.walker.leaves(X[rows])]
            theirs = _ids(m, compiled[:, m.first : m.first + m.forest.n_trees])
            trees = np.arange(m.forest.n_trees)
            findings.compare(ours, theirs, trees, member=m.name, who="interpreter against graph")


def _check_packed(
    members: Sequence[ProvenForest],
    graph: Compiled,
    boxes: Iterator[Boxes],
    source: Float32,
    findings: ProofCounts,
    limit: np.float32,
) -> Float32:
    """Compare interpreter and graph on rows that serve many boxes each; return the rows."""

    def compiled(part: Packed) -> npt.NDArray[np.generic]:
        (leaves,) = graph.run(part.rows, LEAVES)
        return leaves[part.row, part.tree]

    nodes = sum(m.forest.n_nodes for m in members)
    pool = min(_POOL, nodes // 40)
    packed = [source[:0]]
    for part, nodes_found in ahead(compiled, pack(boxes, source, pool, limit=limit), _AHEAD):
        packed.append(part.rows)
        for m in members:
            mine = (m.first <= part.tree) & (part.tree < m.first + m.forest.n_trees)
            number = part.tree[mine] - m.first
            ours = m.forest.native_leaf[m.walker.leaf(part.rows[part.row[mine]], number)]
            theirs = _ids(m, nodes_found[mine])
            findings.compare(ours, theirs, number, member=m.name, who="interpreter against graph")
    return np.concatenate(packed)


def _check_regions(
    members: Sequence[ProvenForest], source: Float32, domain: Domain, findings: ProofCounts
) -> Float32:
    """Compare library and interpreter at every split, missing values and categories included.

    Returns:
        Some of the rows, from all over: float32 [N, F].
    """
    kept, nodes = [source[:0]], sum(m.forest.n_nodes for m in members)
    step = 1 + nodes // _SAMPLE
    for m in members:
        atoms = atoms_of(m.forest, domain)
        for trees in _chunks(m):
            rows = [source[:0], *rows_at_splits(m.forest, trees, atoms, source)]
            X = np.concatenate(rows)
            findings.boundary_rows += len(X)
            _compare_library(m, trees, X, findings)
            kept.append(X[:: step * _EACH])
    return np.concatenate(kept)


class _Columns(NamedTuple):
    """The values at which the views of each column of a row are tried."""

    values: list[Float32]

    def rows(self) -> Float32:
        """Rows with every value in its column, others in turn: float32 [N, F]."""
        longest = max(len(v) for v in self.values)
        places = np.arange(longest)
        return np.stack([v[places % len(v)] for v in self.values], axis=1)


def check_views(members: Sequence[ProvenForest], plan: RowPlan, model_bytes: bytes, domain: Domain) -> None:
    """Hold the first part of a graph to what the views are, to the bit, at all values that matter.

    Raises:
        ParityError: A number of a widened row differs.
    """
    found: list[list[Float32]] = [[np.array([0.0, 1.0], np.float32)] for _ in range(plan.n_features)]
    for m in members:
        forest, sources = m.forest, m.forest.sources
        for column, values in enumerate(critical_values(forest, domain)):
            found[column].append(values)
        split = forest.feature >= 0
        at = sources[forest.feature[split]]
        for column in np.unique(at).tolist():
            here = np.unique(forest.threshold[split][at == column])
            with np.errstate(over="ignore", under="ignore"):
                near = [np.nextafter(here, np.float32(way)) for way in (-np.inf, np.inf)]
            values = np.concatenate([here, *near])
            found[column].append(values if domain.infinite[column] else values[np.isfinite(values)])
    rows = _Columns([np.concatenate(v) for v in found]).rows()
    graph = Compiled(views_part(model_bytes))
    _compare_rows(plan, graph, rows, len(rows))
    _compare_rows(plan, graph, rows[:: 1 + len(rows) // _SINGLE], 1)


def _compare_rows(plan: RowPlan, graph: Compiled, X: Float32, block: int) -> None:
    expected = plan.of(X)
    (said,) = graph.run(X, WIDENED_ROWS, block=block)
    if said.shape != expected.shape:
        rule = f"a graph must look at {plan.width} columns and views"
        raise ParityError(rule, place=f"graph: {WIDENED_ROWS}", value=said.shape[1])
    if different_bits(expected, said):
        same = np.asarray(said, np.float32).view(np.uint32) == expected.view(np.uint32)
        raise ParityError(
            "every view of a row must equal its definition, bit for bit",
            place=f"graph: {WIDENED_ROWS}, column {int(np.flatnonzero(~same.all(axis=0))[0])}",
            value=f"{int((~same).sum())} of {same.size} differ",
            hint="Report it, with the model and the version of onnxruntime.",
        )


def _boxes(member: ProvenForest, limit: np.float32) -> Iterator[Boxes]:
    """The boxes of a member, within a limit that may be infinite; trees are counted over all members."""
    for trees in _chunks(member):
        for b in boundary_boxes(member.forest, trees, limit):
            yield replace(b, trees=b.trees + member.first)


def _boxes_checked_by_library(
    members: Sequence[ProvenForest], source: Float32, findings: ProofCounts
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
        rule = f"a graph must walk as many trees as its members have, {expected}"
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
    member: ProvenForest, trees: range, boxes: Sequence[Boxes], source: Float32, findings: ProofCounts
) -> None:
    """Compare library and interpreter inside each box, for all the given trees."""
    if not boxes:
        return
    X = np.concatenate([fill(b, source) for b in boxes])
    findings.boundary_rows += len(X)
    _compare_library(member, trees, X, findings)


def _compare_library(member: ProvenForest, trees: range, X: Float32, findings: ProofCounts) -> None:
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
