"""The libraries' own examples, on the data sets that scikit-learn brings along, at odd rows as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import datasets, ensemble, tree

import gradus_convert

pytestmark = pytest.mark.filterwarnings("ignore")


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A bundled data set: float32 rows, and what they are of."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X.astype(np.float32), y


def fitted(name: str, model: Any) -> Any:
    return model.fit(*data(name))


def simple_lightgbm() -> Any:
    """LightGBM, examples/python-guide/simple_example.py."""
    X, y = data("diabetes")
    settings = {
        "boosting_type": "gbdt",
        "objective": "regression",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "feature_fraction": 0.9,
        "bagging_fraction": 0.8,
        "bagging_freq": 5,
        "verbose": -1,
        "num_threads": 1,
    }
    return lightgbm.train(settings, lightgbm.Dataset(X, y), num_boost_round=20)


def first_xgboost() -> Any:
    """XGBoost, demo/guide-python/basic_walkthrough.py."""
    X, y = data("breast_cancer")
    settings = {"max_depth": 2, "eta": 1, "objective": "binary:logistic", "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(X, y), num_boost_round=2)


EXAMPLES: dict[str, tuple[str, Callable[[], Any]]] = {
    "tree: user guide": ("iris", lambda: fitted("iris", tree.DecisionTreeClassifier(random_state=0))),
    "forest: plot_forest_iris": (
        "iris",
        lambda: fitted("iris", ensemble.RandomForestClassifier(n_estimators=30, random_state=0)),
    ),
    "extra trees: plot_forest_iris": (
        "wine",
        lambda: fitted("wine", ensemble.ExtraTreesClassifier(n_estimators=30, random_state=0)),
    ),
    "forest: ten digits": (
        "digits",
        lambda: fitted("digits", ensemble.RandomForestClassifier(n_estimators=20, random_state=0)),
    ),
    "histograms: defaults": (
        "breast_cancer",
        lambda: fitted("breast_cancer", ensemble.HistGradientBoostingClassifier()),
    ),
    "boosting: plot_gradient_boosting_regression": (
        "diabetes",
        lambda: fitted(
            "diabetes",
            ensemble.GradientBoostingRegressor(
                n_estimators=500, max_depth=4, min_samples_split=5, learning_rate=0.01, random_state=0
            ),
        ),
    ),
    "LightGBM: simple_example": ("diabetes", simple_lightgbm),
    "LightGBM: sklearn_example": (
        "diabetes",
        lambda: fitted(
            "diabetes",
            lightgbm.LGBMRegressor(num_leaves=31, learning_rate=0.05, n_estimators=20, n_jobs=1, verbose=-1),
        ),
    ),
    "LightGBM: classes, defaults": (
        "digits",
        lambda: fitted("digits", lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1)),
    ),
    "XGBoost: basic_walkthrough": ("breast_cancer", first_xgboost),
    "XGBoost: get started": (
        "iris",
        lambda: fitted("iris", xgboost.XGBClassifier(n_estimators=2, max_depth=2, learning_rate=1, n_jobs=1)),
    ),
    "CatBoost: usage example": (
        "breast_cancer",
        lambda: fitted(
            "breast_cancer",
            catboost.CatBoostClassifier(
                iterations=2,
                depth=2,
                learning_rate=1,
                loss_function="Logloss",
                verbose=False,
                allow_writing_files=False,
            ),
        ),
    ),
}


def odd(X: np.ndarray, able: Any) -> np.ndarray:
    """Rows with zeros of both signs, huge numbers, and NaN and infinities where the model takes them."""
    big = np.finfo(np.float32).max
    found = []
    for column in range(X.shape[1]):
        values = [0.0, -0.0, 1e-45, -1e-45, big, -big]
        values += [np.nan] if able.missing is not None and able.missing[column] else []
        values += [np.inf, -np.inf] if able.infinite is not None and able.infinite[column] else []
        for i, value in enumerate(values):
            row = X[(column * 7 + i) % len(X)].copy()
            row[column] = value
            found.append(row)
    return np.array(found)


def answers(model: Any, rows: np.ndarray) -> Any:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    if isinstance(model, xgboost.Booster):
        if np.isinf(rows).any():
            return model.inplace_predict(rows)
        return model.predict(xgboost.DMatrix(rows))
    return model.predict(rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_a_library_is_exact(name: str) -> None:
    bundled, make = EXAMPLES[name]
    X, _ = data(bundled)
    model = make()
    compiled = gradus_convert.compile(model)
    proof: Any = compiled.proof
    assert (proof.kind, proof.wrong_leaves, proof.label_changes) == ("full", 0, 0)
    assert proof.leaf_checks > 0
    rows = np.concatenate([X, odd(X, compiled.facts)])
    want = np.asarray(answers(model, rows))
    classes = compiled.facts.task == "classes"
    got = compiled.predict_proba(rows) if want.ndim == 2 else compiled.predict(rows)
    scale = 1.0 if classes else float(np.abs(want).max())
    np.testing.assert_allclose(got, want, rtol=0 if classes else 2e-6, atol=1e-6 * scale)
