"""Small native models of every kind the readers take, on one small table."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

Table = tuple[np.ndarray, np.ndarray]
Fit = dict[str, Any] | None


def table(classes: int = 3, rows: int = 400, n_features: int = 5, seed: int = 0, nan: bool = False) -> Table:
    """Rows that are normal, with a coarse column, a binary column, and zeros of both signs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, n_features)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1] * 4) / 4
    X[:, 2] = X[:, 2] > 0
    X[rng.random(X.shape) < 0.05] = 0.0
    X[rng.random(X.shape) < 0.02] = -0.0
    noise = rng.normal(scale=0.5, size=rows)
    y = np.digitize(X[:, 0] + X[:, 1] * X[:, 2] + noise, np.linspace(-1, 1, classes + 1)[1:-1])
    if nan:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def fit(name: str) -> tuple[Any, np.ndarray]:
    """Return a fitted model by the name of its case, and its training rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CASES[name]()


def _lightgbm(classes: int = 3, *, data: Table | None = None, fit: Fit = None, **params: Any) -> Any:
    import lightgbm

    X, y = data or table(classes)
    settings = {"n_estimators": 12, "num_leaves": 7, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    return lightgbm.LGBMClassifier(**(settings | params)).fit(X, y, **(fit or {})), X


def _lightgbm_early() -> Any:
    import lightgbm

    X, y = table(3)
    V, w = table(3, rows=100, seed=5)
    stop = lightgbm.early_stopping(3, verbose=False)
    settings = {"n_estimators": 400, "learning_rate": 0.5, "verbose": -1, "n_jobs": 1}
    return lightgbm.LGBMClassifier(**settings).fit(X, y, eval_set=[(V, w)], callbacks=[stop]), X


def _lightgbm_warm() -> Any:
    import lightgbm

    X, y = table(3)
    first, _ = _lightgbm(n_estimators=5)
    settings = {"n_estimators": 5, "num_leaves": 5, "verbose": -1, "n_jobs": 1}
    return lightgbm.LGBMClassifier(**settings).fit(X, y, init_model=first), X


def _lightgbm_booster() -> Any:
    model, X = _lightgbm(2)
    return model.booster_, X


def _xgboost(classes: int = 3, *, data: Table | None = None, fit: Fit = None, **params: Any) -> Any:
    import xgboost

    X, y = data or table(classes)
    settings = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1, "learning_rate": 0.3}
    return xgboost.XGBClassifier(**(settings | params)).fit(X, y, **(fit or {})), X


def _xgboost_early() -> Any:
    return _xgboost(
        3,
        n_estimators=400,
        early_stopping_rounds=3,
        learning_rate=0.9,
        fit={"eval_set": [table(3, rows=100, seed=5)], "verbose": False},
    )


def _xgboost_warm() -> Any:
    first, _ = _xgboost(n_estimators=4)
    return _xgboost(n_estimators=4, fit={"xgb_model": first})


def _xgboost_booster() -> Any:
    model, X = _xgboost(2)
    return model.get_booster(), X


def _forest(
    kind: str,
    classes: int = 3,
    *,
    data: Table | None = None,
    fit: Fit = None,
    **params: Any,
) -> Any:
    from sklearn import ensemble, tree

    X, y = data or table(classes)
    estimator = getattr(ensemble, kind, None) or getattr(tree, kind)
    if kind.startswith(("Random", "ExtraTrees")):
        params = {"n_estimators": 8} | params
    return estimator(**({"random_state": 0, "max_depth": 6} | params)).fit(X, y, **(fit or {})), X


def _boosting(classes: int = 3, **params: Any) -> Any:
    return _forest("GradientBoostingClassifier", classes, **({"n_estimators": 6, "max_depth": 3} | params))


def _hist(classes: int = 3, **params: Any) -> Any:
    return _forest("HistGradientBoostingClassifier", classes, **({"max_iter": 6} | params))


def _random_forest_warm() -> Any:
    model, X = _forest("RandomForestClassifier", warm_start=True)
    return model.set_params(n_estimators=12).fit(X, table(3)[1]), X


def _deep() -> Table:
    """One column, labels that alternate in ever smaller steps: a chain of splits."""
    X = np.zeros((90, 2), np.float32)
    X[:, 0] = 2.0 ** -np.arange(90, dtype=np.float32)
    return X, np.arange(90) % 2


def _near_zero() -> Table:
    """Values around zero, so that thresholds fall next to it, into LightGBM's band of zero."""
    rng = np.random.default_rng(2)
    X = rng.choice(np.array([-1.0, -1e-35, -1e-38, 0.0, 1e-38, 1e-35, 1e-30, 1.0], np.float32), size=(400, 3))
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] >= 0) * (X[:, 2] < 0)


def _weights() -> dict[str, Any]:
    return {"sample_weight": np.random.default_rng(4).random(400) * 9}


def _logistic(*steps: Any) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = table(3)
    return make_pipeline(StandardScaler(), *steps, LogisticRegression()).fit(X, y), X


