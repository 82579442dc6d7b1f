"""The Forest IR refuses what is no forest, and its interpreter follows the one rule."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from tests.support.forests import random_forest

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, depths, interpret


def stump(**changes: Any) -> Forest:
    """One split at 0.5 on column 1, one output."""
    fields: dict[str, Any] = {
        "roots": np.array([0], np.int32),
        "left": np.array([1, 1, 2], np.int32),
        "right": np.array([2, 1, 2], np.int32),
        "feature": np.array([1, -1, -1], np.int32),
        "threshold": np.array([0.5, 0, 0], np.float32),
        "leaf": np.array([-1, 0, 1], np.int32),
        "values": np.array([[-2.0], [3.0]]),
        "tree_output": np.array([0], np.int32),
        "base": np.array([0.25]),
        "n_features": 2,
        "n_outputs": 1,
        "link": "sigmoid",
        "scale": 0.5,
        "native_leaf": np.array([-1, 7, 9], np.int64),
    }
    return Forest(**(fields | changes))


def walk(forest: Forest, row: np.ndarray) -> list[int]:
    """The rule, in plain Python."""
    ends = []
    for node in forest.roots.tolist():
        while forest.feature[node] >= 0:
            left = row[forest.feature[node]] <= forest.threshold[node]
            node = int(forest.left[node] if left else forest.right[node])
        ends.append(node)
    return ends


def test_a_row_goes_left_iff_x_is_at_most_the_threshold():
    half = np.float32(0.5)
    X = np.array([[9, half], [9, np.nextafter(half, np.float32(1))], [9, -0.0]], np.float32)
    result = interpret(stump(), X)
    assert result.leaves.tolist() == [[1], [2], [1]]
    assert result.outputs[:, 0].tolist() == [0.25 - 1.0, 0.25 + 1.5, 0.25 - 1.0]
    expected = [1 / (1 + math.exp(0.75)), 1 / (1 + math.exp(-1.75)), 1 / (1 + math.exp(0.75))]
    assert result.probabilities[:, 1] == pytest.approx(expected, abs=1e-15)
    assert result.probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-15)


@pytest.mark.parametrize("vector", [False, True])
def test_the_interpreter_agrees_with_plain_python(vector):
    forest = random_forest(3, vector=vector, trees=9, depth=7)
    X = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    result = interpret(forest, X)
    for i, row in enumerate(X):
        ends = walk(forest, row)
        assert result.leaves[i].tolist() == ends
        sums = [math.fsum([]) for _ in range(3)]
        for tree, end in enumerate(ends):
            value = forest.values[forest.leaf[end]]
            for k in range(3):
                if vector or forest.tree_output[tree] == k:
                    sums[k] += value[k if vector else 0]
        margins = [b + forest.scale * s for b, s in zip(forest.base, sums, strict=True)]
        if vector:
            expected = margins
        else:
            expected = [math.exp(m) / math.fsum(math.exp(o) for o in margins) for m in margins]
        assert result.probabilities[i] == pytest.approx(expected, abs=1e-14)


def test_arrays_are_read_only_copies():
    threshold = np.array([0.5, 0, 0], np.float32)
    forest = stump(threshold=threshold)
    threshold[0] = 9
    assert forest.threshold[0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        forest.threshold[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        forest.scale = 2.0  # type: ignore[misc]


def test_depths_count_from_the_roots():
    assert depths(stump()).tolist() == [0, 1, 1]
    assert stump().n_classes == 2
    assert (stump().n_trees, stump().n_nodes, stump().vector_leaves) == (1, 3, False)


def i32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"roots": i32()}, r"Forest.roots: a forest must have at least one tree, but got \(0,\)"),
        ({"leaf": i32(-1, 0)}, r"Forest.leaf: one entry a node is needed \(\(3,\)\), but got \(2,\)"),
        ({"tree_output": i32(0, 0)}, "Forest.tree_output: one entry a tree is needed"),
        ({"n_features": 0}, "Forest.n_features: there must be a feature"),
        ({"link": "probit"}, "Forest.link: link must be known, but got 'probit'"),
        ({"n_outputs": 2}, "Forest.n_outputs: there must be an output, and one alone for the sigmoid"),
        ({"base": np.zeros(2)}, "Forest.base: one entry an output is needed"),
        ({"tree_output": i32(1)}, "Forest.tree_output: an output must be below n_outputs"),
        ({"values": np.zeros((2, 2))}, r"Forest.values: a leaf must hold 1 value"),
        ({"values": np.array([[np.nan], [0]])}, "Forest.values: every number must be finite"),
        ({"threshold": np.array([np.nan, 0, 0])}, "Forest.threshold: a threshold must be a number"),
        ({"scale": math.inf}, "Forest.scale: every number must be finite"),
        ({"left": i32(1, 2, 2)}, "Forest.left: a leaf must point at itself"),
        ({"right": i32(0, 1, 2)}, "Forest.right: a child must be another node"),
        ({"right": i32(7, 1, 2)}, "Forest.right: a child must be another node"),
        ({"feature": i32(1, -2, -1)}, "Forest.feature: a leaf's feature must be -1"),
        ({"threshold": np.array([0.5, 1, 0])}, "Forest.threshold: a leaf's threshold must be 0"),
        (
            {"feature": i32(2, -1, -1)},
            "Forest.feature: a split's feature must be a column or a view, but got 2",
        ),
        ({"leaf": i32(-1, 0, 2)}, "Forest.leaf: it must name a leaf's row, and be -1 at a split"),
        ({"native_leaf": i32(3, 0, 2)}, "Forest.native_leaf: it must name a leaf's row"),
        ({"roots": i32(5)}, "Forest.roots: a root must be a node"),
        ({"right": i32(1, 1, 2)}, "every node must have one parent, or be one root"),
        ({"roots": i32(0, 1), "tree_output": i32(0, 0)}, "every node must have one parent, or be one root"),
        ({"roots": i32(0, 1), "tree_output": i32(0, -1)}, "all trees or none must name their output"),
    ],
)
def test_what_is_no_forest_is_refused(changes, message):
    with pytest.raises(InexactModelError, match=message):
        stump(**changes)


def test_nodes_in_a_ring_are_refused():
    with pytest.raises(InexactModelError, match="every node must be reached from a root"):
        Forest(
            **{
                f.name: getattr(stump(), f.name)
                for f in dataclasses.fields(Forest)
                if f.name not in {"left", "right", "feature", "threshold", "leaf", "native_leaf"}
            },
            left=i32(1, 1, 2, 4, 3, 5, 6),
            right=i32(2, 1, 2, 5, 6, 5, 6),
            feature=i32(1, -1, -1, 0, 0, -1, -1),
            threshold=np.zeros(7, np.float32),
            leaf=i32(-1, 0, 1, -1, -1, 0, 0),
            native_leaf=i32(-1, 0, 1, -1, -1, 0, 0),
        )


@pytest.mark.parametrize("X", [np.zeros((1, 2)), np.zeros((1, 3), np.float32), np.zeros(2, np.float32)])
def test_rows_of_another_shape_or_type_are_refused(X):
    with pytest.raises(InexactModelError, match=r"rows must be float32 \[N, 2\]"):
        interpret(stump(), X)
