"""docs/models.md: every row of its table, compiled and held against its library, or refused as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support.compiled_models import CASES, DOCUMENT, Case, X, with_table
from tests.support.rows import boundary_rows, finite

import gradus_convert
from gradus_convert.readers import read_model
from gradus_runtime.errors import GradusError

EXACT = [c for c in CASES if not c.refusal]
REFUSED = [c for c in CASES if c.refusal]


def asked(case: Case, model: Any) -> Any:
    """Rows on every threshold where they are easily made, and the case's own."""
    own = X if case.rows is None else case.rows
    if case.inputs == "float64" or case.library == "Pipeline":
        return own
    if type(model).__name__ in ("VotingClassifier", "CalibratedClassifierCV"):
        return own
    forest = read_model(model, values=True).lowered
    if getattr(forest, "views", ()):
        return own
    return np.concatenate([boundary_rows(forest, finite(X)[0]), own])


def answers(model: Any, rows: Any) -> Any:
    """What the library's own `predict` or `predict_proba` says."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(rows))
    if type(model).__module__.startswith("xgboost") and type(model).__name__ == "Booster":
        import xgboost

        types = model.feature_types
        return model.predict(xgboost.DMatrix(rows, feature_types=types, enable_categorical=bool(types)))
    return np.asarray(model.predict(rows))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", EXACT, ids=lambda c: c.name)
def test_a_model_that_the_table_calls_exact_is(case: Case) -> None:
    model = case.make()
    compiled = gradus_convert.compile(model, proof="quick", inputs=case.inputs, encoding="compact")  # type: ignore[arg-type]
    rows = asked(case, model)
    expected = answers(model, rows)
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(compiled.predict_proba(rows), expected, atol=1e-6)
        return
    if expected.dtype.kind in "OU":  # labels of a hard vote
        assert (compiled.predict(rows) == expected).all()
        return
    scale = 3e-6 * float(np.abs(expected).max())
    np.testing.assert_allclose(compiled.predict(rows), expected, rtol=3e-6, atol=scale)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.name)
def test_a_model_that_the_table_calls_refused_is(case: Case) -> None:
    with pytest.raises(GradusError) as caught:
        gradus_convert.compile(case.make(), proof="off")
    assert case.refusal in str(caught.value)


def test_the_table_is_written_from_the_cases() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert document == with_table(document), "run python -m tests.support.compiled_models"
    assert len({c.name for c in CASES}) == len(CASES)
