"""A bot with five features of its own, two levels and two classes: from its table to its decisions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradus_runtime import Predictor
from gradus_runtime.cli.main import main

ROWS = 700
START_MS = 1_700_006_400_000
GROUPS = {"book": ("imbalance", "spread", "depth"), "news": ("mood", "mentions")}
LEVELS = {"full": ("book", "news"), "quiet": ("book",)}
TRAINING = """
format = "gradus-training/1"
seed = 1
data = { minimum_rows = 100 }
labels = { horizon = 1, threshold = 0.0, classes = ["DOWN", "UP"] }
split = { folds = 2, gap = 1, holdout = 0.2 }
early_stopping = { rounds = 0, tail = 0.1, refit = false }
imbalance = { smote = false }
vote = { kind = "soft", weights = "fixed" }
members = [
    { name = "a", kind = "lightgbm", weight = 1.0, class_weight = 0.0, parameters = { n_estimators = 4 } },
    { name = "b", kind = "xgboost", weight = 1.0, class_weight = 0.0, parameters = { n_estimators = 4 } },
]
"""
ARTIFACT = """
format = "gradus-artifact/1"
name = "own"
aliases = {}
runtime = { minimum = "1.20.0", known_bad = [] }
[decision]
confidence_threshold = 0.5
fallback_action = "DOWN"
fallback_confidence = 0.5
fallback_probabilities = [0.5, 0.5]
"""


def make_table(path: Path) -> None:
    """UP follows imbalance and mood; mood is missing for a while."""
    rng = np.random.default_rng(1)
    names = [n for group in GROUPS.values() for n in group]
    columns = {n: rng.normal(size=ROWS) for n in reversed(names)}
    up = columns["imbalance"] + columns["mood"] > 0
    columns["mood"][:50] = np.nan
    stamps = pl.Series(START_MS + 900_000 * np.arange(ROWS)).cast(pl.Datetime("ms", "UTC"))
    label = pl.Series(np.where(up, "UP", "DOWN"))
    pl.DataFrame({"timestamp": stamps, **columns, "label": label}).write_parquet(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    make_table(folder / "table.parquet")
    order = {
        "format": "gradus-feature-order/1",
        "groups": [
            {"name": g, "features": [{"name": n, "definition": "own"} for n in names]}
            for g, names in GROUPS.items()
        ],
        "levels": [{"name": s, "groups": groups} for s, groups in LEVELS.items()],
    }
    (folder / "order.json").write_text(json.dumps(order))
    (folder / "training.toml").write_text(TRAINING)
    (folder / "artifact.toml").write_text(ARTIFACT)
    train = ["--features", "table.parquet", "--feature-order", "order.json", "--config", "training.toml"]
    convert = ["--run", "run", "--store", "store", "--config", "artifact.toml", "--pin", "--no-third-opinion"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", *train, "--out", "run", "--no-gate", "--jobs", "1"]) == 0
        assert main(["convert", *convert, "--no-gate"]) == 0
    return folder / "store"


def test_a_full_row_is_served_by_the_first_of_its_own_levels(store: Path) -> None:
    row = {"imbalance": 2.0, "spread": 0.0, "depth": 0.0, "mood": 2.0, "mentions": 0.0}
    decision = Predictor.open(store).decide(row)
    assert (decision.action, decision.level) == ("UP", "full")


def test_a_row_without_news_is_served_by_the_level_without_news(store: Path) -> None:
    decision = Predictor.open(store).decide({"imbalance": -2.0, "spread": 0.0, "depth": 0.0, "mood": None})
    assert (decision.action, decision.level) == ("DOWN", "quiet")
    assert decision.reasons[0].startswith("full: missing mood, mentions")


def test_a_row_without_anything_gets_the_configured_fallback(store: Path) -> None:
    decision = Predictor.open(store).decide({})
    assert (decision.action, decision.confidence, decision.level) == ("DOWN", 0.5, "fallback")
