"""Dataframes of pandas and polars: columns by name, categories by the numbers that the model records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas
import polars
import pytest
import xgboost
from packaging.version import Version
from sklearn.ensemble import HistGradientBoostingClassifier

import gradus_convert
from gradus_runtime.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore")


def frame(seed: int = 0, rows: int = 400) -> pandas.DataFrame:
    """Numbers, texts and codes; the codes are no numbers from 0 on."""
    rng = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "price": rng.normal(size=rows).astype(np.float32),
            "side": pandas.Categorical(rng.choice(["sell", "buy", "none"], rows), ["sell", "none", "buy"]),
            "lot": pandas.Categorical(rng.choice([100, 10, 35], rows)),
        }
    )


DF = frame()
Y = ((DF.side == "buy") ^ (DF.lot == 35) ^ (DF.price > 0.7)).to_numpy().astype(int)
SHARP = {"n_estimators": 6, "min_data_per_group": 1, "cat_smooth": 0.0, "max_cat_to_onehot": 1}


def light() -> Any:
    return lightgbm.LGBMClassifier(verbose=-1, n_jobs=1, min_child_samples=2, **SHARP).fit(DF, Y)


def gradient() -> Any:
    settings = {"n_estimators": 6, "enable_categorical": True, "max_cat_to_onehot": 1, "n_jobs": 1}
    return xgboost.XGBClassifier(**settings).fit(DF, Y)


def hist() -> Any:
    codes = DF.assign(side=DF.side.cat.codes)
    return HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(codes, Y)


MODELS = {"lightgbm": light, "xgboost": gradient}
RECORDED = Version(xgboost.__version__) >= Version("3.1")


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A model, and what it was compiled to."""
    if request.param == "xgboost" and not RECORDED:
        pytest.skip(f"XGBoost {xgboost.__version__} records no categories")
    model = MODELS[request.param]()
    return model, gradus_convert.compile(model)


def test_a_dataframe_is_answered_as_the_library_answers_it(both: Any) -> None:
    model, compiled = both
    assert compiled.proof.wrong_leaves == 0
    rows = frame(3)
    np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert (compiled.predict(rows) == model.predict(rows)).all()
    assert compiled.predict_proba(rows)[:, 1].std() > 0.05, "categories decide"


def test_categories_in_another_order_keep_the_numbers_of_training(both: Any) -> None:
    model, compiled = both
    rows = frame(4)
    other = rows.assign(
        side=rows.side.cat.reorder_categories(["buy", "none", "sell"]),
        lot=rows.lot.cat.reorder_categories([100, 35, 10]),
    )
    want = model.predict_proba(rows)
    np.testing.assert_allclose(compiled.predict_proba(other), want, atol=1e-6)
    np.testing.assert_allclose(compiled.predict_proba(other[["lot", "price", "side"]]), want, atol=1e-6)


def test_polars_frames_are_taken_by_name_too(both: Any) -> None:
    model, compiled = both
    rows = frame(5)
    plain = {
        "price": rows.price.to_numpy(),
        "side": rows.side.astype(str).to_list(),
        "lot": rows.lot.to_list(),
    }
    texts = polars.DataFrame(plain).with_columns(polars.col("side").cast(polars.Categorical))
    kinds = polars.Enum(["100", "35", "10"])
    codes = texts.with_columns(polars.col("lot").cast(polars.String).cast(kinds))
    with pytest.raises(DataError, match="the model's 2 columns of categories"):
        compiled.predict_proba(texts)
    said = compiled.predict_proba(codes.select("lot", "side", "price"))
    unknown = model.predict_proba(
        rows.assign(lot=pandas.Categorical([None] * len(rows), rows.lot.cat.categories))
    )
    np.testing.assert_allclose(said, unknown, atol=1e-6, err_msg="the text 35 is not the number 35")


def test_a_gap_is_missing(both: Any) -> None:
    model, compiled = both
    rows = frame(6)
    rows.loc[:50, "side"] = None
    rows.loc[30:80, "lot"] = None
    np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-6)


def test_a_category_of_after_training_is_missing_as_lightgbm_has_it() -> None:
    model = light()
    rows = frame(6)
    rows["side"] = rows.side.cat.rename_categories({"none": "later"})
    said = gradus_convert.compile(model, proof="quick").predict_proba(rows)
    np.testing.assert_allclose(said, model.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize("inputs", ["float32", "float64"])
def test_lightgbm_s_file_records_them_and_so_does_what_is_compiled(inputs: Any, tmp_path: Path) -> None:
    model = light()
    model.booster_.save_model(tmp_path / "m.txt")
    compiled = gradus_convert.compile(tmp_path / "m.txt", inputs=inputs)
    rows = frame(7)
    np.testing.assert_allclose(compiled.predict(rows), model.predict_proba(rows)[:, 1], atol=1e-6)
    facts = {p.key: p.value for p in compiled.model.metadata_props}
    assert json.loads(facts["gradus.categories"]) == [["sell", "none", "buy"], [10, 35, 100]]


def test_a_model_that_records_none_takes_no_categories() -> None:
    codes = DF.assign(side=DF.side.cat.codes, lot=DF.lot.cat.codes).astype(np.float32)
    model = lightgbm.LGBMClassifier(verbose=-1, n_jobs=1, n_estimators=3).fit(codes, Y)
    compiled = gradus_convert.compile(model, proof="quick")
    np.testing.assert_allclose(compiled.predict_proba(codes), model.predict_proba(codes), atol=1e-6)
    with pytest.raises(
        DataError, match=r"the model's 0 columns of categories, but got \['side', 'lot'\].*codes"
    ):
        compiled.predict_proba(DF)


def test_a_model_of_xgboost_before_3_1_takes_the_numbers_of_categories() -> None:
    """It records no categories; a later one records none of an array, which stands for it here."""
    codes = DF.assign(side=DF.side.cat.codes, lot=DF.lot.cat.codes).astype(np.float32)
    if RECORDED:
        settings = {"feature_types": ["q", "c", "c"], "enable_categorical": True, "n_jobs": 1}
        model = xgboost.XGBClassifier(n_estimators=6, max_cat_to_onehot=1, **settings).fit(
            codes.to_numpy(), Y
        )
    else:
        model = gradient()
    compiled = gradus_convert.compile(model)
    with pytest.raises(DataError, match=r"the model's 0 columns of categories, but got \['side', 'lot'\]"):
        compiled.predict_proba(DF)
    said = compiled.predict_proba(codes)
    np.testing.assert_allclose(said, model.predict_proba(DF if not RECORDED else codes.to_numpy()), atol=1e-6)
    assert said[:, 1].std() > 0.05, "categories decide"


def test_hist_gradient_boosting_reads_columns_of_categories_by_their_values() -> None:
    model = hist()
    compiled = gradus_convert.compile(model)
    rows = frame(8)
    rows = rows.assign(side=rows.side.cat.codes)
    np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
