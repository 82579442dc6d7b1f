import pytest
from benchmarks.summary import grows_linearly, medians, ratio


def test_each_figure_gets_the_median_of_the_samples_that_have_it():
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 9.0}, {"a": 2.0}]) == {"a": 2.0, "b": 5.0}


@pytest.mark.parametrize(
    ("value", "base", "expected"), [(1.0, 4.0, 0.25), (1.0, 0.0, None), (None, 1.0, None)]
)
def test_a_ratio_is_missing_where_a_side_is_missing_or_the_base_is_nothing(value, base, expected):
    assert ratio(value, base) == expected


def test_a_cost_that_doubles_with_the_work_is_linear_and_one_that_squares_is_not():
    assert grows_linearly((1, 2, 4), (10.0, 20.0, 41.0))
    assert grows_linearly((1, 2, 4), (10.0, 10.0, 10.0))
    assert not grows_linearly((1, 2, 4), (10.0, 40.0, 160.0))
