"""The chi-square distribution against SciPy's, which the runtime does without."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from gradus_runtime.monitoring import chi_square


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(1, 200))
def test_survival_is_scipys(x: float, df: int) -> None:
    assert chi_square.survival(x, df) == pytest.approx(float(chi2.sf(x, df)), rel=1e-8, abs=1e-14)


@settings(deadline=None)
@given(st.floats(1e-9, 0.999), st.integers(1, 200))
def test_the_quantile_is_scipys(tail: float, df: int) -> None:
    assert chi_square.quantile(tail, df) == pytest.approx(float(chi2.isf(tail, df)), rel=1e-7)
