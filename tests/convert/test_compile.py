"""`gradus_convert.compile`: what a compiled model answers is what its library answers, or it is refused."""

from __future__ import annotations

import gc
import pickle
import warnings
import weakref
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnxruntime
import pandas
import pytest
import skl2onnx
import skops.io
import xgboost
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from tests.support.models import fit, table
from tests.support.rows import boundary_rows, finite, special_rows

import gradus_convert
from gradus_convert.errors import InexactModelError, ParityError
from gradus_convert.readers import read_model
from gradus_runtime.errors import DataError, GradusError, UsageError
from gradus_runtime.sessions.onnx_session import open_session

X, Y = table(3)
T = np.exp(X[:, 0]) + np.float32(0.1)
LIGHT = {"n_estimators": 6, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


def rows_of(model: Any, X: np.ndarray = X) -> np.ndarray:
    """Rows on every threshold and beside it, odd values, and the training rows."""
    forest = read_model(model, values=True).lowered
    return np.concatenate([boundary_rows(forest, finite(X)[0]), special_rows(X), finite(X)])


def untied(p: np.ndarray) -> np.ndarray:
    best = np.sort(p, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0] > 1e-6


CLASSIFIERS = [
    "lightgbm, three classes",
    "lightgbm, two classes, another sigmoid",
    "lightgbm, averaged (rf)",
    "lightgbm, dart",
    "lightgbm, around zero",
    "xgboost, three classes",
    "xgboost, two classes",
    "xgboost, softmax of two",
    "xgboost, dart",
    "xgboost, parallel trees",
    "random forest, two classes",
    "extra trees",
    "decision tree",
    "gradient boosting, exponential",
    "hist gradient boosting, three classes",
]


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_as_its_library_does_on_every_threshold(name: str, encoding: Any) -> None:
    model, X = fit(name)
    compiled = gradus_convert.compile(model, proof="quick", encoding=encoding)
    rows = rows_of(model, X)
    p = model.predict_proba(rows)
    np.testing.assert_allclose(compiled.predict_proba(rows), p, atol=1e-6)
    clear = untied(p)
    expected = model.classes_[p.argmax(axis=1)]
    assert (compiled.predict(rows)[clear] == expected[clear]).all()
    assert compiled.encoding == encoding
    assert compiled.bits == ("exact" if encoding == "compact" else "2e-6")


def lightgbm_of(objective: str, **params: Any) -> Any:
    target = T / T.max() if objective == "cross_entropy" else T
    return lambda: lightgbm.LGBMRegressor(objective=objective, **(LIGHT | params)).fit(X, target)


def xgboost_of(objective: str, **params: Any) -> Any:
    target = T / T.max() if objective == "reg:logistic" else T
    settings = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1} | params
    return lambda: xgboost.XGBRegressor(objective=objective, **settings).fit(X, target)


def catboost_of(loss: str) -> Any:
    settings = {"iterations": 6, "depth": 3, "verbose": 0, "allow_writing_files": False}
    return lambda: catboost.CatBoostRegressor(loss_function=loss, **settings).fit(X, T)


RF = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
REGRESSORS = {
    "lightgbm poisson": lightgbm_of("poisson"),
    "lightgbm poisson, rf": lightgbm_of("poisson", **RF),
    "lightgbm tweedie": lightgbm_of("tweedie"),
    "lightgbm cross_entropy": lightgbm_of("cross_entropy"),
    "lightgbm l1, sqrt": lightgbm_of("regression_l1", reg_sqrt=True),
    "xgboost reg:gamma": xgboost_of("reg:gamma"),
    "xgboost quantiles": xgboost_of("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]),
    "catboost Poisson": catboost_of("Poisson"),
    "two targets": lambda: ExtraTreesRegressor(6, random_state=0).fit(X, np.stack([T, X[:, 1]], axis=1)),
    "hist poisson": lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=6).fit(X, T),
    "hist gamma": lambda: HistGradientBoostingRegressor(loss="gamma", max_iter=6).fit(X, T),
}
"""One a link; docs/models.md has every objective, and `test_models_table` runs it."""

