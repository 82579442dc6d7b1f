"""Random pipelines of imputers, scalers, encoders and trees: compiled, they answer as they do themselves."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

import gradus_convert

ROWS = 240
NUMBERS, TEXTS, CODES = ["price", "wave", "gaps"], ["side", "venue"], ["k", "m"]

MODELS = {
    "lightgbm": lambda: lightgbm.LGBMClassifier(
        n_estimators=4, num_leaves=9, min_child_samples=3, n_jobs=1, verbose=-1
    ),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=4, max_depth=4, n_jobs=1),
    "forest": lambda: RandomForestClassifier(4, random_state=1, max_depth=6),
    "extra trees": lambda: ExtraTreesClassifier(4, random_state=1, max_depth=6),
    "tree": lambda: DecisionTreeClassifier(random_state=1, max_depth=6),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=3),
}
SCALERS = {
    "standard": StandardScaler,
    "no mean": lambda: StandardScaler(with_mean=False),
    "minmax": lambda: MinMaxScaler((-2, 3), clip=True),
    "maxabs": MaxAbsScaler,
    "robust": lambda: RobustScaler(quantile_range=(10, 80)),
    "binary": lambda: Binarizer(threshold=0.3),
    "none": lambda: "passthrough",
}
IMPUTERS = ("mean", "median", "most_frequent", "constant")
ENCODERS = {
    "one hot": lambda: OneHotEncoder(handle_unknown="ignore"),
    "one hot, less the first": lambda: OneHotEncoder(drop="first", handle_unknown="ignore"),
    "one hot, rare ones together": lambda: OneHotEncoder(
        min_frequency=20, handle_unknown="infrequent_if_exist", sparse_output=False
    ),
    "codes": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
}


def frame(seed: int, count: int = ROWS) -> pandas.DataFrame:
    """Numbers that no float32 is, texts and codes; each column with gaps of its own."""
    rng = np.random.default_rng(seed)
    side = rng.choice(["buy", "sell", "none"], count).astype(object)
    venue = rng.choice(["a", "b", "c", "rare"], count, p=[0.4, 0.3, 0.25, 0.05]).astype(object)
    venue[rng.random(count) < 0.1] = np.nan
    gaps = rng.normal(size=count)
    gaps[rng.random(count) < 0.2] = np.nan
    return pandas.DataFrame(
        {
            "price": rng.lognormal(3, 1, count),
            "wave": np.sin(rng.integers(0, 24, count) / 3.7),
            "gaps": gaps,
            "side": side,
            "venue": venue,
            "k": rng.integers(0, 5, count) / 10,
            "m": rng.integers(-2, 3, count).astype(np.float64),
        }
    )


@st.composite
def pipelines(draw: Any) -> tuple[str, Pipeline]:
    """A pipeline that is not fitted, and the name of its model."""
    model = draw(st.sampled_from(sorted(MODELS)))
    parts: list[tuple[str, Any, list[str]]] = []
    for i, name in enumerate(draw(st.lists(st.sampled_from(NUMBERS), min_size=1, unique=True))):
        impute = SimpleImputer(strategy=draw(st.sampled_from(IMPUTERS)), add_indicator=draw(st.booleans()))
        scale = SCALERS[draw(st.sampled_from(sorted(SCALERS)))]()
        parts.append((f"number{i}", make_pipeline(impute, scale), [name]))
    for i, name in enumerate(draw(st.lists(st.sampled_from(TEXTS), unique=True))):
        encode = ENCODERS[draw(st.sampled_from(sorted(ENCODERS)))]()
        impute = SimpleImputer(strategy="most_frequent")
        parts.append((f"text{i}", make_pipeline(impute, encode), [name]))
    for i, name in enumerate(draw(st.lists(st.sampled_from(CODES), unique=True))):
        if draw(st.booleans()):
            parts.append((f"code{i}", ENCODERS[draw(st.sampled_from(sorted(ENCODERS)))](), [name]))
        else:
            parts.append((f"code{i}", "passthrough", [name]))
    dense = ColumnTransformer(draw(st.permutations(parts)), sparse_threshold=0)
    return model, Pipeline([("before", dense), ("model", MODELS[model]())])


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=14, deadline=None, suppress_health_check=list(HealthCheck))
@given(which=pipelines(), seed=st.integers(0, 2**16), classes=st.sampled_from([2, 3]))
def test_any_pipeline_answers_as_it_does_itself(which: Any, seed: int, classes: int) -> None:
    _, pipeline = which
    rows = frame(seed)
    rng = np.random.default_rng(seed)
    y = (np.digitize(rows.price, [15, 30]) + (rows.side == "buy") + rng.integers(0, 2, ROWS)) % classes
    pipeline.fit(rows, np.asarray(y, np.int64))
    compiled = gradus_convert.compile(pipeline)
    proof = compiled.proof
    assert proof is not None
    assert proof.wrong_leaves == 0
    assert proof.leaf_checks > 0
    fresh = pandas.concat([rows, frame(seed + 1)], ignore_index=True)
    fresh.loc[:9, "side"] = "new"
    fresh.loc[5:14, "k"] = 17.5
    said, own = compiled.predict_proba(fresh), pipeline.predict_proba(fresh)
    np.testing.assert_allclose(said, own, atol=1e-6)
    best = np.sort(own, axis=1)
    clear = best[:, -1] - best[:, -2] > 2e-6
    assert (compiled.predict(fresh) == pipeline.predict(fresh))[clear].all()
