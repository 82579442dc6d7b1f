"""From one line of JSON to the run folder: features that are added, those from outside, and what is kept."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from gradus_runtime.cli.main import main
from gradus_runtime.contracts import feature_order, features_graph
from gradus_train.features import CompiledFeatures, compute_features
from gradus_train.ingest import load_candles, load_daily
from gradus_train.market import MarketFiles, simulate

CONFIG = Path(__file__).parents[2] / "config"
TRAINING = """
format = "gradus-training/2"
seed = 1
[data]
minimum_rows = 100
[split]
folds = 2
holdout = 0.2
[early_stopping]
rounds = 0
tail = 0.1
refit = false
[imbalance]
smote = false
[vote]
kind = "soft"
weights = "fixed"
[[members]]
name = "a"
kind = "lightgbm"
weight = 1.0
class_weight = 0.0
parameters = { n_estimators = 4 }
"""
GROUPS = [
    {
        "name": "price",
        "features": [
            {"name": "atr_return", "expression": "delta(close, 4) / wilder(width, 14, 544)"},
            {"name": "book", "definition": "imbalance of the order book"},
            {"name": "hour", "expression": "hour"},
        ],
    },
    {"name": "rates", "features": [{"name": "rate", "expression": "daily(usd_jpy)"}]},
]
ORDER = {
    "format": "gradus-feature-order/2",
    "terms": {"width": "high - low"},
    "daily": ["usd_jpy"],
    "groups": GROUPS,
    "levels": [{"name": "all", "groups": ["price", "rates"]}, {"name": "alone", "groups": ["price"]}],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> MarketFiles:
    files = simulate(tmp_path_factory.mktemp("market"), bars=2500)
    folder = files.candles.parent
    stamps = pl.read_csv(files.candles)["timestamp"]
    book = np.random.default_rng(1).normal(size=len(stamps))
    table = pl.DataFrame({"timestamp": stamps, "book": book})
    table.filter(pl.int_range(pl.len()) != 2000).write_csv(folder / "book.csv")
    (folder / "order.json").write_text(json.dumps(ORDER))
    (folder / "training.toml").write_text(TRAINING)
    return files


def arguments(files: MarketFiles) -> list[str]:
    folder = files.candles.parent
    sources = ["--candles", files.candles, "--daily", files.macro, "--features", folder / "book.csv"]
    settings = ["--config", folder / "training.toml", "--feature-order", folder / "order.json"]
    return [str(x) for x in (*sources, *settings)]


@pytest.fixture(scope="module")
def run(files: MarketFiles) -> Path:
    out = files.candles.parent / "run"
    assert main(["train", *arguments(files), "--out", str(out), "--no-gate", "--jobs", "1"]) == 0
    return out


def test_a_run_keeps_the_graph_that_computed_its_features(files: MarketFiles, run: Path) -> None:
    model = (run / "features.onnx").read_bytes()
    spec = features_graph.parse((run / "features.json").read_bytes(), place="features.json")
    assert spec.graph_sha256 == hashlib.sha256(model).hexdigest()
    assert spec.names == ("atr_return", "hour", "rate")
    assert spec.terms == {"width": "high - low"}
    assert [(s.name, s.bars, s.dates, s.outside) for s in spec.levels] == [
        ("all", 544, 1, ("book",)),
        ("alone", 544, 0, ("book",)),
    ]
    assert [i.name for i in onnx.load_from_string(model).graph.input] == [
        *("timestamp", "bar_number", "rows", "from_start", "daily_date", "high", "low", "close", "usd_jpy"),
    ]
    candles = load_candles(files.candles, bar_ms=spec.bar_ms).frame
    daily = load_daily(files.macro, spec.daily).frame
    table = compute_features(CompiledFeatures(model, spec), candles, daily)
    made = dict(zip(table.bars.timestamps.tolist(), table.values, strict=True))
    held = np.load(run / "holdout.npz")
    again = np.array([made[t] for t in held["timestamps"].tolist()])
    assert held["features"][:, [0, 2, 3]].tobytes() == again.tobytes()


def test_features_from_outside_stand_beside_those_of_expressions(files: MarketFiles, run: Path) -> None:
    held = np.load(run / "holdout.npz")
    stamps = pl.read_csv(files.candles)["timestamp"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.timestamp("ms")
    book = np.random.default_rng(1).normal(size=len(stamps)).astype(np.float32)
    book[2000] = np.nan
    known = dict(zip(stamps.to_list(), book, strict=True))
    got = held["features"][:, 1]
    assert got.tobytes() == np.array([known[t] for t in held["timestamps"].tolist()]).tobytes()


def test_the_order_of_a_run_has_its_expressions(run: Path) -> None:
    order = feature_order.load(run / "feature_order.json")
    assert order.expressions["atr_return"] == "delta(close, 4) / wilder(width, 14, 544)"
    assert order.outside == ("book",)


def test_a_run_on_a_table_has_no_graph_even_after_one_that_had(
    files: MarketFiles, run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run, tmp_path / "run"))  # that of the other tests stays as it is
    table = files.candles.parent / "table.parquet"
    assert main(["features", *arguments(files), "--out", str(table)]) == 0
    own = ["--features", str(table), *arguments(files)[-4:], "--out", str(run), "--no-gate", "--jobs", "1"]
    assert main(["train", *own]) == 0
    assert not (run / "features.onnx").exists()
    assert not (run / "features.json").exists()


def test_a_feature_from_outside_needs_its_table(
    files: MarketFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(files)
    assert main(["features", *given[:4], *given[-4:]]) == 2
    assert (
        "a feature must have an expression, or come from your own table, but got 'book'"
        in capsys.readouterr().err
    )


def test_explain_says_expression_unit_history_availability_and_an_example(
    files: MarketFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", *arguments(files), "--explain", "atr_return"]) == 0
    text = capsys.readouterr().out
    for line in (
        "atr_return (price)",
        "  atr_return = delta(close, 4) / wilder(width, 14, 544)",
        "    width = high - low",
        "Unit          number",
        "Inputs        close, high, low",
        "History       544 bars",
        "from bar 14 of a segment on; in a tail that does not show the start, from bar 544 on",
    ):
        assert line in text
    assert main(["features", *arguments(files), "--explain", "atr_return", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    last = pl.read_csv(files.candles)["timestamp"][-1]
    assert told["example_time"] == last
    assert f"Example       {told['example']!r}, bar of {last}" in text
    assert told["uses"] == {"width": "high - low"}


def test_explain_needs_no_data_and_knows_what_comes_from_outside(
    files: MarketFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = arguments(files)[-4:]
    assert main(["features", *settings, "--explain", "rate"]) == 0
    out = capsys.readouterr().out
    assert "History       1 bar, and 1 known date of the daily series" in out
    assert "Example" not in out
    assert main(["features", *settings, "--explain", "book"]) == 0
    assert "It comes from outside: a column of your table, a key of your mapping." in capsys.readouterr().out
    assert main(["features", *settings, "--explain", "boo"]) == 2
    assert "a feature must be in the feature order, but got 'boo'" in capsys.readouterr().err
    assert main(["features", *settings, "--explain", "book", "--latest"]) == 2


def test_the_former_name_of_daily_works_and_says_the_new_one(
    files: MarketFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--macro" if a == "--daily" else a for a in arguments(files)]
    assert main(["features", *given, "--json"]) == 0
    captured = capsys.readouterr()
    assert "--macro is now called --daily; the old name will be removed in the next release" in captured.err
    assert main(["features", *arguments(files), "--json"]) == 0
    assert capsys.readouterr().out == captured.out


def test_latest_says_the_time_of_its_bar_and_its_successor(
    files: MarketFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--candles", files.candles, "--config", CONFIG / "training.toml"]
    order = ["--feature-order", CONFIG / "feature_order.json"]
    assert main(["features", *map(str, [*given, *order]), "--latest"]) == 0
    captured = capsys.readouterr()
    last = pl.read_csv(files.candles)["timestamp"][-1]
    assert (
        f"Features of the bar that opens at {last}. --latest will be removed in the next release."
        in captured.err
    )
    assert "Predictor.decide_candles" in captured.err
    assert len(json.loads(captured.out)) == 70


def test_a_series_that_the_file_lacks_is_named(
    files: MarketFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {**ORDER, "daily": ["usd_jpy", "eur_jpy"], "groups": [GROUPS[1], GROUPS[0]]}
    order["groups"] = [{"name": "rates", "features": [{"name": "rate", "expression": "daily(eur_jpy)"}]}]
    order["levels"] = [{"name": "all", "groups": ["rates"]}]
    (tmp_path / "order.json").write_text(json.dumps(order))
    given = arguments(files)
    assert main(["features", *given[:4], *given[-4:-2], "--feature-order", str(tmp_path / "order.json")]) == 2
    assert "a column 'eur_jpy' must be present" in capsys.readouterr().err