ONE_A_LINK = [
    *("lightgbm poisson", "lightgbm poisson, rf", "lightgbm cross_entropy", "lightgbm l1, sqrt"),
    *("xgboost quantiles", "two targets", "hist gamma"),
]


@pytest.mark.parametrize(("name", "encoding"), [(n, e) for n in ONE_A_LINK for e in ("compact", "treeops")])
@pytest.mark.filterwarnings("ignore")
def test_a_regressor_answers_as_its_library_does_on_every_threshold(name: str, encoding: Any) -> None:
    model = REGRESSORS[name]()
    compiled = gradus_convert.compile(model, proof="quick", encoding=encoding)
    rows = rows_of(model)
    expected = np.asarray(model.predict(rows), np.float64)
    found = compiled.predict(rows)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-6 * float(np.abs(expected).max()))
    with pytest.raises(UsageError, match="a model must have classes"):
        compiled.predict_proba(rows)


@pytest.mark.filterwarnings("ignore")
def test_raw_scores_are_those_of_the_library() -> None:
    light = lightgbm.LGBMClassifier(sigmoid=0.7, **LIGHT).fit(X, Y > 0)
    said = gradus_convert.compile(light, proof="off").predict_margin(X)
    np.testing.assert_allclose(said, light.predict(X, raw_score=True), rtol=1e-5, atol=1e-6)
    averaged = lightgbm.LGBMRegressor(**(LIGHT | RF)).fit(X, T)
    said = gradus_convert.compile(averaged, proof="off").predict_margin(X)
    np.testing.assert_allclose(said, averaged.predict(X, raw_score=True), rtol=1e-5)
    boosted = xgboost.XGBClassifier(n_estimators=4).fit(X, Y)
    said = gradus_convert.compile(boosted, proof="off").predict_margin(X)
    np.testing.assert_allclose(said, boosted.predict(X, output_margin=True), rtol=1e-5, atol=1e-6)
    gradient = GradientBoostingClassifier(n_estimators=4, loss="exponential").fit(X, Y > 0)
    said = gradus_convert.compile(gradient, proof="off").predict_margin(X)
    np.testing.assert_allclose(said, gradient.decision_function(X), rtol=1e-5, atol=1e-6)
    forest = RandomForestClassifier(3).fit(X, Y)
    with pytest.raises(UsageError, match="a model must have raw scores, but got 'sklearn'"):
        gradus_convert.compile(forest, proof="off").predict_margin(X)


@pytest.mark.parametrize(
    "names",
    [["SELL", "HOLD", "BUY"], [-1, 0, 1], [5, 7, 30], [1.0, 2.0, 5.0], [0, 1, 2]],
    ids=str,
)
def test_labels_are_the_user_s_in_the_file_too(names: list[Any], tmp_path: Path) -> None:
    y = np.array(names)[Y]
    model = RandomForestClassifier(5, max_depth=4, random_state=0).fit(X, y)
    compiled = gradus_convert.compile(model)
    clear = untied(model.predict_proba(X))
    assert (compiled.predict(X) == model.predict(X))[clear].all()
    compiled.save(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    label, p = session.run(["label", "probabilities"], {"features": X})
    assert (label == model.predict(X))[clear].all()
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-6)


def test_labels_of_truth_stay_booleans() -> None:
    model = lightgbm.LGBMClassifier(**LIGHT).fit(X, Y > 0)
    said = gradus_convert.compile(model).predict(X)
    assert said.dtype == np.bool_
    assert (said == model.predict(X)).all()


