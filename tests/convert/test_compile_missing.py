"""`gradus_convert.compile` takes missing values and categories as the model does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.support import missing

import gradus_convert


def odd(seed: int = 3) -> np.ndarray:
    return missing.odd_rows(np.linspace(-2, 2, 9, dtype=np.float32), seed, 400)


@pytest.mark.parametrize("name", ["lightgbm, categories, zero_as_missing", "xgboost, categories, missing 7"])
def test_a_compiled_model_answers_as_the_estimator_whatever_is_missing(name):
    model = missing.fit(name)
    compiled = gradus_convert.compile(model)
    rows = odd()
    assert compiled.proof.wrong_leaves == 0
    assert compiled.predict_proba(rows) == pytest.approx(model.predict_proba(rows), abs=1e-6)
    sure = np.abs(model.predict_proba(rows)[:, 0] - 0.5) > 1e-5
    assert (compiled.predict(rows)[sure] == model.predict(rows)[sure]).all()


def test_a_split_of_categories_of_xgboost_3_0_has_no_condition_and_takes_infinities(tmp_path):
    """It writes NaN where later versions write a number that nothing is compared with."""
    model = missing.fit("xgboost, categories")
    whole = json.loads(bytes(model.get_booster().save_raw("json")))
    for tree in whole["learner"]["gradient_booster"]["model"]["trees"]:
        for node in tree["categories_nodes"]:
            tree["split_conditions"][node] = np.nan
    path = tmp_path / "m.json"
    path.write_text(json.dumps(whole))
    compiled = gradus_convert.compile(path)
    rows = odd()
    assert np.isinf(rows[:, 3]).any()
    assert compiled.predict(rows) == pytest.approx(model.predict_proba(rows)[:, 1], abs=1e-6)


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_compiled_regressor_takes_nan(library, encoding):
    import lightgbm
    import xgboost

    X, _ = missing.rows(np.nan)
    y = np.nansum(X, axis=1)
    model = (
        lightgbm.LGBMRegressor(n_estimators=12, num_leaves=8, n_jobs=1, verbose=-1)
        if library == "lightgbm"
        else xgboost.XGBRegressor(n_estimators=12, max_depth=4, n_jobs=1)
    ).fit(X, y)
    compiled = gradus_convert.compile(model, encoding=encoding, rows=X)
    rows = odd()
    assert compiled.proof.wrong_leaves == 0
    assert compiled.predict(rows) == pytest.approx(model.predict(rows), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["lightgbm, missing NaN", "hist gradient boosting, NaN"])
def test_a_split_of_nan_against_all_numbers_has_a_rank_for_float64_rows(name):
    model = missing.fit(name)
    compiled = gradus_convert.compile(model, inputs="float64")
    rows = odd().astype(np.float64)
    rows = np.where(np.isinf(rows), 1.0, rows)
    assert compiled.proof.wrong_leaves == 0
    assert compiled.predict_proba(rows) == pytest.approx(model.predict_proba(rows), abs=1e-6)
