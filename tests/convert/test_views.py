"""Views by plain Python rules, and any random forest with views, in every encoding, one row and many."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.forests import random_forest
from tests.support.graphs import session
from tests.support.missing import ODD

from gradus_convert.forest.ir import Forest, leaves
from gradus_convert.forest.pruning import restrict
from gradus_convert.forest.views import CategoryView, FilledView, MissingView, View, nan_alone, ordered, widen
from gradus_convert.graphs import VotingMember, build_level

FEATURES = 4


def plainly(view: View, x: float) -> float:
    """A view by plain Python on a number."""
    missing = math.isnan(x) or np.float32(view.low) <= x <= np.float32(view.high)
    if isinstance(view, FilledView):
        return view.fill if missing else x
    if isinstance(view, MissingView):
        return float(view.value if missing else 1 - view.value)
    if missing:
        return float(view.sides[0])
    if view.reading == "listed":
        found = [k for k, value in enumerate(view.values) if value == x]
        return float(view.sides[2 + found[0]] if found else view.sides[-1])
    if x <= -1 or (x < 0 and view.reading == "floored"):
        return float(view.sides[1])
    return float(view.sides[2 + int(x)] if x < view.size else view.sides[-1])


numbers = st.sampled_from([float(v) for v in ODD if not math.isnan(v)])
ranges = st.one_of(
    st.just((math.inf, -math.inf)),
    st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends))),
    numbers.map(lambda v: (v, v)),
)
columns = st.integers(0, FEATURES - 1)


@st.composite
def views(draw: Any) -> View:
    """Any view of a row of four columns."""
    kind, column, (low, high) = draw(st.sampled_from("fmc")), draw(columns), draw(ranges)
    if kind == "f":
        return FilledView(column, draw(st.sampled_from([-math.inf, math.inf, 0.0])), low, high)
    if kind == "m":
        return MissingView(column, draw(st.integers(0, 1)), low, high)
    reading = draw(st.sampled_from(["truncated", "floored", "listed"]))
    sides = bytes(draw(st.lists(st.integers(0, 1), min_size=3, max_size=40)))
    values: tuple[float, ...] = ()
    if reading == "listed":
        chosen = draw(st.permutations([float(v) for v in ODD if np.isfinite(v) and v != 0]))
        values = tuple(chosen[: len(sides) - 3])
        sides = sides[: 2 + len(values)] + sides[-1:]
    return CategoryView(column, reading, sides, values, low, high)


@settings(max_examples=200, deadline=None)
@given(view=views())
def test_a_view_is_what_its_rule_says(view):
    expected = np.array([plainly(view, float(x)) for x in ODD], np.float32)
    assert (view.of(ODD).view(np.uint32) == expected.view(np.uint32)).all()


def looking_at(forest: Forest, shown: tuple[View, ...], seed: int) -> Forest:
    """The forest with splits on views: of 0 and 1 at 0.5, of copies at odd values."""
    rng = np.random.default_rng(seed)
    split = forest.feature >= 0
    feature = np.where(split, rng.integers(FEATURES, FEATURES + len(shown), len(split)), -1)
    limits = ODD[~np.isnan(ODD)]
    threshold = np.where(split, rng.choice(limits, len(split)), 0).astype(np.float32)
    sets = np.array([False] * FEATURES + [not isinstance(v, FilledView) for v in shown] + [False])
    threshold[sets[feature]] = 0.5
    return dataclasses.replace(forest, feature=feature, threshold=threshold, views=shown)


def walked(forest: Forest, rows: np.ndarray) -> np.ndarray:
    """Where each tree ends, step by step in plain Python."""
    result = np.empty((len(rows), forest.n_trees), np.int64)
    for i, row in enumerate(rows.tolist()):
        for t, root in enumerate(forest.roots.tolist()):
            node = root
            while forest.feature[node] >= 0:
                view = forest.views[int(forest.feature[node]) - FEATURES]
                goes_left = plainly(view, row[view.column]) <= float(forest.threshold[node])
                node = int((forest.left if goes_left else forest.right)[node])
            result[i, t] = node
    return result


forests = st.builds(
    lambda seed, depth, shown: looking_at(
        random_forest(seed, depth=depth, n_features=FEATURES), ordered(shown), seed
    ),
    st.integers(0, 2**16),
    st.integers(1, 6),
    st.lists(views(), min_size=1, max_size=12),
)


BELOW_ALL = looking_at(  # a threshold of -inf beside subnormal ones, and a row of the lowest finite number
    random_forest(210, depth=2, n_features=FEATURES), ordered([FilledView(0, -np.inf, np.inf, -np.inf)]), 210
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@example(forest=BELOW_ALL, encoding="compact", seed=1)
@given(forest=forests, encoding=st.sampled_from(["compact", "treeops", "treeops5"]), seed=st.integers(0, 99))
def test_any_forest_with_views_walks_to_the_leaves_of_plain_python(forest, encoding, seed):
    rows = np.random.default_rng(seed).choice(ODD, size=(60, FEATURES)).astype(np.float32)
    expected = walked(forest, rows)
    assert (leaves(forest, rows) == expected).all()
    graph = build_level(
        [VotingMember("m", 1.0, forest, (0, 1, 2))],
        [f"f{i}" for i in range(FEATURES)],
        ["a", "b", "c"],
        encoding=encoding,
        metadata={},
        leaves=True,
    )
    run = session(graph.model_bytes).run
    assert (run(["leaves"], {"features": rows})[0] == expected).all()
    for i in range(0, len(rows), 20):
        assert (run(["leaves"], {"features": rows[i : i + 1]})[0] == expected[i : i + 1]).all()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(forest=forests, missing=st.lists(st.booleans(), min_size=FEATURES, max_size=FEATURES))
def test_a_forest_restricted_to_rows_has_their_leaves(forest, missing):
    able = np.array(missing)
    rows = np.random.default_rng(1).choice(ODD, size=(200, FEATURES)).astype(np.float32)
    rows = rows[(np.isfinite(rows) | (able & np.isnan(rows))).all(axis=1)]
    small = restrict(forest, able)
    before = forest.native_leaf[leaves(forest, rows)]
    assert (small.native_leaf[leaves(small, rows)] == before).all()
    assert len(small.views) <= len(forest.views)
    assert not any(isinstance(v, FilledView) and nan_alone(v) and not able[v.column] for v in small.views)


def test_equal_views_are_one_column_and_their_order_is_fixed():
    some = [MissingView(0, 1), FilledView(2, 0.0), CategoryView(0, "floored", b"\0\1\0"), FilledView(1, 5.0)]
    expected = (FilledView(1, 5.0), FilledView(2, 0.0), MissingView(0, 1), some[2])
    assert ordered([*some, *some[::-1]]) == expected


def test_a_widened_row_has_its_views_behind_its_columns():
    rows = np.array([[np.nan, 2], [3, 4]], np.float32)
    wide = widen(rows, [FilledView(0, -np.inf), MissingView(0, 1)])
    assert wide[1].tolist() == [3, 4, 3, 0]
    assert wide[0, 1:].tolist() == [2, -np.inf, 1]


@pytest.mark.parametrize("column", [0, 1])
def test_a_graph_of_views_alone_leaves_out_columns_that_no_tree_looks_at(column):
    forest = looking_at(random_forest(3, n_features=FEATURES), (FilledView(column, np.inf),), 0)
    graph = build_level([VotingMember("m", 1.0, forest, (0, 1, 2))], list("abcd"), list("xyz"), metadata={})
    rows = np.full((3, FEATURES), np.nan, np.float32)
    assert np.isfinite(session(graph.model_bytes).run(["probabilities"], {"features": rows})[0]).all()
