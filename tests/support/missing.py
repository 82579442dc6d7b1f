"""Small models of every library, trained with missing values or categories, and odd rows for them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

WIDTH = 5
NAMES = [f"f{i}" for i in range(WIDTH)]
LARGEST = np.finfo(np.float32).max
ODD = np.float32(
    [
        *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 1e-45, -1e-45),
        *(-3.0, -2.0, -1.5, -1.0, -0.99, -0.5, 0.5, 0.99, 1.0, 1.5, 2.0, 7.0, 19.0, 20.0, 21.0, 63.0, 64.0),
        *(100.0, 1e9, 2.0**24, 2.0**31, 2.0**32, -(2.0**31), -999.0, LARGEST, -LARGEST),
    ]
)


def rows(absent: float | None = None, seed: int = 0, count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Three numeric columns, one of them coarse, and two of categories, 20 and 3; labels 0 and 1."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, WIDTH)).astype(np.float32)
    X[:, 2] = np.round(X[:, 2])
    X[:, 3], X[:, 4] = rng.integers(0, 20, count), rng.integers(0, 3, count)
    y = (X[:, 0] + (X[:, 3] % 3 == 0) + (X[:, 4] == 1) > 0.6).astype(int)
    if absent is not None:
        X[rng.random(X.shape) < 0.2] = absent
    return X, y


def odd_rows(thresholds: np.ndarray, seed: int = 1, count: int = 1500) -> np.ndarray:
    """Rows of odd values, of thresholds, of their float32 neighbours, in any combination."""
    with np.errstate(all="ignore"):
        near = [np.nextafter(thresholds, np.float32(s * np.inf)) for s in (-1, 1)]
    values = np.concatenate([ODD, thresholds, *near]).astype(np.float32)
    return np.random.default_rng(seed).choice(values, size=(count, WIDTH)).astype(np.float32)


def _lightgbm(absent: float | None = np.nan, categories: tuple[int, ...] = (), **params: Any) -> Any:
    import lightgbm

    X, y = rows(absent)
    settings: dict[str, Any] = {"n_estimators": 15, "num_leaves": 12, "min_child_samples": 3, "n_jobs": 1}
    settings |= {"verbose": -1, "min_data_per_group": 1, "cat_smooth": 1.0}
    return lightgbm.LGBMClassifier(**(settings | params)).fit(X, y, categorical_feature=list(categories))


def _xgboost(absent: float | None = np.nan, categories: bool = False, **params: Any) -> Any:
    import xgboost

    X, y = rows(absent)
    settings: dict[str, Any] = {"n_estimators": 15, "max_depth": 5, "n_jobs": 1}
    if categories:
        settings |= {"enable_categorical": True, "feature_types": ["q", "q", "q", "c", "c"]}
    return xgboost.XGBClassifier(**(settings | params)).fit(X, y)


def _sklearn(kind: str, absent: float | None = np.nan, **params: Any) -> Any:
    from sklearn import ensemble, tree

    X, y = rows(absent)
    estimator = getattr(ensemble, kind, None) or getattr(tree, kind)
    if kind.startswith(("Random", "ExtraTrees")):
        params = {"n_estimators": 8} | params
    if kind.startswith("Hist"):
        params = {"max_iter": 12, "min_samples_leaf": 3, "max_leaf_nodes": 12} | params
    else:
        params = {"max_depth": 7} | params
    return estimator(**({"random_state": 0} | params)).fit(X, y)


def _hist_of_odd_categories() -> Any:
    """Categories that are fractions, below 0, zero, and no float32."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, y = (part.astype(np.float64) for part in rows(np.nan))
    values = np.array([-3.0, -0.5, 0.0, 0.1, 0.5, 1.5, 1e9, 2.0**24, 63.0])
    X[:, 3] = np.where(np.isnan(X[:, 3]), np.nan, values[np.nan_to_num(X[:, 3]).astype(int) % 9])
    model = HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=3, categorical_features=[3, 4])
    return model.fit(X, y.astype(int))


def _catboost(absent: float | None = np.nan, **params: Any) -> Any:
    import catboost

    X, y = rows(absent)
    settings: dict[str, Any] = {"iterations": 15, "depth": 4, "verbose": False, "thread_count": 1}
    return catboost.CatBoostClassifier(**(settings | params), allow_writing_files=False).fit(X, y)


MODELS: dict[str, Any] = {
    "lightgbm, missing none": lambda: _lightgbm(None),
    "lightgbm, use_missing=False": lambda: _lightgbm(use_missing=False),
    "lightgbm, missing NaN": _lightgbm,
    "lightgbm, zero_as_missing": lambda: _lightgbm(zero_as_missing=True),
    "lightgbm, zero_as_missing without NaN": lambda: _lightgbm(0.0, zero_as_missing=True),
    "lightgbm, categories": lambda: _lightgbm(categories=(3, 4)),
    "lightgbm, categories one against others": lambda: _lightgbm(categories=(3, 4), max_cat_to_onehot=64),
    "lightgbm, categories, zero_as_missing": lambda: _lightgbm(categories=(3,), zero_as_missing=True),
    "xgboost, trained without NaN": lambda: _xgboost(None),
    "xgboost, missing NaN": _xgboost,
    "xgboost, missing NaN, exact": lambda: _xgboost(tree_method="exact"),
    "xgboost, missing NaN, dart": lambda: _xgboost(booster="dart", rate_drop=0.5),
    "xgboost, missing -999": lambda: _xgboost(-999.0, missing=-999.0),
    "xgboost, missing 0": lambda: _xgboost(0.0, missing=0.0),
    "xgboost, missing infinity": lambda: _xgboost(np.inf, missing=np.inf),
    "xgboost, categories": lambda: _xgboost(categories=True, max_cat_to_onehot=2),
    "xgboost, categories one-hot": lambda: _xgboost(categories=True, max_cat_to_onehot=64),
    "xgboost, categories, missing 7": lambda: _xgboost(7.0, categories=True, missing=7.0),
    "random forest, NaN": lambda: _sklearn("RandomForestClassifier"),
    "random forest, trained without NaN": lambda: _sklearn("RandomForestClassifier", None),
    "extra trees, NaN": lambda: _sklearn("ExtraTreesClassifier"),
    "decision tree, NaN": lambda: _sklearn("DecisionTreeClassifier"),
    "hist gradient boosting, NaN": lambda: _sklearn("HistGradientBoostingClassifier"),
    "hist gradient boosting, trained without NaN": lambda: _sklearn("HistGradientBoostingClassifier", None),
    "hist gradient boosting, categories": lambda: _sklearn(
        "HistGradientBoostingClassifier", categorical_features=[3, 4]
    ),
    "hist gradient boosting, odd categories": _hist_of_odd_categories,
    "catboost, nan_mode Min": lambda: _catboost(nan_mode="Min"),
    "catboost, nan_mode Max": lambda: _catboost(nan_mode="Max"),
    "catboost, Lossguide, nan_mode Max": lambda: _catboost(
        nan_mode="Max", grow_policy="Lossguide", max_leaves=12, depth=8
    ),
    "catboost, trained without NaN": lambda: _catboost(None),
}


def fit(name: str) -> Any:
    """Return a fitted classifier of two classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[name]()
