"""Imputer, one-hot, scaler and LightGBM with categories: compiled in three lines, served without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import gradus_convert

pytestmark = pytest.mark.filterwarnings("ignore")

SERVER = """
import json, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
facts = session.get_modelmeta().custom_metadata_map
numbers, texts = (json.loads(facts[key]) for key in ("gradus.features", "gradus.texts"))

def answer(rows):
    feed = {
        "features": np.array([[row[n] if row[n] is not None else np.nan for n in numbers] for row in rows]),
        "texts": np.array([[row[t] or "\\0missing" for t in texts] for row in rows], object),
    }
    label, said = session.run(["label", "probabilities"], feed)
    return [[str(name), *map(float, p)] for name, p in zip(label, said)]

rows = json.load(sys.stdin)
print(json.dumps({"table": answer(rows), "one by one": [answer([row])[0] for row in rows[:40]]}))
heavy = {"sklearn", "lightgbm", "pandas", "gradus_convert", "gradus_runtime"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def frame(seed: int, count: int = 500) -> pandas.DataFrame:
    """Numbers that no float32 is, with gaps; texts with gaps; small codes."""
    rng = np.random.default_rng(seed)
    venue = rng.choice(["tokyo", "london", "new york"], count).astype(object)
    venue[rng.random(count) < 0.1] = np.nan
    spread = rng.normal(size=count) / 3
    spread[rng.random(count) < 0.2] = np.nan
    return pandas.DataFrame(
        {
            "price": rng.lognormal(3, 1, count),
            "spread": spread,
            "venue": venue,
            "side": rng.choice(["bid", "ask"], count).astype(object),
            "lot": rng.integers(0, 6, count).astype(np.float64),
        }
    )


def pipeline() -> Pipeline:
    """One-hot sides, codes for venues and lots that LightGBM takes as categories, scaled numbers."""
    codes = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    venue = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder(**codes))
    before = ColumnTransformer(
        [
            ("venue", venue, ["venue"]),
            ("lot", OrdinalEncoder(**codes), ["lot"]),
            ("side", OneHotEncoder(handle_unknown="ignore"), ["side"]),
            (
                "number",
                make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
                ["price", "spread"],
            ),
        ],
        sparse_threshold=0,
    )
    settings = {"min_data_per_group": 1, "cat_smooth": 0.0, "max_cat_to_onehot": 1, "min_child_samples": 5}
    final = lightgbm.LGBMClassifier(
        n_estimators=12, num_leaves=15, n_jobs=1, verbose=-1, categorical_feature=[0, 1], **settings
    )
    return Pipeline([("before", before), ("model", final)])


def as_json(rows: pandas.DataFrame) -> str:
    """The rows as a program of another kind would send them."""
    plain: list[dict[str, Any]] = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return json.dumps(plain)


def test_a_pipeline_is_compiled_in_three_lines_and_served_without_what_trained_it(tmp_path: Path) -> None:
    rows = frame(0)
    score = (rows.venue == "tokyo") * 1.0 + (rows.lot % 2) + (rows.side == "bid") + (rows.price > 25)
    names = np.array(["SELL", "HOLD", "BUY"])[np.asarray(score, int) % 3]
    model = pipeline().fit(rows, names)
    assert model[-1].booster_.model_to_string().count("num_cat=0") < 36, "categories are split"

    compiled = gradus_convert.compile(model)
    compiled.save(tmp_path / "small.onnx")
    assert compiled.proof is not None
    assert compiled.proof.wrong_leaves == 0
    assert compiled.proof.leaf_checks > 10_000

    asked = frame(1)
    asked.loc[:15, "side"], asked.loc[10:25, "venue"], asked.loc[20:35, "lot"] = "new", "mars", 17.0
    own, label = model.predict_proba(asked), model.predict(asked)
    np.testing.assert_allclose(compiled.predict_proba(asked), own, atol=1e-6)
    command = [sys.executable, "-c", SERVER, str(tmp_path / "small.onnx")]
    done = subprocess.run(command, input=as_json(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    served = json.loads(done.stdout)
    np.testing.assert_allclose([row[1:] for row in served["table"]], own, atol=1e-6)
    assert [row[0] for row in served["table"]] == label.tolist()
    for alone, row in zip(served["one by one"], served["table"], strict=False):
        assert alone[0] == row[0]
        np.testing.assert_allclose(alone[1:], row[1:], atol=1e-6)
