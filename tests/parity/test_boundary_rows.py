"""Boxes and packed rows reach every threshold that plain recursion reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.forests import random_forest
from tests.support.rows import boundary_rows

from gradus_convert.forest.ir import Forest
from gradus_convert.parity.boxes import boundary_boxes, fill
from gradus_convert.parity.ordinary_rows import SPECIAL, ordinary_rows, special_rows
from gradus_convert.parity.packing import pack

TINY = np.float32(1e-45)


def hits(forest: Forest, tree: int, row: np.ndarray) -> set[tuple[int, float]]:
    """Splits of a tree that a row visits at its threshold or a neighbour, with the value there."""
    found, node = set(), int(forest.roots[tree])
    while forest.feature[node] >= 0:
        t, x = forest.threshold[node], row[forest.feature[node]]
        with np.errstate(all="ignore"):
            near = (np.nextafter(t, np.float32(-np.inf)), t, np.nextafter(t, np.float32(np.inf)))
        if x in near:
            found.add((node, float(x)))
        node = int(forest.left[node] if x <= t else forest.right[node])
    return found


def wanted(forest: Forest, fill_row: np.ndarray) -> set[tuple[int, float]]:
    """What the rows of plain recursion hit, over all trees."""
    rows = boundary_rows(forest, fill_row)
    return set().union(*(hits(forest, t, r) for t in range(forest.n_trees) for r in rows))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    depth=st.integers(1, 6),
    thresholds=st.sampled_from([None, [0.0, 1.0], [0.0, float(TINY), -float(TINY), 1.0], [3.0]]),
)
def test_every_threshold_is_reached_with_its_three_values(seed, depth, thresholds):
    forest = random_forest(seed, depth=depth, trees=4, thresholds=thresholds)
    source = np.random.default_rng(seed).normal(size=(7, 4)).astype(np.float32)
    every = [b for trees in (range(3), range(3, 4)) for b in boundary_boxes(forest, trees)]
    alone, packed = set(), set()
    for boxes in every:
        for tree, row in zip(np.tile(boxes.trees, 3).tolist(), fill(boxes, source), strict=True):
            alone |= hits(forest, tree, row)
    for part in pack(every, source):
        for tree, row in zip(part.tree.tolist(), part.rows[part.row], strict=True):
            packed |= hits(forest, tree, row)
    expected = wanted(forest, source[0])
    assert alone >= expected
    assert packed >= expected


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), pool=st.sampled_from([0, 64, 500]))
def test_every_box_has_its_rows_inside(seed, pool):
    forest = random_forest(
        seed, depth=5, trees=40, n_features=6, thresholds=None if seed % 2 else [0.0, 0.5, 1.0]
    )
    source = np.random.default_rng(seed).normal(size=(7, 6)).astype(np.float32)
    every = list(boundary_boxes(forest, range(40)))
    numbers = np.arange(sum(len(b) for b in every))
    split = np.split(numbers, np.cumsum([len(b) for b in every])[:-1])
    boxes = [replace(b, trees=n) for b, n in zip(every, split, strict=True)]
    columns, lows, highs = {}, {}, {}
    for b in boxes:
        for i, number in enumerate(b.trees.tolist()):
            columns[number], lows[number], highs[number] = b.columns[i], b.low[i], b.high[i]
    values = {n: set() for n in numbers.tolist()}
    for part in pack(boxes, source, pool):
        for number, row in zip(part.tree.tolist(), part.rows[part.row], strict=True):
            x = row[columns[number]]
            assert ((lows[number] <= x) & (x <= highs[number])).all()
            values[number].add(float(x[-1]))
    for number, seen in values.items():
        assert {float(lows[number][-1]), float(highs[number][-1])} <= seen


def test_packing_needs_far_fewer_rows_than_boxes_have_values():
    forest = random_forest(1, trees=60, depth=4, n_features=30)
    boxes = list(boundary_boxes(forest, range(60)))
    parts = list(pack(boxes, np.zeros((1, 30), np.float32), 64))
    count = 3 * sum(len(b) for b in boxes)
    assert sum(len(p.tree) for p in parts) == count
    assert all(len(p.row) == len(p.tree) and len(p.rows) == p.row.max() + 1 for p in parts)
    assert sum(len(p.rows) for p in parts) < count / 4


def test_the_same_boxes_give_the_same_rows():
    forest = random_forest(2, trees=30, depth=5)
    source = np.zeros((1, 4), np.float32)
    one, other = (list(pack(boundary_boxes(forest, range(30)), source)) for _ in range(2))
    assert [p.rows.tobytes() for p in one] == [p.rows.tobytes() for p in other]


def test_a_forest_without_splits_has_no_boundary():
    forest = random_forest(0, depth=0, trees=3)
    assert list(boundary_boxes(forest, range(3))) == []
    assert list(pack([], np.zeros((1, 4), np.float32))) == []


def test_special_rows_put_every_odd_value_into_every_column():
    rows = special_rows(np.ones((2, 3), np.float32))
    seen = {(c, v.tobytes()) for c in range(3) for v in rows[:, c]}
    for value in SPECIAL:
        assert all((c, value.tobytes()) in seen for c in range(3))
    bits = {v.tobytes() for v in SPECIAL}
    for value in (0.0, -0.0, 1e-45, -1e-45, 1e-35, -1e-35, 3.4028235e38, -3.4028235e38):
        assert np.float32(value).tobytes() in bits


def test_ordinary_rows_are_the_complete_holdout_filled_up_inside_the_training_range():
    holdout = np.array([[1, 2], [np.nan, 3], [4, 5]], np.float32)
    low, high = np.array([-1, 10], np.float32), np.array([1, 20], np.float32)
    rows = ordinary_rows(holdout, low, high, 50)
    assert rows.shape == (50, 2)
    assert rows[:2].tolist() == [[1, 2], [4, 5]]
    assert (rows[2:] >= low).all()
    assert (rows[2:] <= high).all()
    assert ordinary_rows(holdout, low, high, 1).tolist() == [[1, 2], [4, 5]]
    assert rows == pytest.approx(ordinary_rows(holdout, low, high, 50))