def test_a_session_by_itself_keeps_the_constants_that_it_reads_where_they_lie() -> None:
    """Raw scores came from tables that were freed: from the second call on they failed or were wrong."""
    model = lightgbm.LGBMClassifier(
        n_estimators=150, num_leaves=31, min_child_samples=2, verbose=-1, n_jobs=1
    )
    compiled = gradus_convert.compile(model.fit(X, Y > 0), proof="off", encoding="compact")
    expected = model.predict(X, raw_score=True)
    for _ in range(3):
        np.testing.assert_allclose(compiled.predict_margin(X), expected, atol=2e-6)
        gc.collect()
        assert [bytes(n) for n in range(1000, 300_000, 1000)]
    graph = compiled.margin_bytes()
    assert graph is not None
    opened = open_session(graph, "compact", 1)
    assert opened.tables
    held, session = [weakref.ref(table) for table in opened.tables], opened.session
    del opened, graph
    gc.collect()
    assert all(table() is not None for table in held)
    del session
    gc.collect()
    assert all(table() is None for table in held)


def test_a_booster_predicts_what_its_own_predict_gives(tmp_path: Path) -> None:
    light = lightgbm.LGBMClassifier(**LIGHT).fit(X, Y > 0).booster_
    said = gradus_convert.compile(light).predict(X)
    np.testing.assert_allclose(said, light.predict(X), atol=1e-6)
    many = xgboost.XGBClassifier(n_estimators=4).fit(X, Y).get_booster()
    said = gradus_convert.compile(many).predict(X)
    np.testing.assert_allclose(said, many.predict(xgboost.DMatrix(X)), atol=1e-6)
    ova = lightgbm.LGBMClassifier(objective="multiclassova", **LIGHT).fit(X, Y).booster_
    for encoding in ("compact", "treeops"):
        said = gradus_convert.compile(ova, encoding=encoding).predict(X)
        np.testing.assert_allclose(said, ova.predict(X), atol=1e-6)
    classes = xgboost.XGBClassifier(n_estimators=4, objective="multi:softmax", num_class=3).fit(X, Y)
    plain = classes.get_booster()
    assert (gradus_convert.compile(plain).predict(X) == plain.predict(xgboost.DMatrix(X))).all()


@pytest.mark.parametrize(
    ("loss", "labels"), [("MultiClassOneVsAll", Y), ("CrossEntropy", (Y > 0) * 1.0), ("Logloss", Y > 0)]
)
def test_catboost_s_classifiers_answer_as_catboost(loss: str, labels: np.ndarray) -> None:
    model = catboost.CatBoostClassifier(
        iterations=5, depth=3, loss_function=loss, verbose=0, allow_writing_files=False
    ).fit(X, labels)
    for encoding in ("compact", "treeops"):
        compiled = gradus_convert.compile(model, encoding=encoding)
        np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-6)


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any, np.ndarray]]:
    folder = tmp_path_factory.mktemp("files")
    names = np.array(["SELL", "HOLD", "BUY"])
    light = lightgbm.LGBMClassifier(**LIGHT).fit(X, names[Y])
    light.booster_.save_model(folder / "a.txt")
    (folder / "a.pkl").write_bytes(pickle.dumps(light))
    boost = xgboost.XGBClassifier(n_estimators=4).fit(X, Y)
    boost.save_model(folder / "b.json")
    boost.save_model(folder / "b.ubj")
    cat = catboost.CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False).fit(X, names[Y])
    cat.save_model(str(folder / "c.cbm"))
    cat.save_model(str(folder / "c.json"), format="json")
    value = catboost.CatBoostRegressor(
        iterations=4, loss_function="Poisson", verbose=0, allow_writing_files=False
    ).fit(X, T)
    value.save_model(str(folder / "v.cbm"))
    forest = RandomForestClassifier(5, max_depth=4, random_state=0).fit(X, names[Y])
    skops.io.dump(forest, folder / "d.skops")
    onnx = skl2onnx.to_onnx(forest, X[:1], options={"zipmap": False})
    (folder / "d.onnx").write_bytes(onnx.SerializeToString())
    p = light.predict_proba(X)
    q = boost.predict_proba(X)
    return {
        "a.txt": (folder / "a.txt", p, p),
        "a.pkl": (folder / "a.pkl", light.predict(X), p),
        "b.json": (folder / "b.json", q, q),
        "b.ubj": (folder / "b.ubj", q, q),
        "c.cbm": (folder / "c.cbm", cat.predict(X)[:, 0], cat.predict_proba(X)),
        "c.json": (folder / "c.json", cat.predict(X)[:, 0], cat.predict_proba(X)),
        "v.cbm": (folder / "v.cbm", value.predict(X), np.zeros(0)),
        "d.skops": (folder / "d.skops", forest.predict(X), forest.predict_proba(X)),
        "d.onnx": (folder / "d.onnx", forest.predict(X), forest.predict_proba(X)),
    }


