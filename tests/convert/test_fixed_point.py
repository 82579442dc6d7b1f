"""Leaves in whole numbers: no sum of them, in any order, is rounded."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.forests import random_forest
from tests.support.levels import based, scaled

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, leaves
from gradus_convert.graphs.fixed_point import fixed_point
from gradus_convert.graphs.powers import PER_UNIT


def plain_sums(forest: Forest, whole: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """Sums of whole numbers, by Python's integers."""
    result = []
    for nodes in leaves(forest, rows).tolist():
        sums = [0] * forest.n_outputs
        for tree, node in enumerate(nodes):
            for k, value in enumerate(whole[forest.leaf[node]].tolist()):
                output = int(forest.tree_output[tree])
                sums[k if output < 0 else output] += value
        result.append(sums)
    return result


@settings(max_examples=40, deadline=None)
@given(
    unit=st.sampled_from([1.0, 0.3, PER_UNIT]),
    seed=st.integers(0, 2**32 - 1),
    trees=st.integers(1, 30),
    vector=st.booleans(),
    exponent=st.integers(-80, 16),  # above, some leaves add up to too much
)
def test_every_sum_lies_between_low_and_high_and_below_2_to_the_52(
    unit: float, seed: int, trees: int, vector: bool, exponent: int
) -> None:
    forest = scaled(random_forest(seed, trees=trees, depth=4, vector=vector), 2.0**exponent)
    fixed = fixed_point(forest, unit, place="m")
    rows = np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)
    base = fixed.base.tolist()
    for sums in plain_sums(forest, fixed.leaves, rows):
        for k, total in enumerate(sums):
            assert int(fixed.low[k]) <= total + base[k] <= int(fixed.high[k])
    assert max(abs(int(x)) for x in (*fixed.low, *fixed.high)) < 1 << 52


@pytest.mark.parametrize("vector", [False, True])
def test_low_and_high_are_what_the_extreme_leaves_of_all_trees_come_to(vector: bool) -> None:
    forest = random_forest(3, trees=7, depth=0, vector=vector)  # one leaf a tree: both are its sum
    fixed = fixed_point(forest, 1.0, place="m")
    (sums,) = plain_sums(forest, fixed.leaves, np.zeros((1, 4), np.float32))
    assert (fixed.low - fixed.base).tolist() == (fixed.high - fixed.base).tolist() == sums


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("of", [1.0, PER_UNIT])
def test_a_leaf_is_rounded_once_and_single_values_fit_float32(of: float, factor: float, vector: bool) -> None:
    forest = scaled(random_forest(3, trees=50, vector=vector), factor)
    fixed = fixed_point(forest, of, place="m")
    unit = Fraction(1, 1 << fixed.bits)
    for value, whole in zip(forest.values.reshape(-1), fixed.leaves.reshape(-1), strict=True):
        held = value * forest.scale * of
        held = float(held if vector else np.float32(held))
        assert abs(int(whole) * unit - Fraction(held)) <= unit / 2
    if not vector:
        held = fixed.value(fixed.leaves)
        assert (held.astype(np.float32) == held).all()


def test_more_bits_are_left_for_smaller_leaves_and_60_at_most() -> None:
    forest = based(random_forest(3), 0, 0, 0)
    bits = [fixed_point(scaled(forest, 2.0**-k), 1.0, place="m").bits for k in range(20)]
    assert bits == [min(60, bits[0] + k) for k in range(20)]


def test_leaves_that_leave_fewer_than_30_fractional_bits_are_refused() -> None:
    forest = based(random_forest(3, trees=3, depth=0), 0, 0, 0)
    largest = replace(forest, values=np.full((3, 1), np.nextafter(2.0**21, 0)))
    assert fixed_point(largest, 1.0, place="m").bits == 30
    message = r"leaves must add up to less than 2097152, so that 30 fractional bits are left"
    for worst in (2.0**21, 1e300):
        with pytest.raises(InexactModelError, match=message):
            fixed_point(replace(forest, values=np.full((3, 1), worst)), 1.0, place="m")
    with pytest.raises(InexactModelError, match=message):  # the base counts
        fixed_point(replace(largest, base=np.array([1.0, 0, 0])), 1.0, place="m")


def test_minus_zero_is_no_leaf() -> None:
    forest = scaled(random_forest(3), -0.0)
    assert not np.signbit(fixed_point(forest, 1.0, place="m").leaves.astype(np.float64)).any()
