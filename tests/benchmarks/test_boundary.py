import numpy as np
import pytest
from benchmarks.boundary import forest_rows, wrong_side

from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.readers import read_model


@pytest.fixture(scope="module")
def forest_and_rows():
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 4)).astype(np.float32)
    model = RandomForestClassifier(5, max_depth=5, random_state=0).fit(rows, rows[:, 0] > rows[:, 1])
    forest = read_model(model).for_rows().lowered
    assert isinstance(forest, Forest)
    return forest, rows


def test_every_boundary_row_stands_on_a_threshold_or_beside_it(forest_and_rows):
    forest, base = forest_and_rows
    rows = forest_rows(forest, base, 40, np.random.default_rng(1))
    thresholds = forest.threshold[forest.feature >= 0]
    near = np.concatenate([thresholds, *(np.nextafter(thresholds, np.float32(e)) for e in (-np.inf, np.inf))])
    assert 100 <= len(rows) <= 120
    assert np.isin(rows, near).any(axis=1).all()


def test_a_threshold_moved_by_one_float_puts_boundary_rows_on_the_wrong_side(forest_and_rows):
    forest, base = forest_and_rows
    rows = forest_rows(forest, base, 40, np.random.default_rng(1))
    split = forest.feature >= 0
    up = np.where(split, np.nextafter(forest.threshold, np.float32(np.inf)), forest.threshold)
    moved = Forest(**{n: up if n == "threshold" else getattr(forest, n) for n in Forest.__slots__})
    right, wrong = (interpret(f, rows).probabilities for f in (forest, moved))
    assert wrong_side(right, right) == 0
    assert wrong_side(right, wrong) > 20