@pytest.mark.parametrize(
    "name", ["a.txt", "a.pkl", "b.json", "b.ubj", "c.cbm", "c.json", "v.cbm", "d.skops", "d.onnx"]
)
@pytest.mark.parametrize("renamed", [False, True])
def test_a_file_of_any_form_is_known_by_what_is_in_it(
    name: str, renamed: bool, files: dict[str, Any], tmp_path: Path
) -> None:
    path, expected, probabilities = files[name]
    if renamed:
        (tmp_path / "model.bin").write_bytes(path.read_bytes())
        path = tmp_path / "model.bin"
    if renamed and name == "c.json":
        return  # CatBoost itself goes by the ending
    compiled = gradus_convert.compile(path, proof="quick")
    said = compiled.predict(X)
    if len(probabilities):
        np.testing.assert_allclose(compiled.predict_proba(X), probabilities, atol=1e-6)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-6)
    else:
        clear = untied(probabilities)
        assert (said == expected)[clear].all()


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(GradusError, match="Nothing of the file was run"):
        gradus_convert.compile(tmp_path / "m.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        *(lightgbm_of(o) for o in ("regression", "poisson", "tweedie", "quantile")),
        lightgbm_of("regression", reg_sqrt=True),
        *(
            xgboost_of(o)
            for o in ("reg:squarederror", "reg:logistic", "reg:gamma", "count:poisson", "reg:tweedie")
        ),
        lambda: xgboost.XGBRFRegressor(n_estimators=4).fit(X, T),
    ],
)
def test_a_pickled_regressor_is_compiled(make: Any, tmp_path: Path) -> None:
    model = make()
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    compiled = gradus_convert.compile(tmp_path / "m.pkl", proof="quick")
    expected = model.predict(X)
    np.testing.assert_allclose(compiled.predict(X), expected, rtol=3e-6, atol=3e-6 * np.abs(expected).max())


# ---------------------------------------------------------------- rows and refusals


def test_a_dataframe_is_read_by_name_and_a_list_by_position() -> None:
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = lightgbm.LGBMClassifier(**LIGHT).fit(frame, Y)
    compiled = gradus_convert.compile(model, proof="quick")
    expected = model.predict(frame)
    assert (compiled.predict(frame[list("edcba")]) == expected).all()
    assert (compiled.predict({name: X[:, i] for i, name in enumerate("abcde")}) == expected).all()
    assert (compiled.predict(X[:5].tolist()) == expected[:5]).all()
    with pytest.raises(DataError, match=r"a dataframe must have the model's columns, but got \['e'\]"):
        compiled.predict(frame[list("abcd")])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X[0], r"rows must be \[N, 5\], but got \(5,\)\. One row is X\[None\]"),
        (X[:, :4], r"rows must be \[N, 5\]"),
        (
            np.full((1, 5), np.nan),
            r"X\[0, 0\]: rows must be finite where the model takes nothing else, but got nan",
        ),
        (np.full((1, 5), "a", object), "rows must hold numbers"),
    ],
    ids=["one row", "too narrow", "NaN", "text"],
)
def test_rows_that_do_not_fit_are_refused(rows: Any, message: str) -> None:
    compiled = gradus_convert.compile(GradientBoostingClassifier(n_estimators=2).fit(X, Y), proof="off")
    with pytest.raises(DataError, match=message):
        compiled.predict(rows)


