"""Deflated Sharpe ratio and probability of backtest overfitting, beside purgedcv and published examples."""

from __future__ import annotations

import math

import numpy as np
import purgedcv
import pytest

from gradus_live.overfitting import Moments, deflated_sharpe, expected_best, moments_of, overfitting
from gradus_runtime.errors import UsageError


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_example_of_the_paper_comes_out(trials, expected):
    """Bailey and Lopez de Prado (2014): 2.5 a year over 1250 days, skew -3, kurtosis 10, variance 0.5."""
    moments = Moments(1250, 2.5 / math.sqrt(250), -3.0, 10.0)
    benchmark = expected_best(trials, math.sqrt(0.5 / 250))
    assert deflated_sharpe(moments, benchmark) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_deflated_sharpe_ratio_is_that_of_purgedcv(seed):
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(4, 40 + 60 * seed) * 0.01 + 0.002
    trials, spread = 3 + 10 * seed, 0.05
    theirs = purgedcv.deflated_sharpe_ratio_full(returns, trials, spread**2)
    assert expected_best(trials, spread) == pytest.approx(theirs.sr_star, rel=1e-12)
    same = Moments(theirs.n_obs, theirs.observed_sr, theirs.skew, theirs.kurt)
    assert deflated_sharpe(same, expected_best(trials, spread)) == pytest.approx(theirs.dsr, abs=1e-12)
    mine = moments_of(returns)  # of the sample; theirs corrects for its size
    assert mine.sharpe == pytest.approx(theirs.observed_sr, rel=2 / len(returns))
    assert mine.skew == pytest.approx(theirs.skew, rel=4 / len(returns))
    assert mine.kurtosis == pytest.approx(theirs.kurt, rel=0.4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("blocks", [4, 10])
def test_the_probability_of_overfitting_is_that_of_purgedcv(seed, blocks):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((blocks * 4 + seed, 3 + seed)) + rng.standard_normal(3 + seed) * 0.2
    theirs = purgedcv.probability_of_backtest_overfitting(scores.T, n_splits=blocks, metric=np.mean)
    assert overfitting(scores, blocks=blocks) == pytest.approx((theirs.logits <= 0).mean(), abs=1e-12)


def test_days_weigh_by_their_rows():
    """Sums and rows a day against the same rows one by one."""
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 9, 8)
    rows = [rng.standard_normal((n, 5)) for n in counts]
    found = overfitting(np.array([r.sum(axis=0) for r in rows]), counts.astype(float), blocks=8)
    halves = []
    from itertools import combinations

    for taken in combinations(range(8), 4):
        here = np.concatenate([rows[i] for i in taken]).mean(axis=0)
        there = np.concatenate([rows[i] for i in range(8) if i not in taken]).mean(axis=0)
        halves.append((there < there[here.argmax()]).sum() < 2.5)
    assert found == pytest.approx(np.mean(halves))


def test_what_is_best_throughout_is_not_overfitted_and_noise_is_as_often_as_not():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((200, 40))
    skilled = noise + np.where(np.arange(40) == 7, 1.0, 0.0)
    assert overfitting(skilled) == 0.0
    found = [overfitting(rng.standard_normal((200, 40))) for _ in range(20)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)


def test_the_best_of_many_trials_without_skill_is_deflated():
    """Of 200 random walks the best looks good alone, and not beside the others."""
    rng = np.random.default_rng(2)
    returns = rng.standard_normal((250, 200)) * 0.01
    every = [moments_of(column) for column in returns.T]
    best = max(every, key=lambda m: m.sharpe)
    spread = float(np.std([m.sharpe for m in every], ddof=1))
    assert deflated_sharpe(best, 0.0) > 0.97
    assert deflated_sharpe(best, expected_best(200, spread)) < 0.95


@pytest.mark.parametrize("returns", [[], [0.01, 0.02], [0.0] * 50], ids=["none", "two", "all the same"])
def test_returns_that_tell_nothing_have_no_moments(returns):
    assert moments_of(np.array(returns)) is None


def test_one_trial_needs_no_correction_and_tells_nothing_of_choosing():
    assert expected_best(1, 0.3) == 0.0
    assert overfitting(np.ones((50, 1))) is None
    assert overfitting(np.ones((5, 3))) is None


def test_wrong_counts_are_refused():
    with pytest.raises(UsageError, match="at least one trial"):
        expected_best(0, 0.1)
    with pytest.raises(UsageError, match="an even number"):
        overfitting(np.ones((50, 3)), blocks=7)
