"""Bootstrap intervals hold the truth as often as they say, and know neighbours."""

import numpy as np
import pytest

from gradus_live.bootstrap import Interval, ratio_interval


def autoregressive(rng, n, phi):
    noise = rng.normal(size=n)
    values = np.empty(n)
    values[0] = noise[0] / np.sqrt(1 - phi * phi)
    for i in range(1, n):
        values[i] = phi * values[i - 1] + noise[i]
    return values


def coverage(block, phi, n=180, runs=200):
    hit = 0
    for seed in range(runs):
        values = autoregressive(np.random.default_rng(seed), n, phi)
        found = ratio_interval(values, np.ones(n), block=block, draws=400, seed=seed)
        hit += found.low <= 0 <= found.high
    return hit / runs


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    assert coverage(block=5, phi=0.0) > 0.88


def test_blocks_know_of_neighbours_that_single_days_do_not_see():
    assert coverage(block=1, phi=0.6) < 0.75
    assert coverage(block=14, phi=0.6) > 0.8


def test_without_blocks_the_error_is_that_of_a_mean():
    values = np.random.default_rng(1).normal(size=400)
    found = ratio_interval(values, np.ones(400), block=1)
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_a_ratio_is_that_of_the_sums():
    values, counts = np.array([3.0, 0.0, 1.0] * 10), np.array([2.0, 0.0, 2.0] * 10)
    assert ratio_interval(values, counts, block=3).value == pytest.approx(1.0)


def test_too_few_days_have_no_interval():
    assert ratio_interval(np.ones(10), np.ones(10), block=3).low is None
    assert ratio_interval(np.ones(10), np.zeros(10), block=1).value == 0.0


def test_what_only_a_few_days_hold_has_no_interval_though_the_history_is_long():
    """Each history that is drawn would hold these days or none, and all of them the same ratio."""
    counts = np.zeros(60)
    counts[[20, 21]] = 5.0
    assert ratio_interval(counts * 0.1, counts, block=2) == Interval(pytest.approx(0.1), None, None)
