import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus_runtime.errors import DataError
from gradus_train.config import Split
from gradus_train.training.splits import tail_start, timeline


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(250, 600),
    folds=st.integers(2, 6),
    gap=st.integers(1, 9),
    holdout=st.floats(0.05, 0.4),
    seed=st.integers(0, 99),
)
def test_no_label_of_a_training_row_reaches_into_test_or_holdout_rows(n, folds, gap, holdout, seed):
    usable = np.random.default_rng(seed).random(n) < 0.9
    line = timeline(usable, Split(folds, gap, holdout))
    assert len(line.folds) == folds
    for fold in line.folds:
        assert fold.train.max() + gap < fold.test.min()
        assert set(fold.test) <= set(line.development)
    # A label of bar t looks at bars up to t + gap.
    assert line.development.max() + gap < line.holdout.min()
    assert len(line.holdout) == np.ceil(usable.sum() * holdout)
    assert line.holdout.max() == np.flatnonzero(usable).max()


def test_too_few_rows_are_refused_with_the_number_needed():
    with pytest.raises(DataError, match=r"5 folds with a gap of 4 need at least 36 rows.*Give more candles"):
        timeline(np.ones(40, dtype=bool), Split(5, 4, 0.2))


def test_the_watched_tail_is_a_gap_away_from_the_rows_before():
    assert tail_start(100, 0.2, 4) == (76, 80)
    assert tail_start(4, 0.5, 4) == (0, 2)
