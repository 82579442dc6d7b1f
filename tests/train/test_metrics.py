import numpy as np
import pytest

from gradus_train.evaluation.baselines import majority, priors
from gradus_train.evaluation.class_metrics import expected_calibration_error, reliability, score

LABELS = np.array([0, 1, 1, 2])
SAID = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]])


def test_scores_follow_their_definitions_by_hand():
    s = score(LABELS, SAID)
    assert s.rows == 4
    assert s.accuracy == 0.75
    assert s.log_loss == pytest.approx(-(np.log([0.7, 0.8, 0.4, 0.6])).mean())
    assert s.brier == pytest.approx((0.14 + 0.06 + 0.62 + 0.24) / 4)
    # class 0: precision 1/2, recall 1; class 1: 1, 1/2; class 2: 1, 1.
    assert s.f1_macro == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert s.f1_weighted == pytest.approx((2 / 3 + 2 * 2 / 3 + 1) / 4)
    assert s.precision_macro == pytest.approx(2.5 / 3)
    assert s.recall_weighted == pytest.approx(0.75)
    assert s.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))


def test_a_class_that_never_comes_counts_zero_and_nothing_breaks():
    s = score(np.array([1, 1]), np.array([[0.0, 1.0, 0.0], [0.9, 0.1, 0.0]]))
    assert s.accuracy == 0.5
    assert s.confusion[2] == (0, 0, 0)
    assert s.f1_macro == pytest.approx((0 + 2 / 3 + 0) / 3)


def test_a_certain_mistake_has_a_finite_log_loss():
    assert score(np.array([0]), np.array([[0.0, 1.0]])).log_loss == pytest.approx(-np.log(1e-15))


def test_calibration_error_is_the_gap_between_said_and_came():
    said = np.tile([0.8, 0.2], (10, 1))
    assert expected_calibration_error(np.array([0] * 8 + [1] * 2), said) == pytest.approx(0.0)
    assert expected_calibration_error(np.array([0] * 3 + [1] * 7), said) == pytest.approx(0.5)


def test_reliability_bins_say_what_came():
    bins = reliability(np.array([0, 0, 1, 1]), np.array([[0.95, 0.05]] * 2 + [[0.15, 0.85]] * 2), 0)
    assert [(b.rows, b.said, b.came) for b in bins] == [
        (2, pytest.approx(0.15), 0.0),
        (2, pytest.approx(0.95), 1.0),
    ]


def test_baselines_look_at_training_labels_alone():
    train = np.array([1, 1, 1, 0])
    assert priors(train, 2, 3)[0] == pytest.approx(np.array([2, 4, 1]) / 7)
    assert majority(train, 2, 3).tolist() == [[0, 1, 0], [0, 1, 0]]
