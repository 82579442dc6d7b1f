"""A wrong link of an objective, planted in the table of a reader, is caught by the proof: one for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from tests.support.compiled_models import CASES, T, X, Y, gradient

import gradus_convert
from gradus_convert.errors import InexactModelError, ParityError
from gradus_convert.readers import catboost, lightgbm, sklearn_boosting, xgboost

pytestmark = pytest.mark.filterwarnings("ignore")

BY_NAME = {case.name: case.make for case in CASES}
OTHER = {
    **dict.fromkeys(("exp", "logistic", "square", "shares"), "identity"),
    "identity": "square",
    "softmax": "sigmoids",
    "sigmoids": "softmax",
}
TABLES: dict[str, Mapping[str, Any]] = {
    "LightGBM classes": lightgbm._CLASSES,
    "LightGBM values": lightgbm._VALUES,
    "XGBoost values": xgboost._VALUES,
    "CatBoost": catboost._LINKS,
    "HistGradientBoosting": sklearn_boosting._VALUE_LINKS,
}


def _xendcg() -> Any:
    import lightgbm as library

    settings = {"n_estimators": 4, "num_leaves": 5, "verbose": -1, "n_jobs": 1}
    return library.LGBMRanker(objective="rank_xendcg", **settings).fit(X, Y, group=[len(X) // 4] * 4)


def _custom() -> Any:
    import lightgbm as library

    def squared(y: Any, said: Any) -> Any:
        return said - y, np.ones_like(y)

    return library.LGBMRegressor(objective=squared, n_estimators=4, verbose=-1, n_jobs=1).fit(X, T)


def _aft() -> Any:
    import xgboost as library

    data = library.DMatrix(X, label_lower_bound=T, label_upper_bound=T)
    return library.train({"objective": "survival:aft", "max_depth": 3}, data, 4)


def _pairs() -> Any:
    import catboost as library

    settings = {"iterations": 4, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    ranker = library.CatBoostRanker(loss_function="PairLogitPairwise", **settings)
    return ranker.fit(X, (Y > 0).astype(int), group_id=np.arange(len(X)) // 10)


MORE: dict[tuple[str, str], Callable[[], Any]] = {
    ("LightGBM values", "rank_xendcg"): _xendcg,
    ("LightGBM values", "custom"): _custom,
    ("XGBoost values", "survival:aft"): _aft,
    ("XGBoost values", "binary:logitraw"): gradient(
        "XGBRegressor", y=(Y > 0) * 1.0, objective="binary:logitraw"
    ),
    ("CatBoost", "PairLogitPairwise"): _pairs,
}
"""Objectives of the tables that docs/models.md has no row of."""

NEWER = {"reg:expectileerror"}
"""XGBoost 3.4 and later; tests/anywhere has those."""

NAMED: dict[tuple[str, str], str] = {
    ("LightGBM classes", "binary"): "LightGBM LGBMClassifier: binary",
    ("LightGBM classes", "multiclass"): "LightGBM LGBMClassifier: multiclass, labels of text",
    ("LightGBM values", "lambdarank"): "LightGBM LGBMRanker: lambdarank",
    ("XGBoost values", "reg:quantileerror"): "XGBoost XGBRegressor: reg:quantileerror, several",
}


def _model_of(table: str, key: str) -> Any:
    if (table, key) in MORE:
        return MORE[table, key]()
    library = table.split()[0].replace("HistGradientBoosting", "scikit-learn HistGradientBoosting")
    named = NAMED.get((table, key))
    for name, make in BY_NAME.items():
        start, _, option = name.partition(": ")
        ours = start.startswith(library) and (option == key or option.startswith(f"{key}:"))
        if name == named or (named is None and ours):
            return make()
    raise AssertionError(f"no model has {key}")


KEYS = [(t, k) for t, links in TABLES.items() for k in links if k not in NEWER and links[k] != "sigmoid"]
"""A sigmoid has its faults in `test_faults_of_rules`: the other class, another slope."""


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_wrong_link_is_caught(table: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, links = _model_of(table, key), TABLES[table]
    gradus_convert.compile(model, proof="quick", encoding="compact")
    monkeypatch.setitem(links, key, OTHER[links[key]])  # type: ignore[arg-type]
    with pytest.raises((ParityError, InexactModelError), match="model"):
        gradus_convert.compile(model, proof="quick", encoding="compact")


def test_a_model_whose_predict_gives_labels_is_asked_for_its_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    model = BY_NAME["XGBoost XGBClassifier: multi:softmax"]()
    right = xgboost._head
    monkeypatch.setattr(xgboost, "_head", lambda *g: dataclasses.replace(right(*g), link="sigmoids"))
    with pytest.raises(ParityError, match=r"model: row \d+ of the proof, output \d: probabilities must be"):
        gradus_convert.compile(model, proof="quick", encoding="compact")
