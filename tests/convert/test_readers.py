"""Readers refuse by name what has no exact form, read every file form, and hold the exactness rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from tests.support.models import fit, table

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.forest.rounding import LARGEST, at_most, at_most_with_zero_band, below, round_down
from gradus_convert.readers import READERS, read_file, read_model
from gradus_convert.readers import xgboost as xgboost_reader
from gradus_runtime.errors import DataError

X, Y = table(3)
BAND = np.float32(1e-35)
TREES = [("t", DecisionTreeClassifier(max_depth=2))]


def boosted(**params: Any) -> lightgbm.LGBMClassifier:
    return lightgbm.LGBMClassifier(n_estimators=3, num_leaves=5, n_jobs=1, verbose=-1, **params)


def gradient(**params: Any) -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1, **params)


def categorical() -> np.ndarray:
    codes = X.copy()
    codes[:, 2] = np.random.default_rng(0).integers(0, 8, len(X))
    return codes


def lightgbm_regressor() -> Any:
    return lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(X, Y)


REFUSED = {
    "lightgbm linear_tree": (
        lambda: boosted(linear_tree=True).fit(X, Y),
        "leaves must be constants, but got 'linear_tree'. Train with linear_tree=False.",
    ),
    "lightgbm multiclassova": (
        lambda: boosted(objective="multiclassova").fit(X, Y),
        "a member's probabilities must sum to 1: it tells each class from all others",
    ),
    "lightgbm cross_entropy_lambda": (
        lambda: lightgbm.train(
            {"objective": "cross_entropy_lambda", "verbose": -1}, lightgbm.Dataset(X, Y > 0), 2
        ),
        "objective must be one of binary, multiclass, multiclassova, regression, ",
    ),
    "lightgbm regression": (
        lightgbm_regressor,
        "a member must give the probabilities of classes: it gives values, as regressors do",
    ),
    "xgboost missing": (
        lambda: gradient().fit(X, Y).set_params(missing="none"),
        "missing must be a number, but got 'none'. Train with missing=nan, the default.",
    ),
    "xgboost gblinear": (
        lambda: gradient(booster="gblinear").set_params(max_depth=None).fit(X, Y),
        "the booster must be gbtree or dart, but got 'gblinear'",
    ),
    "xgboost hinge": (
        lambda: gradient(objective="binary:hinge").fit(X, Y > 0),
        "objective must be one of binary:logistic, multi:softprob, multi:softmax, reg:squarederror, ",
    ),
    "two targets": (
        lambda: RandomForestClassifier(n_estimators=2).fit(X, np.stack([Y, Y], axis=1)),
        "a model must have one target, but got 'multi-output'",
    ),
    "one class": (
        lambda: DecisionTreeClassifier().fit(X, np.zeros(len(X))),
        "a classifier must have two classes or more, but got 1",
    ),
    "boosting from a model": (
        lambda: GradientBoostingClassifier(n_estimators=2, init=GaussianNB()).fit(X, Y),
        "init must be a constant",
    ),
    "hist categories of text": (
        lambda: HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(
            np.array(["a", "b", "c"] * 40, object)[:, None], np.tile([0, 1, 2], 40)
        ),
        "m: column 0: categories must be numbers, but got 'a'",
    ),
    "trees inside a fragment": (
        lambda: make_pipeline(DecisionTreeClassifier(max_depth=2)).fit(X, Y),
        "a member converted as a fragment must hold no trees",
    ),
    "trees inside a vote": (
        lambda: VotingClassifier(TREES, voting="soft", flatten_transform=False).fit(X, Y),
        "a member converted as a fragment must hold no trees",
    ),
    "no probabilities": (
        lambda: Perceptron().fit(X, Y),
        "a member must have predict_proba, but got 'Perceptron'",
    ),
    "unknown to skl2onnx": (
        lambda: make_pipeline(FunctionTransformer(np.abs), LogisticRegression()).fit(X, Y),
        "skl2onnx must know the estimator, but got 'Pipeline'",
    ),
    "another library": (
        lambda: json.JSONDecoder(),
        f"a member must be of {', '.join(READERS)}",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_exact_form_is_refused_by_name(case):
    make, message = REFUSED[case]
    with pytest.raises(InexactModelError) as caught:
        read_model(make(), place="m")
    assert message in str(caught.value)
    assert str(caught.value).startswith(("m: ", "fragment"))


def test_files_of_every_form_read_like_the_model_in_memory(tmp_path):
    xgb, light = gradient().fit(X, Y), boosted().fit(X, Y)
    forest = RandomForestClassifier(n_estimators=3, random_state=0).fit(X, Y)
    xgb.get_booster().save_model(tmp_path / "m.ubj")
    xgb.save_model(tmp_path / "m.json")
    light.booster_.save_model(tmp_path / "m.txt")
    skops.io.dump(forest, tmp_path / "m.skops")
    for file, library, model in (
        ("m.ubj", "xgboost", xgb),
        ("m.json", "xgboost", xgb),
        ("m.txt", "lightgbm", light),
        ("m.skops", "sklearn", forest),
    ):
        native = read_file(tmp_path / file, library)
        assert isinstance(native.lowered, Forest)
        assert interpret(native.lowered, X).probabilities == pytest.approx(model.predict_proba(X), abs=1e-6)
        assert native.probabilities(X) == pytest.approx(model.predict_proba(X), abs=1e-7)


@pytest.mark.parametrize(
    ("library", "rule"),
    [
        ("lightgbm", "a LightGBM model must be readable"),
        ("xgboost", "an XGBoost model must be readable"),
        ("sklearn", "a scikit-learn model must be a skops file"),
        ("keras", f"a library must be one of {', '.join(READERS)}, but got 'keras'"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, library, rule):
    path = tmp_path / "m.json"
    path.write_text("{nothing}")
    with pytest.raises(DataError) as caught:
        read_file(path, library)
    assert rule in str(caught.value)


def test_vectors_of_leaves_are_found_where_every_version_of_xgboost_keeps_them():
    """Before 3.2 every node had one; since then leaves alone have, by number."""
    is_leaf = np.array([False, True, False, True, True])
    facts = {"tree_param": {"size_leaf_vector": "2"}}
    new = facts | {
        "right_children": [2, 1, 4, 0, 2],
        "leaf_weights": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "base_weights": [9.0] * 10,
    }
    old = facts | {"right_children": [2, -1, 4, -1, -1], "base_weights": [9, 9, 3, 4, 9, 9, 1, 2, 5, 6]}
    expected = [[0, 0], [3, 4], [0, 0], [1, 2], [5, 6]]
    assert xgboost_reader._leaf_values(new, is_leaf).tolist() == expected
    assert xgboost_reader._leaf_values(old, is_leaf).tolist() == expected


def test_what_is_no_regular_file_is_not_called_missing():
    with pytest.raises(DataError, match="/dev/null: a model must be a regular file"):
        read_file(Path("/dev/null"), "lightgbm")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="a model file must exist"):
        read_file(tmp_path / "none.txt", "lightgbm")


def test_a_skops_file_with_foreign_types_is_refused_before_it_is_built(tmp_path):
    path = tmp_path / "m.skops"
    skops.io.dump(FunctionTransformer(Path), path)
    with pytest.raises(InexactModelError, match=r"scikit-learn's own types alone.*pathlib"):
        read_file(path, "sklearn")


def test_adaboost_of_trees_is_refused():
    with pytest.raises(InexactModelError):
        read_model(AdaBoostClassifier(n_estimators=2).fit(X, Y))


@pytest.mark.parametrize(
    ("name", "kept"), [("lightgbm, early stopped", "lightgbm"), ("xgboost, early stopped", "xgboost")]
)
def test_rounds_after_the_best_are_left_out(name, kept):
    model, rows = fit(name)
    native = read_model(model)
    best = model.best_iteration_ if kept == "lightgbm" else model.best_iteration + 1
    assert native.lowered.n_trees == 3 * best
    assert best < 400
    assert native.probabilities(rows) == pytest.approx(model.predict_proba(rows), abs=1e-7)


def test_a_forest_fitted_with_column_names_is_read():
    import pandas

    names = [f"c{i}" for i in range(5)]
    model = RandomForestClassifier(n_estimators=2, random_state=0).fit(pandas.DataFrame(X, columns=names), Y)
    native = read_model(model)
    assert native.labels == (0, 1, 2)
    assert interpret(native.lowered, X).probabilities == pytest.approx(native.probabilities(X), abs=1e-12)


# ---------------------------------------------------------------- the exactness rules


def test_a_forest_of_many_threads_answers_with_the_same_bits_every_time():
    X, y = table(3, rows=600)
    model = RandomForestClassifier(60, max_depth=6, random_state=0, n_jobs=4).fit(X, y)
    expected = np.zeros((len(X), 3))
    for tree in model.estimators_:
        expected += tree.predict_proba(X)
    native = read_model(model)
    assert all((native.probabilities(X) == expected / 60).all() for _ in range(5))
    assert model.n_jobs == 4


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("t", [0.1, -0.1, 1e-46, -1e-46, 1e300, -1e300, 0.0, 3.4028235677973366e38])
def test_rounding_down_gives_the_largest_float32_at_most_t(t):
    u = round_down(t)
    assert float(u) <= t
    with np.errstate(over="ignore"):
        assert float(np.nextafter(u, np.float32(np.inf))) > t


def test_thresholds_beyond_float32_send_infinities_where_the_libraries_do():
    assert np.isposinf(at_most(np.inf))
    assert at_most(1e308) == LARGEST
    assert np.isneginf(at_most(-1e308))
    assert below(np.float32(np.inf)) == LARGEST
    assert np.isneginf(below(-LARGEST))
    assert np.isnan(below(np.float32(-np.inf)))


def near(t: float) -> np.ndarray:
    """Float32 values around t and around every landmark."""
    marks = floats(t, 0.0, -0.0, BAND, -BAND, 1e-45, -1e-45, 1.0, -1.0, LARGEST, -LARGEST)
    with np.errstate(over="ignore", under="ignore"):
        around = [np.nextafter(marks, np.float32(s * np.inf)) for s in (1, -1)]
    return np.concatenate([marks, *around])


THRESHOLDS = [
    0.0,
    -0.0,
    1e-35,
    -1e-35,
    1.0000000180025095e-35,
    -1.0000000180025095e-35,
    2e-35,
    -2e-35,
    0.5,
    1e-40,
]


@pytest.mark.parametrize("t", [*THRESHOLDS, -1e-40, 0.1, -0.3, 3e38, -3e38])
def test_each_rule_sends_every_float32_where_its_library_does(t):
    x = near(t)
    x = x[np.isfinite(x)]
    exact = x.astype(np.float64)
    zeroed = np.where(np.abs(exact) <= float(BAND), 0.0, exact)
    assert ((x <= at_most(t)) == (exact <= t)).all()
    assert ((x <= at_most_with_zero_band(t)) == (zeroed <= t)).all()
    t32 = np.float32(t)
    assert ((x <= below(t32)) == (x < t32)).all()


def test_a_split_that_nothing_passes_to_the_left_of_is_left_out():
    document = json.loads(bytes(gradient().fit(X, Y).get_booster().save_raw("json")))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["split_conditions"][0] = float("-inf")  # below the largest negative number lies -inf alone
    booster = xgboost.Booster(model_file=bytearray(json.dumps(document).encode()))
    native = read_model(booster)
    assert isinstance(native.lowered, Forest)
    rows = np.concatenate([X, np.full((1, 5), -LARGEST, np.float32)])
    said = interpret(native.lowered, rows)
    assert native.leaves is not None
    trees = range(native.lowered.n_trees)
    assert (native.lowered.native_leaf[said.leaves] == native.leaves(rows, trees)).all()
    assert native.lowered.n_nodes < read_model(gradient().fit(X, Y)).lowered.n_nodes