def test_no_rows_give_no_answers() -> None:
    compiled = gradus_convert.compile(RandomForestClassifier(2).fit(X, Y), proof="off")
    assert compiled.predict(X[:0]).shape == (0,)
    assert compiled.predict_proba(X[:0]).shape == (0, 3)


FILES_OF: dict[str, Any] = {
    "a.onnx": lambda model: skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}).SerializeToString(),
    "a.pkl": pickle.dumps,
}


def test_what_cannot_be_compiled_is_said(tmp_path: Path) -> None:
    model = RandomForestClassifier(2).fit(X, Y)
    with pytest.raises(UsageError, match="proof must be known, but got 'maybe'"):
        gradus_convert.compile(model, proof="maybe")  # type: ignore[arg-type]
    for name in ("a.onnx", "a.pkl"):
        (tmp_path / name).write_bytes(FILES_OF[name](model))
        with pytest.raises(
            UsageError, match="rows can be given with models and files that their library reads"
        ):
            gradus_convert.compile(tmp_path / name, rows=X)
    with pytest.raises(DataError, match="a model file must exist"):
        gradus_convert.compile(tmp_path / "none.txt")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(DataError, match="a model file must be LightGBM's text, XGBoost's"):
        gradus_convert.compile(tmp_path / "text.txt")
    with pytest.raises(DataError, match="a model must be a regular file"):
        gradus_convert.compile(tmp_path)
    with pytest.raises(InexactModelError, match="a member must be of lightgbm"):
        gradus_convert.compile(object())


# ---------------------------------------------------------------- the proof finds what it must


def test_a_threshold_rounded_to_the_nearest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X.astype(np.float64) + 1e-9, Y)
    gradus_convert.compile(model)
    monkeypatch.setattr(
        "gradus_convert.readers.sklearn.at_most", lambda t: np.asarray(t, np.float64).astype(np.float32)
    )
    with pytest.raises(ParityError, match="every tree must end at the leaf of its library"):
        gradus_convert.compile(model)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["lightgbm poisson", "xgboost reg:gamma", "hist poisson", "catboost Poisson"]
)
def test_a_link_that_is_forgotten_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from gradus_convert.compilation import one_model

    model = REGRESSORS[name]()
    native = read_model(model, values=True)
    wrong = dataclasses.replace(native, lowered=dataclasses.replace(native.lowered, link="identity"))
    with pytest.raises(ParityError, match="values must be the library's"):
        one_model.compile_native(wrong, proof="quick", encoding="compact", place="m")


def test_labels_in_another_order_are_found() -> None:
    import dataclasses

    from gradus_convert.compilation import one_model

    native = read_model(lightgbm.LGBMClassifier(**LIGHT).fit(X, np.array(["a", "b", "c"])[Y]))
    wrong = dataclasses.replace(native, labels=("c", "b", "a"))
    with pytest.raises(ParityError, match="labels must be the library's"):
        one_model.compile_native(wrong, proof="quick", encoding="compact", place="m")


@pytest.mark.filterwarnings("ignore")
def test_a_bit_of_a_value_that_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_convert.parity import model_proof

    model = REGRESSORS["lightgbm poisson"]()
    right = model_proof.exact_values
    monkeypatch.setattr(model_proof, "exact_values", lambda *a: np.nextafter(right(*a), np.float32(np.inf)))
    with pytest.raises(ParityError, match="32 bits"):
        gradus_convert.compile(model, proof="quick", encoding="compact")


def test_large_and_tiny_targets_keep_their_accuracy() -> None:
    for scale in (1e12, 1e-12):
        target = T.astype(np.float64) * scale
        model = GradientBoostingRegressor(n_estimators=6).fit(X, target)
        said = gradus_convert.compile(model, encoding="compact").predict(X)
        np.testing.assert_allclose(said, model.predict(X), rtol=2e-6)


def test_the_same_model_gives_the_same_bytes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = (gradus_convert.compile(REGRESSORS["lightgbm tweedie"](), proof="off") for _ in range(2))
    assert one.model_bytes == two.model_bytes
    assert one.model.graph.output[0].name == "values"
