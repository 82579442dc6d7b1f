"""A wrong link of an objective, planted in the table of a reader, is caught by the proof."""

from __future__ import annotations

import pytest
from tests.support.compiled_models import CASES

import gradus_convert
from gradus_convert.errors import InexactModelError, ParityError
from gradus_convert.readers import catboost, lightgbm, sklearn_boosting, xgboost

pytestmark = pytest.mark.filterwarnings("ignore")

BY_NAME = {case.name: case for case in CASES}
FAULTS = {
    "LightGBM LGBMRegressor: poisson": (lightgbm._VALUES, "poisson", "identity"),
    "LightGBM LGBMRegressor: tweedie": (lightgbm._VALUES, "tweedie", "identity"),
    "LightGBM LGBMRegressor: regression": (lightgbm._VALUES, "regression", "exp"),
    "LightGBM LGBMRegressor: quantile": (lightgbm._VALUES, "quantile", "square"),
    "LightGBM LGBMRegressor: cross_entropy": (lightgbm._VALUES, "cross_entropy", "identity"),
    "LightGBM LGBMRanker: lambdarank": (lightgbm._VALUES, "lambdarank", "logistic"),
    "LightGBM LGBMClassifier: multiclassova": (lightgbm._CLASSES, "multiclassova", "softmax"),
    "LightGBM LGBMClassifier: multiclass, labels of text": (lightgbm._CLASSES, "multiclass", "sigmoids"),
    "XGBoost XGBRegressor: reg:tweedie": (xgboost._VALUES, "reg:tweedie", "identity"),
    "XGBoost XGBRegressor: reg:squarederror": (xgboost._VALUES, "reg:squarederror", "exp"),
    "XGBoost XGBRegressor: reg:logistic": (xgboost._VALUES, "reg:logistic", "identity"),
    "XGBoost XGBRegressor: survival:cox": (xgboost._VALUES, "survival:cox", "identity"),
    "XGBoost XGBRanker: rank:ndcg": (xgboost._VALUES, "rank:ndcg", "square"),
    "CatBoost CatBoostRegressor: Poisson": (catboost._LINKS, "Poisson", "identity"),
    "CatBoost CatBoostRegressor: RMSE": (catboost._LINKS, "RMSE", "exp"),
    "CatBoost CatBoostRegressor: MultiRMSE": (catboost._LINKS, "MultiRMSE", "logistic"),
    "CatBoost CatBoostClassifier: MultiClass": (catboost._LINKS, "MultiClass", "sigmoids"),
    "CatBoost CatBoostClassifier: MultiClassOneVsAll": (catboost._LINKS, "MultiClassOneVsAll", "softmax"),
    "CatBoost CatBoostRanker: YetiRank": (catboost._LINKS, "YetiRank", "exp"),
    "scikit-learn HistGradientBoostingRegressor: gamma": (
        sklearn_boosting._VALUE_LINKS,
        "gamma",
        "identity",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_link_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = BY_NAME[name].make()
    table, key, wrong = FAULTS[name]
    monkeypatch.setitem(table, key, wrong)  # type: ignore[call-overload]
    with pytest.raises((ParityError, InexactModelError)):
        gradus_convert.compile(model, proof="quick", encoding="compact")
