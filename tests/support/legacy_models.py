"""Small fitted models of every library, and an ensemble class like those that teams write."""

from __future__ import annotations

import functools
import pickle
import warnings
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

NAMES = ("close", "volume", "rsi_14", "usd_jpy", "dxy")


class ProductionEnsemble:
    """Stands for a class of a team's own code: gradus must not need it."""

    def __init__(self, models: dict[str, Any], weights: Any, feature_names: Any) -> None:
        self.models = models
        self.weights = weights
        self.feature_names = feature_names


@functools.cache
def rows(classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, len(NAMES))).astype(np.float32)
    score = X[:, 0] + 0.5 * X[:, 3] + rng.normal(size=300) * 0.5
    return X, np.digitize(score, [-0.5, 0.5] if classes == 3 else [0.0])


def table(X: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=list(NAMES))


@functools.cache
def model(kind: str, classes: int = 3) -> Any:
    """A fitted model, 2 or 3 classes; kinds are the branches below."""
    X, y = rows(classes)
    words = np.array(["SELL", "HOLD", "BUY"] if classes == 3 else ["SELL", "BUY"])[y]
    objective = "softprob" if classes == 3 else "logistic"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "lightgbm":
            return lgb.LGBMClassifier(n_estimators=6, num_leaves=7, verbose=-1, random_state=1, n_jobs=1).fit(
                X, y
            )
        if kind == "lightgbm, named, stopped early, text labels":
            stop = [lgb.early_stopping(2, verbose=False)]
            fit = lgb.LGBMClassifier(
                n_estimators=60, verbose=-1, class_weight="balanced", random_state=1, n_jobs=1
            )
            return fit.fit(table(X), words, eval_set=[(table(X[::2]), words[::-2])], callbacks=stop)
        if kind == "lightgbm booster":
            params = {"objective": "multiclass", "num_class": 3} if classes == 3 else {"objective": "binary"}
            return lgb.train({**params, "verbose": -1, "num_threads": 1}, lgb.Dataset(X, y), 4)
        if kind == "xgboost":
            return xgb.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1).fit(X, y)
        if kind == "xgboost, named, stopped early":
            fit = xgb.XGBClassifier(n_estimators=60, max_depth=3, early_stopping_rounds=2, n_jobs=1)
            return fit.fit(table(X), y, eval_set=[(table(X[::2]), y[::-2])], verbose=False)
        if kind == "xgboost booster":
            prefix = "multi:" if classes == 3 else "binary:"
            params = {"objective": prefix + objective, "nthread": 1} | (
                {"num_class": 3} if classes == 3 else {}
            )
            return xgb.train(params, xgb.DMatrix(X, y), 4)
        if kind == "random forest":
            return RandomForestClassifier(6, max_depth=5, random_state=np.random.RandomState(2)).fit(X, y)
        if kind == "random forest, named, text labels":
            return RandomForestClassifier(6, class_weight="balanced", random_state=2).fit(table(X), words)
        if kind == "extra trees":
            return ExtraTreesClassifier(6, max_depth=5, random_state=2).fit(X, y)
        if kind == "decision tree":
            return DecisionTreeClassifier(max_leaf_nodes=9, random_state=2).fit(X, y)
        if kind == "scaled logistic regression":
            return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        if kind == "scaled perceptron":
            return make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20, random_state=1)).fit(X, y)
        if kind == "voting":
            members = [
                ("lgb", lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1)),
                ("rf", RandomForestClassifier(3)),
            ]
            return VotingClassifier(members, voting="soft", weights=[0.7, 0.3]).fit(X, y)
    raise ValueError(kind)


KINDS = (
    "lightgbm",
    "lightgbm, named, stopped early, text labels",
    "lightgbm booster",
    "xgboost",
    "xgboost, named, stopped early",
    "xgboost booster",
    "random forest",
    "random forest, named, text labels",
    "extra trees",
    "decision tree",
    "scaled logistic regression",
    "scaled perceptron",
)


def ensemble(classes: int = 3) -> ProductionEnsemble:
    """What a team would have pickled."""
    models = {
        "lightgbm": model("lightgbm", classes),
        "xgboost": model("xgboost", classes),
        "random_forest": model("random forest", classes),
    }
    return ProductionEnsemble(models, {"lightgbm": 0.4, "xgboost": 0.4, "random_forest": 0.2}, list(NAMES))


def dump(folder: Path, value: Any, name: str = "production_ensemble.pkl") -> Path:
    """Pickle a value into a file."""
    path = folder / name
    path.write_bytes(pickle.dumps(value, 4))
    return path


def short(columns: int) -> ProductionEnsemble:
    """A smaller ensemble on the first columns, for a lower level."""
    X, y = rows()
    fitted = lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X[:, :columns], y)
    return ProductionEnsemble({"lightgbm": fitted}, {"lightgbm": 1.0}, list(NAMES[:columns]))
