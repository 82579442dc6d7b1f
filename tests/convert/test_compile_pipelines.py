"""Pipelines, and models on float64 rows: steps give scikit-learn's bits, trees the library's leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import onnxruntime
import pandas
import pytest
import skops.io
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

import gradus_convert
from gradus_convert.errors import InexactModelError, ParityError
from gradus_runtime.errors import DataError

LIGHT = {"n_estimators": 8, "num_leaves": 15, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


def frame(rows: int = 600, seed: int = 0) -> pandas.DataFrame:
    """Prices, an hour as a sine (many equal values), a column with gaps, texts with gaps, small numbers."""
    random = np.random.default_rng(seed)
    side = random.choice(["buy", "sell", "none"], rows).astype(object)
    venue = random.choice(["a", "b", "c", "rare"], rows, p=[0.4, 0.3, 0.28, 0.02]).astype(object)
    venue[random.random(rows) < 0.1] = np.nan
    return pandas.DataFrame(
        {
            "price": random.lognormal(3, 1, rows),
            "hour": np.sin(random.integers(0, 24, rows) * 2 * np.pi / 24),
            "vol": np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows)),
            "side": side,
            "venue": venue,
            "k": random.integers(0, 5, rows).astype(np.float64),
        }
    )


DF = frame()
Y = ((DF.price > 20).astype(int) + (DF.side == "buy") + (DF.k > 2)).to_numpy() % 3
T = (DF.price * (1 + DF.k)).to_numpy()
NUMBERS = ["price", "hour", "vol"]
A = DF[NUMBERS].to_numpy()
FULL = np.nan_to_num(A, nan=0.5)


def at_thresholds(booster: lightgbm.Booster, X: np.ndarray) -> np.ndarray:
    """Float64 rows that put each column onto a threshold of the model and its float64 neighbours."""
    table = booster.trees_to_dataframe()
    rows = []
    for column, name in enumerate(booster.feature_name()):
        cuts = table[table.split_feature == name].threshold.astype(float).unique()
        for x in np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)]):
            row = X[len(rows) % len(X)].copy()
            row[column] = x
            rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
def test_lightgbm_on_float64_rows_goes_where_it_goes_itself(encoding: Any) -> None:
    model = lightgbm.LGBMClassifier(**LIGHT).fit(FULL, Y)
    rows = np.concatenate([FULL, at_thresholds(model.booster_, FULL)])
    expected = model.predict_proba(rows)
    single = gradus_convert.compile(model, proof="quick", encoding=encoding)
    assert (np.abs(single.predict_proba(rows) - expected).max(axis=1) > 1e-5).sum() > 10
    double = gradus_convert.compile(model, encoding=encoding, inputs="float64")
    np.testing.assert_allclose(double.predict_proba(rows), expected, atol=1e-6)
    assert double.proof is not None
    assert double.bits == ("exact" if encoding == "compact" else "2e-6")
    np.testing.assert_allclose(
        double.predict_margin(rows), model.predict(rows, raw_score=True), rtol=1e-5, atol=1e-5
    )


def test_values_around_zero_are_told_apart_in_float64_as_lightgbm_does() -> None:
    X = FULL.copy()
    X[::3, 0], X[1::3, 0] = 0.0, np.random.default_rng(0).normal(size=len(X[1::3])) * 1e-34
    model = lightgbm.LGBMClassifier(**LIGHT).fit(X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0))
    band = float(np.float32(1e-35))
    edges = [0.0, -0.0, band, -band, np.nextafter(band, 1), np.nextafter(-band, -1), 1e-300, -1e-300, 5e-324]
    rows = np.repeat(X[:1], len(edges), axis=0)
    rows[:, 0] = edges
    rows = np.concatenate([rows, X])
    compiled = gradus_convert.compile(model, inputs="float64")
    np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_hist_gradient_boosting_on_float64_rows_goes_where_it_goes_itself(kind: Any) -> None:
    model = kind(max_iter=5, random_state=0).fit(FULL, Y)
    cuts = np.concatenate([p.nodes["num_threshold"] for rounds in model._predictors for p in rounds])
    features = np.concatenate([p.nodes["feature_idx"] for rounds in model._predictors for p in rounds])
    rows = np.repeat(FULL[:1], len(cuts), axis=0)
    rows[np.arange(len(cuts)), features] = cuts
    above = rows.copy()
    above[np.arange(len(cuts)), features] = np.nextafter(cuts, np.inf)
    rows = np.concatenate([rows, above, FULL])
    compiled = gradus_convert.compile(model, inputs="float64")
    if hasattr(model, "classes_"):
        np.testing.assert_allclose(compiled.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    else:
        np.testing.assert_allclose(compiled.predict(rows), model.predict(rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [xgboost.XGBClassifier(n_estimators=4), RandomForestClassifier(5, max_depth=6, random_state=0)],
    ids=["xgboost", "random forest"],
)
def test_libraries_that_round_rows_themselves_take_float64_as_they_do(model: Any) -> None:
    model.fit(FULL, Y)
    compiled = gradus_convert.compile(model, inputs="float64")
    np.testing.assert_allclose(compiled.predict_proba(FULL), model.predict_proba(FULL), atol=1e-6)


# ---------------------------------------------------------------- every step


def imputed(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(), *steps)


STEPS: dict[str, Any] = {
    "standard": imputed(StandardScaler()),
    "standard, mean alone": imputed(StandardScaler(with_std=False)),
    "standard, scale alone": imputed(StandardScaler(with_mean=False)),
    "min max": imputed(MinMaxScaler()),
    "min max, clipped": imputed(MinMaxScaler(feature_range=(-1, 2), clip=True)),
    "max abs": imputed(MaxAbsScaler()),
    "robust": imputed(RobustScaler()),
    "binarizer": imputed(Binarizer(threshold=0.3)),
    "imputer, median and indicator": SimpleImputer(strategy="median", add_indicator=True),
    "imputer, constant": SimpleImputer(strategy="constant", fill_value=-7.5),
    "imputer, most frequent": SimpleImputer(strategy="most_frequent"),
    "selection": imputed(SelectKBest(k=2)),
    "variance": imputed(VarianceThreshold(0.1)),
    "union": imputed(FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])),
    "identity": imputed(FunctionTransformer()),
    "passthrough": Pipeline([("i", SimpleImputer()), ("p", "passthrough")]),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_before_a_forest_gives_the_same_answers(name: str) -> None:
    final = RandomForestClassifier(6, max_depth=6, random_state=0)
    pipeline = Pipeline([("step", STEPS[name]), ("final", final)]).fit(A, Y)
    compiled = gradus_convert.compile(pipeline)
    np.testing.assert_allclose(compiled.predict_proba(A), pipeline.predict_proba(A), atol=1e-6)
    assert (compiled.predict(A) == pipeline.predict(A)).all()


ENCODERS: dict[str, Any] = {
    "one hot": OneHotEncoder(handle_unknown="ignore"),
    "one hot, dense, first dropped": OneHotEncoder(drop="first", sparse_output=False),
    "one hot, infrequent": OneHotEncoder(min_frequency=30, handle_unknown="infrequent_if_exist"),
    "one hot, if binary": OneHotEncoder(drop="if_binary"),
    "ordinal": OrdinalEncoder(),
    "ordinal, unknown": OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_of_texts_and_numbers_gives_the_same_answers(name: str) -> None:
    before = ColumnTransformer(
        [("code", ENCODERS[name], ["side", "venue", "k"]), ("rest", SimpleImputer(), ["vol"])]
    )
    full = DF.assign(venue=DF.venue.fillna("nowhere")) if name == "ordinal" else DF
    pipeline = Pipeline([("before", before), ("final", RandomForestClassifier(6, random_state=0))])
    pipeline.fit(full, Y)
    compiled = gradus_convert.compile(pipeline)
    other = full.copy()
    if "unknown" in name or name in ("one hot", "one hot, infrequent"):
        other.loc[:50, "side"] = "new"
        other.loc[20:80, "k"] = 17.0
    for rows in (full, other):
        np.testing.assert_allclose(compiled.predict_proba(rows), pipeline.predict_proba(rows), atol=1e-6)


def whole(final: Any) -> Pipeline:
    """Imputers, scaler, one-hot and ordinal codes before a model."""
    number = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    code = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    before = ColumnTransformer(
        [("number", number, NUMBERS), ("text", text, ["side", "venue"]), ("code", code, ["k"])]
    )
    return Pipeline([("before", before), ("final", final)])


FINALS = {
    "lightgbm": lambda: lightgbm.LGBMClassifier(**LIGHT),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=4),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4),
    "random forest": lambda: RandomForestClassifier(5, random_state=0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("encoding", ["compact", "treeops"])
@pytest.mark.parametrize("name", FINALS)
def test_a_whole_pipeline_is_compiled_with_its_gaps(name: str, encoding: Any, tmp_path: Path) -> None:
    pipeline = whole(FINALS[name]()).fit(DF, Y)
    compiled = gradus_convert.compile(pipeline, encoding=encoding)
    rows = frame(seed=5)
    rows.loc[:9, "side"] = "new"
    np.testing.assert_allclose(compiled.predict_proba(rows), pipeline.predict_proba(rows), atol=1e-6)
    assert (compiled.predict(rows[rows.columns[::-1]]) == pipeline.predict(rows)).all()
    assert (compiled.predict(rows.to_numpy(object)) == pipeline.predict(rows)).all()
    compiled.save(tmp_path / "p.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "p.onnx", providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    names = json.loads(facts["gradus.features"])
    texts = rows[json.loads(facts["gradus.texts"])].fillna("\x00missing").to_numpy(object)
    feed = {"features": rows[names].to_numpy(np.float64), "texts": texts}
    (said,) = session.run(["probabilities"], feed)
    np.testing.assert_allclose(said, pipeline.predict_proba(rows), atol=1e-6)
    one = session.run(["probabilities"], {k: v[:1] for k, v in feed.items()})[0]
    np.testing.assert_allclose(one, said[:1], atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_of_values_is_compiled() -> None:
    for final in (
        RandomForestRegressor(5, random_state=0),
        lightgbm.LGBMRegressor(objective="poisson", **LIGHT),
    ):
        pipeline = whole(final).fit(DF, T)
        compiled = gradus_convert.compile(pipeline)
        np.testing.assert_allclose(compiled.predict(DF), pipeline.predict(DF), rtol=1e-5)


def test_a_pipeline_in_a_skops_file_is_compiled(tmp_path: Path) -> None:
    pipeline = make_pipeline(
        SimpleImputer(), StandardScaler(), RandomForestClassifier(4, random_state=0)
    ).fit(A, Y)
    skops.io.dump(pipeline, tmp_path / "p.skops")
    compiled = gradus_convert.compile(tmp_path / "p.skops")
    np.testing.assert_allclose(compiled.predict_proba(A), pipeline.predict_proba(A), atol=1e-6)


def test_a_pipeline_without_trees_stays_what_it_was() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(FULL, Y)
    compiled = gradus_convert.compile(pipeline)
    assert compiled.encoding == "none"
    np.testing.assert_allclose(compiled.predict_proba(FULL), pipeline.predict_proba(FULL), atol=1e-6)


def test_the_same_pipeline_gives_the_same_bytes_and_passes_the_checker() -> None:
    one, two = (
        gradus_convert.compile(whole(FINALS["random forest"]()).fit(DF, Y), proof="off") for _ in "ab"
    )
    assert one.model_bytes == two.model_bytes
    onnx.checker.check_model(one.model, full_check=True)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (PCA(2), "a step of a pipeline must be one of .*, but got 'PCA'"),
        (FunctionTransformer(np.tanh), "a custom function has no exact form, but got 'tanh'"),
        (
            FeatureUnion([("a", StandardScaler())], transformer_weights={"a": 2.0}),
            "transformer_weights must be",
        ),
        (SimpleImputer(missing_values=-1.0), "missing_values must be NaN or None, but got -1.0"),
    ],
    ids=["PCA", "function", "weights", "marker"],
)
def test_a_step_without_an_exact_form_is_refused_by_name(step: Any, message: str) -> None:
    pipeline = make_pipeline(step, RandomForestClassifier(2)).fit(FULL, Y)
    with pytest.raises(InexactModelError, match=message):
        gradus_convert.compile(pipeline)


@pytest.mark.filterwarnings("ignore")
def test_rows_that_a_pipeline_does_not_take_are_refused() -> None:
    before = ColumnTransformer([("n", StandardScaler(), ["price"]), ("t", OneHotEncoder(), ["side"])])
    pipeline = Pipeline([("b", before), ("f", GradientBoostingClassifier(n_estimators=2))]).fit(DF, Y)
    compiled = gradus_convert.compile(pipeline)
    with pytest.raises(DataError, match=r"X\['price'\]: a column must be finite, but got nan"):
        compiled.predict(DF.assign(price=np.nan))
    with pytest.raises(DataError, match=r"X\['side'\]: a text must not be missing"):
        compiled.predict(DF.assign(side=None))
    with pytest.raises(DataError, match=r"X\['side'\]: a column must hold texts, but got 3"):
        compiled.predict(DF.assign(side=3))
    with pytest.raises(DataError, match="a dataframe must have the model's columns"):
        compiled.predict(DF.drop(columns="side"))
    with pytest.raises(DataError, match=r"rows must be \[N, 6\]"):
        compiled.predict(np.zeros((2, 5)))


@pytest.mark.filterwarnings("ignore")
def test_a_forest_behind_a_sparse_matrix_takes_no_gaps_as_in_scikit_learn() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 3))
    rows[:, 2] = np.random.default_rng(1).integers(0, 9, 300)
    before = ColumnTransformer(
        [("n", "passthrough", [0, 1]), ("c", OneHotEncoder(handle_unknown="ignore"), [2])]
    )
    y = (rows[:, 0] > 0).astype(int)
    pipeline = Pipeline([("b", before), ("f", RandomForestClassifier(3, random_state=0))]).fit(rows, y)
    assert before.fit(rows).sparse_output_
    compiled = gradus_convert.compile(pipeline)
    np.testing.assert_allclose(compiled.predict_proba(rows), pipeline.predict_proba(rows), atol=1e-6)
    rows[0, 0], rows[1, 2] = np.nan, 17
    with pytest.raises(ValueError, match="NaN"):
        pipeline.predict(rows)
    with pytest.raises(DataError, match="a column must be finite, but got nan"):
        compiled.predict(rows)


@pytest.mark.filterwarnings("ignore")
def test_rows_of_one_s_own_are_proven_beside_those_that_are_made() -> None:
    pipeline = whole(FINALS["random forest"]()).fit(DF, Y)
    made, both = gradus_convert.compile(pipeline), gradus_convert.compile(pipeline, rows=DF)
    assert made.proof is not None
    assert both.proof is not None
    assert both.proof.rows == made.proof.rows + len(DF)
    with pytest.raises(DataError, match="a dataframe must have the model's columns"):
        gradus_convert.compile(pipeline, rows=DF.drop(columns="side"))


# ---------------------------------------------------------------- the proof finds what it must


def test_a_scaler_that_is_rounded_to_float32_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_convert.preparation import sklearn_steps

    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(FULL, Y)
    right = sklearn_steps._computed

    def rounded(block: Any, *steps: Any) -> Any:
        return right(block, *((o, None if v is None else np.float32(v)) for o, v in steps))

    monkeypatch.setattr(sklearn_steps, "_computed", rounded)
    with pytest.raises(ParityError, match="the steps before the trees must give the bits that scikit-learn"):
        gradus_convert.compile(pipeline)


def test_ranks_that_take_a_threshold_for_its_neighbour_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_convert.preparation.ranks import Ranks

    model = lightgbm.LGBMClassifier(**LIGHT).fit(FULL, Y)
    right = Ranks.emit

    def late(self: Ranks, graph: Any, rows: str) -> str:
        import dataclasses

        moved = tuple(np.nextafter(t, -np.inf) for t in self.thresholds)
        return right(dataclasses.replace(self, thresholds=moved), graph, rows)

    monkeypatch.setattr(Ranks, "emit", late)
    with pytest.raises(ParityError, match="every tree must end at the leaf of its library"):
        gradus_convert.compile(model, inputs="float64")


@pytest.mark.filterwarnings("ignore")
def test_categories_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_convert.preparation import sklearn_steps

    pipeline = whole(FINALS["random forest"]()).fit(DF, Y)
    right = sklearn_steps._keys
    monkeypatch.setattr(sklearn_steps, "_keys", lambda c, place: right(c, place)[::-1])
    with pytest.raises(ParityError, match="the steps before the trees must give the bits"):
        gradus_convert.compile(pipeline)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inputs", ["float32", "float64"])
def test_gaps_infinities_and_categories_of_lightgbm_are_answered_as_it_does(inputs: Any) -> None:
    X = np.column_stack([A, DF.k.to_numpy()])
    settings = LIGHT | {"min_data_per_group": 1, "cat_smooth": 0.0, "max_cat_to_onehot": 1}
    for zero in (False, True):
        model = lightgbm.LGBMClassifier(zero_as_missing=zero, **settings).fit(X, Y, categorical_feature=[3])
        compiled = gradus_convert.compile(model, inputs=inputs)
        rows = X.astype(np.float32).astype(np.float64) if inputs == "float32" else X.copy()
        rows[:20, 0], rows[20:40, 1], rows[40:60, 2], rows[60:80, 3] = np.inf, -np.inf, np.nan, 77
        rows[80:100, 3], rows[100:120, 3], rows[120:140, 0] = np.nan, -1, 0.0
        rows[140:160, 3] = 2.9999999999 if inputs == "float64" else 2.5
        expected = model.predict_proba(rows)
        np.testing.assert_allclose(compiled.predict_proba(rows), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_that_ends_in_lightgbm_with_categories_is_compiled(tmp_path: Path) -> None:
    number = make_pipeline(SimpleImputer(), StandardScaler())
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    code = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    before = ColumnTransformer(
        [("code", code, ["venue", "k"]), ("n", number, NUMBERS), ("t", text, ["side"])]
    )
    settings = LIGHT | {"min_data_per_group": 1, "cat_smooth": 0.0, "max_cat_to_onehot": 1}
    final = lightgbm.LGBMClassifier(categorical_feature=[0, 1], **settings)
    pipeline = Pipeline([("before", before), ("final", final)]).fit(DF, Y)
    assert "num_cat=1" in final.booster_.model_to_string()
    compiled = gradus_convert.compile(pipeline)
    rows = frame(seed=9)
    rows.loc[:20, "venue"], rows.loc[10:30, "k"], rows.loc[30:50, "price"] = "elsewhere", 9.0, np.nan
    np.testing.assert_allclose(compiled.predict_proba(rows), pipeline.predict_proba(rows), atol=1e-6)
    compiled.save(tmp_path / "p.onnx")
    assert compiled.facts.texts == (3, 4)
