"""What the leaves of a forest answer during a walk, and how the answers become sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.fixed_point import FixedPoint
from gradus_convert.graphs.walk_tables import EXACT_LIMIT, Walk, WalkTables, lay_out

__all__ = ["SumPlan", "TreeRun", "Vectors", "column_order", "leaf_payload", "plan_sums"]

Vectors = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TreeRun:
    """Neighbouring trees of one stage that are summed by one operator.

    Attributes:
        first: The first column of the sums it fills.
        outputs: How many columns.
        trees: Trees of the run.
        vectors: float32 [U, outputs], or float64 if the sums are exact: the distinct leaf vectors, where
            payloads are rows of it. None where payloads are values, and each column sums `trees / outputs`
            neighbouring trees.
    """

    first: int
    outputs: int
    trees: int
    vectors: Vectors | None


@dataclass(frozen=True, slots=True, eq=False)
class SumPlan:
    """The tables, and for each of their stages its runs.

    Attributes:
        tables: As laid out.
        runs: By stage.
        leaf_order: int64 [T], where each tree of the forests, as given, stands in the order of the walk.
        exact: Whether payloads are fixed-point numbers, to be summed in float64: exact in any order.
    """

    tables: WalkTables
    runs: tuple[tuple[TreeRun, ...], ...]
    leaf_order: npt.NDArray[np.int64]
    exact: bool


def column_order(forests: Sequence[Forest]) -> list[int]:
    """Return the order of the forests' sums: those with one link and as many outputs stand together.

    So one operator serves them in the vote.
    """
    keys = [(f.link, f.n_outputs, i) for i, f in enumerate(forests)]
    return sorted(range(len(forests)), key=keys.__getitem__, reverse=True)


def plan_sums(
    forests: Sequence[Forest],
    n_features: int,
    *,
    nan_right: Sequence[npt.NDArray[np.bool_] | None] | None = None,
    fixed: Sequence[FixedPoint] | None = None,
) -> SumPlan:
    """Plan the sums of several forests.

    The sums of a row are, forest after forest, `scale * sum over trees of values[leaf]`, each product
    rounded to float32 once; or, with `fixed`, the exact sums of its leaves.

    Args:
        forests: At least one.
        n_features: Columns of a row.
        nan_right: See `Walk`, by forest.
        fixed: By forest.

    Raises:
        InexactModelError: There are more distinct leaf vectors than float32 can count.
    """
    rights = nan_right or [None] * len(forests)
    payloads = (
        [leaf_payload(f) for f in forests] if fixed is None else [_payload(x.value(x.leaves)) for x in fixed]
    )
    walks = [
        Walk(forest, payload, _walk_order(forest), right)
        for forest, (_, payload), right in zip(forests, payloads, rights, strict=True)
    ]
    tables = lay_out(walks, n_features)
    columns = np.cumsum([0, *(f.n_outputs for f in forests)])
    runs = tuple(
        _merge(
            [
                (i, TreeRun(int(columns[i]), forests[i].n_outputs, len(walks[i].trees), payloads[i][0]))
                for i in stage.walks
            ]
        )
        for stage in tables.stages
    )
    return SumPlan(tables, runs, _leaf_order(walks, tables), exact=fixed is not None)


def _merge(runs: Sequence[tuple[int, TreeRun]]) -> tuple[TreeRun, ...]:
    """Join neighbouring forests of single values whose outputs have equally many trees."""
    result: list[tuple[int, TreeRun]] = []
    for i, run in runs:
        if result:
            before, last = result[-1]
            fits = last.vectors is None and run.vectors is None and before == i - 1
            if fits and last.trees * run.outputs == run.trees * last.outputs:
                joined = TreeRun(last.first, last.outputs + run.outputs, last.trees + run.trees, None)
                result[-1] = (i, joined)
                continue
        result.append((i, run))
    return tuple(run for _, run in result)


def leaf_payload(forest: Forest) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32]]:
    """Return the distinct leaf vectors (None for single values) and the payload of each row of `values`.

    Raises:
        InexactModelError: There are more distinct vectors than float32 can count.
    """
    vectors, payload = _payload((forest.values * forest.scale).astype(np.float32))
    return vectors, payload


def _payload(leaves: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, npt.NDArray[np.float32]]:
    if leaves.shape[1] == 1:
        return None, leaves[:, 0].astype(np.float32)
    vectors, rows = np.unique(leaves, axis=0, return_inverse=True)
    if len(vectors) > EXACT_LIMIT:
        raise InexactModelError(
            f"a forest must have at most {EXACT_LIMIT} distinct leaf vectors",
            place="graphs.plan",
            value=len(vectors),
            hint='Use the encoding "treeops".',
        )
    return vectors, rows.reshape(-1).astype(np.float32)


def _walk_order(forest: Forest) -> npt.NDArray[np.int64]:
    """Trees by output, in their own order; every output gets as many trees as the one with the most."""
    trees = np.arange(forest.n_trees)
    if forest.values.shape[1] > 1 or forest.n_outputs == 1:
        return trees
    groups = [trees[forest.tree_output == k] for k in range(forest.n_outputs)]
    most = max(len(g) for g in groups)
    return np.concatenate([np.pad(g, (0, most - len(g)), constant_values=-1) for g in groups])


def _leaf_order(walks: Sequence[Walk], tables: WalkTables) -> npt.NDArray[np.int64]:
    offsets = np.cumsum([0, *(w.forest.n_trees for w in walks)])
    sequence = np.concatenate(
        [
            np.where(walks[i].trees < 0, -1, walks[i].trees + offsets[i])
            for s in tables.stages
            for i in s.walks
        ]
    )
    order = np.zeros(offsets[-1], np.int64)
    order[sequence[sequence >= 0]] = np.flatnonzero(sequence >= 0)
    return order