def _network(classes: int = 3) -> Any:
    from sklearn.neural_network import MLPClassifier

    X, y = table(classes)
    return MLPClassifier((8,), max_iter=30, random_state=0).fit(X, y), X


CASES: dict[str, Any] = {
    "lightgbm, three classes": _lightgbm,
    "lightgbm, two classes": lambda: _lightgbm(2),
    "lightgbm, two classes, another sigmoid": lambda: _lightgbm(2, sigmoid=0.5),
    "lightgbm, six classes": lambda: _lightgbm(6),
    "lightgbm, Booster": _lightgbm_booster,
    "lightgbm, weighted": lambda: _lightgbm(fit=_weights()),
    "lightgbm, early stopped": _lightgbm_early,
    "lightgbm, warm-started": _lightgbm_warm,
    "lightgbm, single leaves": lambda: _lightgbm(min_child_samples=5000),
    "lightgbm, averaged (rf)": lambda: _lightgbm(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5),
    "lightgbm, dart": lambda: _lightgbm(boosting_type="dart", drop_rate=0.5),
    "lightgbm, deep": lambda: _lightgbm(
        2, data=_deep(), num_leaves=90, min_child_samples=1, min_child_weight=0, min_data_in_bin=1
    ),
    "lightgbm, around zero": lambda: _lightgbm(data=_near_zero(), min_data_in_bin=1),
    "lightgbm, trained with NaN": lambda: _lightgbm(data=table(3, nan=True)),
    "xgboost, three classes": _xgboost,
    "xgboost, two classes": lambda: _xgboost(2),
    "xgboost, six classes": lambda: _xgboost(6),
    "xgboost, Booster": _xgboost_booster,
    "xgboost, softmax of two": lambda: _xgboost(2, objective="multi:softprob", num_class=2),
    "xgboost, objective multi:softmax": lambda: _xgboost(3, objective="multi:softmax"),
    "xgboost, weighted": lambda: _xgboost(fit=_weights()),
    "xgboost, early stopped": _xgboost_early,
    "xgboost, warm-started": _xgboost_warm,
    "xgboost, single leaves": lambda: _xgboost(gamma=1e9),
    "xgboost, pruned": lambda: _xgboost(gamma=1.0, tree_method="exact", max_depth=6),
    "xgboost, dart": lambda: _xgboost(booster="dart", rate_drop=0.5),
    "xgboost, parallel trees": lambda: _xgboost(num_parallel_tree=3, subsample=0.6, n_estimators=4),
    "xgboost, base_score of 0.2": lambda: _xgboost(2, base_score=0.2),
    "xgboost, deep": lambda: _xgboost(
        2, data=_deep(), max_depth=60, min_child_weight=0, tree_method="exact", reg_lambda=0
    ),
    "xgboost, around zero": lambda: _xgboost(data=_near_zero(), tree_method="exact"),
    "xgboost, trained with NaN": lambda: _xgboost(data=table(3, nan=True)),
    "random forest, three classes": lambda: _forest("RandomForestClassifier"),
    "random forest, two classes": lambda: _forest("RandomForestClassifier", 2),
    "random forest, weighted": lambda: _forest("RandomForestClassifier", fit=_weights()),
    "random forest, balanced": lambda: _forest("RandomForestClassifier", class_weight="balanced_subsample"),
    "random forest, warm-started": _random_forest_warm,
    "random forest, deep": lambda: _forest("RandomForestClassifier", 2, data=_deep(), max_depth=None),
    "random forest, single leaves": lambda: _forest("RandomForestClassifier", min_samples_split=5000),
    "random forest, trained with NaN": lambda: _forest("RandomForestClassifier", data=table(3, nan=True)),
    "extra trees": lambda: _forest("ExtraTreesClassifier"),
    "extra trees, trained with NaN": lambda: _forest("ExtraTreesClassifier", data=table(3, nan=True)),
    "decision tree": lambda: _forest("DecisionTreeClassifier"),
    "extra tree": lambda: _forest("ExtraTreeClassifier", 2),
    "gradient boosting, three classes": _boosting,
    "gradient boosting, two classes": lambda: _boosting(2),
    "gradient boosting, exponential": lambda: _boosting(2, loss="exponential"),
    "gradient boosting, from zero": lambda: _boosting(init="zero"),
    "gradient boosting, early stopped": lambda: _boosting(n_estimators=200, n_iter_no_change=2),
    "hist gradient boosting, three classes": _hist,
    "hist gradient boosting, two classes": lambda: _hist(2),
    "hist gradient boosting, early stopped": lambda: _hist(max_iter=200, early_stopping=True),
    "hist gradient boosting, trained with NaN": lambda: _hist(data=table(3, nan=True)),
    "hist gradient boosting, weighted": lambda: _hist(fit=_weights()),
    "scaled logistic regression": _logistic,
    "network, three classes": _network,
    "network, two classes": lambda: _network(2),
}
TREES = tuple(name for name in CASES if "regression" not in name and "network" not in name)
FRAGMENTS = tuple(name for name in CASES if name not in TREES)
