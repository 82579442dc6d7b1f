"""The models of docs/models.md: each row of its table is a case here, and tests run every case.

`python -m tests.support.compiled_models` writes the table anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from packaging.version import Version
from tests.support.models import table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- models:begin -->\n", "<!-- models:end -->\n"

X, Y = table(3)
GAPS = table(3, nan=True)[0]
CODES = X.copy()
CODES[:, 2] = np.random.default_rng(0).integers(0, 8, len(X))
T = np.exp(X[:, 0]) + np.float32(0.1)
A = X.astype(np.float64) * 1.1
NAMES = np.array(["SELL", "HOLD", "BUY"])


@dataclass(frozen=True)
class Case:
    """A row of the table.

    Attributes:
        library: First column.
        model: Second column.
        option: Third column.
        make: A fitted model.
        rows: Rows that it is asked about beside those on thresholds.
        inputs: As `gradus_convert.compile` takes them.
        refusal: What the error says, where it is refused.
        verdict: Last column: "exact", "refused" or "not yet".
    """

    library: str
    model: str
    option: str
    make: Callable[[], Any]
    rows: Any = None
    inputs: str = "float32"
    refusal: str = ""
    verdict: str = "exact"

    @property
    def name(self) -> str:
        return f"{self.library} {self.model}: {self.option}"


# ---------------------------------------------------------------- LightGBM

_LIGHT = {"n_estimators": 6, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
_RF = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}


def light(kind: str = "LGBMClassifier", rows: Any = X, y: Any = Y, fit: Any = None, **params: Any) -> Any:
    def make() -> Any:
        import lightgbm

        return getattr(lightgbm, kind)(**(_LIGHT | params)).fit(rows, y, **(fit or {}))

    return make


def _xgb_ranker(objective: str) -> Callable[[], Any]:
    def make() -> Any:
        import xgboost

        ranker = xgboost.XGBRanker(n_estimators=5, max_depth=3, objective=objective, n_jobs=1)
        return ranker.fit(X, (Y > 0).astype(int), qid=np.arange(len(X)) // 10)

    return make


def _ranker() -> Any:
    import lightgbm

    return lightgbm.LGBMRanker(**_LIGHT).fit(X, Y, group=[len(X) // 4] * 4)


def _booster() -> Any:
    return light(y=Y > 0)().booster_


def lightgbm_cases() -> list[Case]:
    c = "LGBMClassifier"
    r = "LGBMRegressor"
    categories = {"min_data_per_group": 1, "cat_smooth": 0.0, "max_cat_to_onehot": 1}
    return [
        Case("LightGBM", c, "binary", light(y=Y > 0)),
        Case("LightGBM", c, "multiclass, labels of text", light(y=NAMES[Y])),
        Case("LightGBM", c, "multiclassova", light(objective="multiclassova")),
        Case("LightGBM", c, "boosting rf", light(**_RF)),
        Case("LightGBM", c, "boosting dart", light(boosting_type="dart")),
        Case("LightGBM", c, "NaN in training", light(rows=GAPS), GAPS),
        Case("LightGBM", c, "zero_as_missing", light(rows=GAPS, zero_as_missing=True), GAPS),
        Case("LightGBM", c, "use_missing=false", light(use_missing=False), GAPS),
        Case(
            "LightGBM",
            c,
            "categorical_feature",
            light(rows=CODES, fit={"categorical_feature": [2]}, **categories),
            CODES,
        ),
        Case("LightGBM", "Booster", "binary: probability", _booster),
        *(
            Case(
                "LightGBM",
                r,
                objective,
                light(r, y=T / T.max() if "entropy" in objective else T, objective=objective),
            )
            for objective in (
                *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
                *("poisson", "gamma", "tweedie", "cross_entropy"),
            )
        ),
        Case("LightGBM", r, "regression, reg_sqrt", light(r, y=T, objective="regression", reg_sqrt=True)),
        Case(
            "LightGBM", r, "regression_l1, reg_sqrt", light(r, y=T, objective="regression_l1", reg_sqrt=True)
        ),
        Case("LightGBM", r, "poisson, boosting rf", light(r, y=T, objective="poisson", **_RF)),
        Case("LightGBM", r, "regression, boosting dart", light(r, y=T, boosting_type="dart")),
        Case("LightGBM", "LGBMRanker", "lambdarank", _ranker),
        Case("LightGBM", c, 'inputs="float64"', light(rows=A), A, "float64"),
        Case(
            "LightGBM",
            r,
            'poisson, inputs="float64"',
            light(r, rows=A, y=T, objective="poisson"),
            A,
            "float64",
        ),
        Case(
            "LightGBM",
            c,
            "linear_tree",
            light(linear_tree=True),
            None,
            "float32",
            "leaves must be constants",
            "refused",
        ),
        Case(
            "LightGBM",
            "Booster",
            "cross_entropy_lambda",
            _entropy_lambda,
            None,
            "float32",
            "objective must be one of",
            "not yet",
        ),
    ]


def _entropy_lambda() -> Any:
    import lightgbm

    return lightgbm.train({"objective": "cross_entropy_lambda", "verbose": -1}, lightgbm.Dataset(X, Y > 0), 2)


# ---------------------------------------------------------------- XGBoost


def gradient(kind: str = "XGBClassifier", rows: Any = X, y: Any = Y, **params: Any) -> Any:
    def make() -> Any:
        import xgboost

        settings = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1} | params
        return getattr(xgboost, kind)(**settings).fit(rows, y)

    return make


def _categorical() -> Any:
    import xgboost

    types = ["q", "q", "c", "q", "q"]
    data = xgboost.DMatrix(CODES, Y, feature_types=types, enable_categorical=True)
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "max_cat_to_onehot": 1}
    return xgboost.train(settings, data, 4)


def _plain_booster() -> Any:
    return gradient()().get_booster()


_VECTORS = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}


def xgboost_cases() -> list[Case]:
    c = "XGBClassifier"
    r = "XGBRegressor"
    alphas = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
    return [
        Case("XGBoost", c, "binary:logistic", gradient(y=(Y > 0).astype(int))),
        Case("XGBoost", c, "multi:softprob", gradient()),
        Case("XGBoost", c, "multi:softmax", gradient(objective="multi:softmax")),
        Case("XGBoost", c, "booster dart", gradient(booster="dart", rate_drop=0.3)),
        Case("XGBoost", c, "multi_output_tree", gradient(**_VECTORS)),
        Case("XGBoost", c, "num_parallel_tree", gradient(num_parallel_tree=3, subsample=0.5)),
        Case("XGBoost", c, "NaN in training", gradient(rows=GAPS), GAPS),
        Case("XGBoost", c, "missing=-1", gradient(rows=GAPS, missing=-1.0), GAPS),
        Case("XGBoost", "XGBRFClassifier", "default", gradient("XGBRFClassifier")),
        Case("XGBoost", "Booster", "multi:softprob: probabilities", _plain_booster),
        Case("XGBoost", "Booster", "categories", _categorical, CODES),
        *(
            Case(
                "XGBoost",
                r,
                objective,
                gradient(r, y=T / T.max() if "logistic" in objective else T, objective=objective),
            )
            for objective in (
                *("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"),
                *("count:poisson", "reg:gamma", "reg:tweedie", "reg:logistic", "survival:cox"),
            )
        ),
        *(
            Case("XGBoost", "XGBRanker", objective, _xgb_ranker(objective))
            for objective in ("rank:ndcg", "rank:pairwise", "rank:map")
        ),
        Case("XGBoost", r, "reg:quantileerror, several", gradient(r, y=T, **alphas)),
        Case("XGBoost", r, "booster dart", gradient(r, y=T, booster="dart", rate_drop=0.3)),
        Case("XGBoost", r, "multi_output_tree", gradient(r, y=np.stack([T, -T], axis=1), **_VECTORS)),
        Case("XGBoost", "XGBRFRegressor", "default", gradient("XGBRFRegressor", y=T)),
        Case("XGBoost", c, 'inputs="float64"', gradient(rows=A), A, "float64"),
        Case(
            "XGBoost",
            c,
            "booster gblinear",
            gradient(booster="gblinear", max_depth=None),
            None,
            "float32",
            "the booster must be gbtree or dart",
            "refused",
        ),
        Case(
            "XGBoost",
            c,
            "binary:hinge",
            gradient(objective="binary:hinge", y=(Y > 0).astype(int)),
            None,
            "float32",
            "objective must be one of",
            "not yet",
        ),
    ]


# ---------------------------------------------------------------- CatBoost


def cat(kind: str = "CatBoostClassifier", y: Any = Y, **params: Any) -> Any:
    def make() -> Any:
        import catboost

        settings = {"iterations": 6, "depth": 3, "verbose": 0, "allow_writing_files": False} | params
        return getattr(catboost, kind)(**settings).fit(X, y)

    return make


def catboost_cases() -> list[Case]:
    c = "CatBoostClassifier"
    r = "CatBoostRegressor"
    losses = ("RMSE", "MAE", "Quantile:alpha=0.2", "MAPE", "Huber:delta=1", "Expectile:alpha=0.3", "Poisson")
    return [
        Case("CatBoost", c, "Logloss", cat(y=NAMES[1:][(Y > 0).astype(int)])),
        Case("CatBoost", c, "CrossEntropy", cat(y=(Y > 0) * 1.0, loss_function="CrossEntropy")),
        Case("CatBoost", c, "MultiClass", cat()),
        Case("CatBoost", c, "MultiClassOneVsAll", cat(loss_function="MultiClassOneVsAll")),
        *(
            Case("CatBoost", r, loss, cat(r, T, loss_function=loss))
            for loss in (
                *losses,
                "Tweedie:variance_power=1.5",
                "LogCosh",
                "Lq:q=2.5",
                "LogLinQuantile:alpha=0.4",
            )
        ),
        Case("CatBoost", r, "MultiRMSE", cat(r, np.stack([T, -T], axis=1), loss_function="MultiRMSE")),
        *(
            Case("CatBoost", "CatBoostRanker", loss, _cat_ranker(loss))
            for loss in ("YetiRank", "YetiRankPairwise", "PairLogit", "QueryRMSE", "QuerySoftMax")
        ),
        Case("CatBoost", c, "grow_policy=Lossguide", cat(grow_policy="Lossguide", max_leaves=6)),
        Case("CatBoost", c, "grow_policy=Depthwise", cat(grow_policy="Depthwise", y=Y > 0)),
        Case("CatBoost", r, "grow_policy=Lossguide", cat(r, T, grow_policy="Lossguide", depth=6)),
        Case(
            "CatBoost",
            c,
            "cat_features",
            _with_texts,
            None,
            "float32",
            "splits must compare numbers",
            "not yet",
        ),
    ]


def _cat_ranker(loss: str) -> Callable[[], Any]:
    def make() -> Any:
        import catboost

        settings = {"iterations": 4, "depth": 3, "verbose": 0, "allow_writing_files": False}
        ranker = catboost.CatBoostRanker(loss_function=loss, random_seed=0, thread_count=1, **settings)
        return ranker.fit(X, (Y > 0).astype(int), group_id=np.arange(len(X)) // 10)

    return make


def _with_texts() -> Any:
    import catboost

    rows = X.astype(object)
    rows[:, 2] = np.array(["a", "b"])[(X[:, 2] > 0).astype(int)]
    settings = {
        "iterations": 4,
        "depth": 3,
        "verbose": 0,
        "allow_writing_files": False,
        "one_hot_max_size": 9,
    }
    return catboost.CatBoostClassifier(cat_features=[2], **settings).fit(rows, rows[:, 2] == "a")


# ---------------------------------------------------------------- scikit-learn


def learn(kind: str, rows: Any = X, y: Any = Y, fixed: bool = True, **params: Any) -> Any:
    def make() -> Any:
        from sklearn import ensemble, tree

        estimator = getattr(ensemble, kind, None) or getattr(tree, kind)
        seed = {"random_state": 0} if fixed else {}
        return estimator(**(seed | params)).fit(rows, y)

    return make


def sklearn_cases() -> list[Case]:
    few = {"n_estimators": 6, "max_depth": 6}
    gradient, hist = "GradientBoostingClassifier", "HistGradientBoostingClassifier"
    found = [
        Case("scikit-learn", kind, "default", learn(kind, max_depth=6))
        for kind in ("DecisionTreeClassifier", "ExtraTreeClassifier")
    ]
    found += [
        Case("scikit-learn", kind, "labels of text", learn(kind, y=NAMES[Y], **few))
        for kind in ("RandomForestClassifier", "ExtraTreesClassifier")
    ]
    found += [
        Case(
            "scikit-learn",
            "RandomForestClassifier",
            "NaN in training",
            learn("RandomForestClassifier", GAPS, **few),
            GAPS,
        ),
        Case("scikit-learn", gradient, "log_loss", learn(gradient, n_estimators=6)),
        Case(
            "scikit-learn",
            gradient,
            "exponential",
            learn(gradient, y=Y > 0, n_estimators=6, loss="exponential"),
        ),
        Case("scikit-learn", gradient, "init=zero", learn(gradient, n_estimators=6, init="zero")),
        Case("scikit-learn", hist, "log_loss", learn(hist, max_iter=6)),
        Case("scikit-learn", hist, "NaN in training", learn(hist, GAPS, max_iter=6), GAPS),
        Case(
            "scikit-learn",
            hist,
            "categorical_features",
            learn(hist, CODES, max_iter=6, categorical_features=[2]),
            CODES,
        ),
        Case("scikit-learn", hist, 'inputs="float64"', learn(hist, A, max_iter=6), A, "float64"),
        Case(
            "scikit-learn",
            "DecisionTreeRegressor",
            "default",
            learn("DecisionTreeRegressor", y=T, max_depth=6),
        ),
        Case("scikit-learn", "RandomForestRegressor", "default", learn("RandomForestRegressor", y=T, **few)),
        Case(
            "scikit-learn",
            "ExtraTreesRegressor",
            "two targets",
            learn("ExtraTreesRegressor", y=np.stack([T, X[:, 1]], axis=1), **few),
        ),
    ]
    found += [
        Case(
            "scikit-learn",
            "GradientBoostingRegressor",
            loss,
            learn("GradientBoostingRegressor", y=T, n_estimators=6, loss=loss),
        )
        for loss in ("squared_error", "absolute_error", "huber", "quantile")
    ]
    kind = "HistGradientBoostingRegressor"
    found += [
        Case("scikit-learn", kind, loss, learn(kind, y=T, max_iter=6, loss=loss, quantile=0.3))
        for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile")
    ]
    return [*found, *_votes(), *_sklearn_refused()]


def _sklearn_refused() -> list[Case]:
    from sklearn.naive_bayes import GaussianNB

    def refused(model: str, option: str, make: Any, why: str, verdict: str) -> Case:
        return Case("scikit-learn", model, option, make, None, "float32", why, verdict)

    two = np.stack([Y, Y], axis=1)
    return [
        refused(
            "GradientBoostingClassifier",
            "init a model",
            learn("GradientBoostingClassifier", n_estimators=2, init=GaussianNB()),
            "init must be a constant",
            "refused",
        ),
        refused(
            "RandomForestClassifier",
            "several targets",
            learn("RandomForestClassifier", y=two, n_estimators=2),
            "a model must have one target",
            "not yet",
        ),
        refused(
            "AdaBoostClassifier",
            "default",
            learn("AdaBoostClassifier", n_estimators=2),
            "must hold no trees",
            "not yet",
        ),
        refused(
            "IsolationForest",
            "default",
            learn("IsolationForest", n_estimators=2),
            "must have predict_proba",
            "not yet",
        ),
        refused(
            "CalibratedClassifierCV",
            "isotonic",
            lambda: calibrated("RandomForestClassifier", method="isotonic"),
            "calibration must be by sigmoids",
            "not yet",
        ),
        refused(
            "CalibratedClassifierCV",
            "temperature",
            calibrated_by_temperature,
            "calibration must be by sigmoids",
            "not yet",
        ),
        refused(
            "CalibratedClassifierCV",
            "sigmoid, of XGBoost",
            _calibrated_xgboost,
            "must average probabilities, or have a decision_function",
            "not yet",
        ),
        refused("StackingClassifier", "trees", _stacked, "must hold no trees", "not yet"),
    ]


def calibrated(kind: str, **params: Any) -> Any:
    from sklearn.calibration import CalibratedClassifierCV

    inner = learn(kind)().set_params(max_depth=4)
    return CalibratedClassifierCV(inner, cv=3, **params).fit(X, Y > 0)


def calibrated_by_temperature() -> Any:
    """Of the kind that scikit-learn has from 1.8 on; a test is skipped with an older one."""
    if Version(sklearn.__version__) < Version("1.8"):
        pytest.skip(f"scikit-learn {sklearn.__version__} does not calibrate by a temperature")
    return calibrated("RandomForestClassifier", method="temperature")


def calibrated_classes(kind: str, **params: Any) -> Any:
    """The same with three classes, labels of text."""
    from sklearn.calibration import CalibratedClassifierCV

    inner = learn(kind, **params)()
    return CalibratedClassifierCV(inner, cv=3).fit(X, NAMES[Y])


def _calibrated_xgboost() -> Any:
    from sklearn.calibration import CalibratedClassifierCV

    y = (Y > 0).astype(int)
    return CalibratedClassifierCV(gradient(y=y)(), cv=2).fit(X, y)


def vote(**params: Any) -> Any:
    def make() -> Any:
        from sklearn.ensemble import VotingClassifier

        members = [
            ("a", light()()),
            ("b", gradient()()),
            ("c", learn("RandomForestClassifier", n_estimators=5)()),
        ]
        return VotingClassifier(members, **params).fit(X, NAMES[Y])

    return make


def _votes() -> list[Case]:
    library, calibrator = "scikit-learn", "CalibratedClassifierCV"
    return [
        Case(library, "VotingClassifier", "soft, weights", vote(voting="soft", weights=[0.5, 0.3, 0.2])),
        Case(library, "VotingClassifier", "hard", vote(voting="hard", weights=[2, 1, 1.5])),
        Case(library, calibrator, "sigmoid, of a forest", lambda: calibrated("RandomForestClassifier")),
        Case(
            library, calibrator, "sigmoid, of boosting", lambda: calibrated("HistGradientBoostingClassifier")
        ),
        Case(
            library,
            calibrator,
            "sigmoids, three classes, of a forest",
            lambda: calibrated_classes("ExtraTreesClassifier", max_depth=4),
        ),
        Case(
            library,
            calibrator,
            "sigmoids, three classes, of boosting",
            lambda: calibrated_classes("GradientBoostingClassifier", n_estimators=4),
        ),
    ]


def _stacked() -> Any:
    from sklearn.ensemble import StackingClassifier
    from sklearn.tree import DecisionTreeClassifier

    return StackingClassifier([("t", DecisionTreeClassifier(max_depth=2))], cv=2).fit(X, Y)


# ---------------------------------------------------------------- pipelines


def pipe(*steps: Any, rows: Any = A) -> Any:
    def make() -> Any:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.pipeline import make_pipeline

        return make_pipeline(*steps, RandomForestClassifier(6, max_depth=6, random_state=0)).fit(rows, Y)

    return make


def pipeline_cases() -> list[Case]:
    from sklearn import preprocessing as p
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import FeatureUnion

    gaps = GAPS.astype(np.float64)
    code = p.OneHotEncoder(handle_unknown="ignore")
    order = p.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("c", code, [2]), ("o", order, [1])], remainder="passthrough")
    union = FeatureUnion([("a", p.StandardScaler()), ("b", p.MinMaxScaler())])
    exact: list[tuple[str, Any, Any]] = [
        *(
            (type(s).__name__, [s], A)
            for s in (p.StandardScaler(), p.MinMaxScaler(), p.MaxAbsScaler(), p.RobustScaler(), p.Binarizer())
        ),
        ("SimpleImputer, add_indicator", [SimpleImputer(add_indicator=True)], gaps),
        (
            "ColumnTransformer: OneHotEncoder, OrdinalEncoder, passthrough",
            [columns],
            CODES.astype(np.float64),
        ),
        ("FeatureUnion", [union], A),
        ("SelectKBest", [SelectKBest(k=3)], A),
    ]
    found = [
        Case("Pipeline", name, "before a forest", pipe(*steps, rows=rows), rows, "float64")
        for name, steps, rows in exact
    ]
    return [
        *found,
        Case(
            "Pipeline",
            "PCA",
            "before a forest",
            pipe(PCA(2)),
            None,
            "float32",
            "a step of a pipeline must be one of",
            "refused",
        ),
        Case(
            "Pipeline",
            "FunctionTransformer(np.abs)",
            "before a forest",
            pipe(p.FunctionTransformer(np.abs)),
            None,
            "float32",
            "a custom function has no exact form",
            "refused",
        ),
    ]


CASES = [*lightgbm_cases(), *xgboost_cases(), *catboost_cases(), *sklearn_cases(), *pipeline_cases()]


def written() -> str:
    """The table of the document."""
    lines = ["| library | model | option | |", "| --- | --- | --- | --- |"]
    for case in CASES:
        why = f": *{case.refusal}*" if case.refusal else ""
        lines.append(f"| {case.library} | `{case.model}` | {case.option} | {case.verdict}{why} |")
    return "\n".join(lines) + "\n"


def with_table(document: str) -> str:
    """A document with its table written anew."""
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}{written()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8")), "utf-8")
