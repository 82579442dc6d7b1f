"""The tables of the walk: following them ends where the plain interpreter ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.forests import chain, random_forest

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, leaves
from gradus_convert.graphs import walk_tables
from gradus_convert.graphs.plan import plan_sums
from gradus_convert.graphs.walk_tables import Walk, follow, lay_out

EDGES = [0.0, -0.0, 1e-45, -1e-45, 1.5, float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)]


def rows_at(forest: Forest, count: int, seed: int) -> np.ndarray:
    """Rows on thresholds, their float32 neighbours, and anywhere."""
    rng = np.random.default_rng(seed)
    cuts = np.append(forest.threshold, np.float32(EDGES))
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(-1e38)), np.nextafter(cuts, np.float32(1e38))])
    near = near[np.isfinite(near)]
    chosen = rng.choice(near, size=(count, forest.n_features)).astype(np.float32)
    random = rng.normal(size=chosen.shape).astype(np.float32)
    return np.where(rng.random(chosen.shape) < 0.7, chosen, random)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    depths=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    heap=st.integers(1, 5),
    trees=st.integers(1, 7),
)
def test_following_the_tables_ends_at_the_leaf_of_the_interpreter(
    seed: int, depths: list[int], heap: int, trees: int
) -> None:
    forests = [
        random_forest(seed + i, trees=trees, depth=d, thresholds=EDGES[:5]) for i, d in enumerate(depths)
    ]
    payloads = [np.arange(len(f.values), dtype=np.float32) for f in forests]
    walks = [
        Walk(f, p, np.random.default_rng(seed).permutation(f.n_trees))
        for f, p in zip(forests, payloads, strict=True)
    ]
    tables = lay_out(walks, 4, heap=heap)
    order = [i for s in tables.stages for i in s.walks]
    for row in rows_at(forests[0], 5, seed):
        nodes, answers = follow(tables, row)
        ends = [leaves(forests[i], row[None])[0][walks[i].trees] for i in order]
        assert (nodes == np.concatenate(ends)).all()
        expected = [payloads[i][forests[i].leaf[end]] for i, end in zip(order, ends, strict=True)]
        assert (answers == np.concatenate(expected)).all()


def test_walks_that_go_deepest_come_first_and_those_of_one_depth_share_a_stage() -> None:
    deep, flat, other = (random_forest(s, trees=40, depth=d) for s, d in ((1, 9), (2, 3), (3, 9)))
    tables = plan_sums([deep, flat, other], 4).tables
    assert [(s.walks, s.trees) for s in tables.stages] == [((0, 2), 84), ((1,), 42)]
    assert [s.steps for s in tables.stages] == [9, 3]


def test_columns_of_large_tables_take_the_narrowest_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def types() -> list[np.dtype]:
        forests = {n: random_forest(1, n_features=n) for n in (255, 256, 65536)}
        return [plan_sums([f], n).tables.bottom.column.dtype for n, f in forests.items()]

    assert types() == [np.int32] * 3
    monkeypatch.setattr(walk_tables, "WIDE_SLOTS", 10)
    assert types() == [np.uint8, np.uint16, np.int32]


def test_forests_with_as_many_trees_an_output_are_summed_by_one_operator() -> None:
    a, b = random_forest(1, trees=6, depth=5), random_forest(2, trees=9, depth=5)
    same = plan_sums([a, a], 4).runs
    assert [[(r.first, r.outputs, r.trees) for r in s] for s in same] == [[(0, 6, 12)]]
    different = plan_sums([a, b], 4).runs
    assert [[(r.first, r.outputs, r.trees) for r in s] for s in different] == [[(0, 3, 6), (3, 3, 9)]]


def test_an_output_with_fewer_trees_is_filled_up_with_trees_that_answer_zero() -> None:
    plan = plan_sums([random_forest(1, trees=4, depth=3)], 4)
    assert plan.tables.n_trees == 6
    assert plan.leaf_order.tolist() == [0, 2, 4, 1]


def test_equal_leaf_vectors_are_stored_once() -> None:
    forest = random_forest(3, trees=5, depth=6, vector=True)
    (run,) = plan_sums([forest], 4).runs[0]
    assert run.vectors is not None
    assert len(run.vectors) == len(np.unique((forest.values * forest.scale).astype(np.float32), axis=0))


def test_the_heap_takes_levels_while_the_tables_stay_small() -> None:
    forest = random_forest(1, trees=10, depth=9)
    chosen = plan_sums([forest], 4).tables
    payload = np.zeros(len(forest.values), np.float32)

    def size(levels: int) -> int:
        tables = lay_out([Walk(forest, payload, np.arange(10))], 4, heap=levels)
        every = [*tables.top, tables.bottom]
        return sum(t.threshold.nbytes + t.column.nbytes for t in every) + tables.left.nbytes

    sizes = [size(k) for k in range(1, 7)]
    assert sizes[chosen.heap - 1] <= 1.35 * min(sizes)
    assert 1 < chosen.heap < 6 or sizes[5] <= 1.35 * min(sizes)


def test_a_tree_too_deep_for_the_walk_is_refused() -> None:
    with pytest.raises(InexactModelError, match="the compact encoding walks at most 256 levels, but got 300"):
        plan_sums([chain(300)], 1)
