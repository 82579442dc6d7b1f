"""Boxes and packed rows reach every threshold that plain recursion reaches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.forests import random_forest
from tests.support.rows import boundary_rows

from gradus_convert.ir import Forest
from gradus_convert.parity.boxes import boundary_boxes, fill
from gradus_convert.parity.packing import Packing
from gradus_convert.parity.rows import SPECIAL, ordinary_rows, special_rows

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
    packing, alone = Packing(source, 64), set()
    for trees in (range(3), range(3, 4)):
        for boxes in boundary_boxes(forest, trees):
            rows = fill(boxes, source)
            for tree, row in zip(boxes.trees.tolist(), rows, strict=True):
                alone |= hits(forest, tree, row)
            packing.add(boxes)
    rows, row_of, tree_of = packing.finish()
    packed = set().union(
        *(hits(forest, t, rows[r]) for r, t in zip(row_of.tolist(), tree_of.tolist(), strict=True))
    )
    expected = wanted(forest, source[0])
    assert alone >= expected
    assert packed >= expected


def test_packing_needs_far_fewer_rows_than_boxes():
    forest = random_forest(1, trees=60, depth=4, n_features=30)
    source = np.zeros((1, 30), np.float32)
    packing, count = Packing(source, 64), 0
    for boxes in boundary_boxes(forest, range(60)):
        count += len(boxes)
        packing.add(boxes)
    rows, row_of, _ = packing.finish()
    assert len(row_of) == count
    assert len(rows) == row_of.max() + 1
    assert len(rows) < count / 4


def test_a_forest_without_splits_has_no_boundary():
    forest = random_forest(0, depth=0, trees=3)
    packing = Packing(np.zeros((1, 4), np.float32))
    assert list(boundary_boxes(forest, range(3))) == []
    rows, row_of, tree_of = packing.finish()
    assert (len(rows), len(row_of), len(tree_of)) == (0, 0, 0)


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
