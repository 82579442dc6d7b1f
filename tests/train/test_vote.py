import numpy as np
import pytest

from gradus_convert.graphs.exact_vote import LEAST_SHARE
from gradus_train.evaluation.class_metrics import score
from gradus_train.training.vote import combine, optimal_weights

A = np.array([[0.6, 0.4], [0.2, 0.8]])
B = np.array([[0.1, 0.9], [0.3, 0.7]])


def test_a_soft_vote_is_the_weighted_mean():
    assert combine([A, B], [3.0, 1.0], "soft") == pytest.approx(0.75 * A + 0.25 * B)


def test_a_hard_vote_counts_the_highest_classes_by_weight():
    assert combine([A, B], [3.0, 1.0], "hard").tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_a_row_that_a_member_has_not_is_a_row_without_a_vote():
    missing = B.copy()
    missing[1] = np.nan
    for kind in ("soft", "hard"):
        said = combine([A, missing], [1.0, 1.0], kind)
        assert np.isfinite(said[0]).all()
        assert np.isnan(said[1]).all()


def test_optimal_weights_have_the_least_log_loss_of_a_fine_grid():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400)
    good = np.clip(np.eye(2)[labels] * 0.5 + 0.25 + rng.normal(0, 0.2, (400, 1)) * [1, -1], 0.02, 0.98)
    poor = np.clip(0.5 + rng.normal(0, 0.3, (400, 1)) * [1, -1], 0.02, 0.98)
    good, poor = (p / p.sum(axis=1, keepdims=True) for p in (good, poor))
    weights = optimal_weights([good, poor], labels)
    assert sum(weights) == pytest.approx(1.0, abs=1e-5)
    mine = score(labels, combine([good, poor], weights, "soft")).log_loss
    grid = [
        score(labels, combine([good, poor], [w, 1 - w], "soft")).log_loss for w in np.linspace(0.01, 1, 100)
    ]
    assert mine <= min(grid) + 1e-4


def test_a_useless_member_keeps_a_least_weight():
    labels = np.zeros(50, dtype=np.int64)
    sure, wrong = np.tile([1.0, 0.0], (50, 1)), np.tile([0.0, 1.0], (50, 1))
    assert optimal_weights([sure, wrong], labels) == (1.0, 4e-6)


def test_a_member_that_the_fit_gives_no_say_keeps_a_weight_that_has_an_exact_form():
    """The bound is that of conversion; with less a run could be trained that nothing could serve."""
    sure, wrong = np.array([[1.0, 0.0]] * 50), np.array([[0.0, 1.0]] * 50)
    weights = optimal_weights([sure, wrong, wrong], np.zeros(50, np.int64))
    assert min(weights) / sum(weights) >= LEAST_SHARE
