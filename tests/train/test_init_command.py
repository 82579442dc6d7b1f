"""`gradus init`: own tables of every shape become a working configuration; what is missing is asked once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradus_runtime.cli.main import main
from gradus_runtime.contracts import feature_order
from gradus_train import config as configuration

ROOT = Path(__file__).resolve().parents[2]
ROWS = 2_600
START_MS = 1_735_689_600_000
BAR_MS = 900_000


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def columns(rows: int = ROWS) -> dict[str, object]:
    rng = np.random.default_rng(4)
    mood = rng.normal(size=rows)
    mood[rng.random(rows) < 0.1] = np.nan
    return {
        "RSI (14)": rng.normal(size=rows),
        "spread": rng.normal(size=rows),
        "mood": mood,
        "close": 100 * np.exp(np.cumsum(0.002 * rng.standard_normal(rows))),
    }


def stamps(rows: int = ROWS, zone: str | None = "UTC") -> pl.Series:
    return pl.Series("timestamp", START_MS + BAR_MS * np.arange(rows)).cast(pl.Datetime("ms", zone))


def write(path: str, table: dict[str, object]) -> None:
    frame = pl.DataFrame(table).with_columns(pl.selectors.float().fill_nan(None))
    frame.write_parquet(path) if path.endswith(".parquet") else frame.write_csv(path)


def init(*words: str) -> int:
    return main(["init", *words])


def dry_run(table: str, folder: str = "config") -> int:
    """Plan a run with what was written, as a newcomer goes on."""
    files = [
        ("--config", "training.toml"),
        ("--feature-order", "feature_order.json"),
        ("--gates", "gates.toml"),
    ]
    named = [word for option, name in files for word in (option, f"{folder}/{name}")]
    return main(["train", "--features", table, *named, "--dry-run"])


def test_a_table_with_closes_needs_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    write("table.parquet", {"timestamp": stamps(), **columns()})
    assert init("--from", "table.parquet") == 0
    said = capsys.readouterr().out
    assert "level1: 3 features\nlevel2: 2 features\n" in said
    assert "The bot passes these by other names: RSI (14) as RSI_14\n" in said
    assert "Left out: close (a price, for labels and money)" in said
    assert said.endswith(
        "Next:\n  gradus train --features table.parquet\n"
        "  gradus convert --run runs/current --store artifacts/NAME --pin\n"
    )
    assert main(["train", "--features", "table.parquet", "--dry-run"]) == 0
    assert "level2: 2 features" in capsys.readouterr().out
    order = feature_order.load(Path("config/feature_order.json"))
    assert order.level_features("level2") == ("RSI_14", "spread")


@pytest.mark.parametrize("values", [(-1, 0, 1), (0.0, 1.0, 2.0), ("short", "flat", "long"), (False, True)])
def test_labels_of_its_own_keep_their_names_and_counts(
    values: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    label = [values[i % len(values)] for i in range(ROWS)]
    write("table.parquet", {"timestamp": stamps(), **columns(), "label": label})
    assert init("--from", "table.parquet", "--reach", "3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    names = [str(v).lower().removesuffix(".0") for v in values]
    assert list(told["classes"]) == names
    assert sum(told["classes"].values()) == ROWS
    assert max(told["classes"].values()) - min(told["classes"].values()) <= 1
    rule = configuration.load(Path("config/training.toml")).labels
    assert (rule.kind, rule.reach) == ("column", 3)
    assert dry_run("table.parquet") == 0


def test_all_that_is_missing_is_asked_in_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    table = columns(900)
    del table["close"]
    table["future_return"] = table["spread"]
    table["count"] = ["n/a" if i == 7 else str(i % 5) for i in range(900)]
    write("table.csv", {"ts": stamps(900, None).dt.strftime("%Y-%m-%d %H:%M:%S"), **table})
    assert init("--from", "table.csv") == 2
    said = capsys.readouterr().err
    assert said.startswith("gradus init: table.csv: 5 answers are missing:\n")
    for option in (
        "--timezone UTC",
        "--drop future_return",
        "--drop count",
        "--label COLUMN",
        "--minimum-rows 450",
    ):
        assert f" {option}" in said
    assert "table.csv:9: column count holds 'n/a'" in said
    assert said.endswith("Add them to:  gradus init --from table.csv\n")
    assert not Path("config").exists()
    answers = ["--timezone", "UTC", "--drop", "future_return", "--drop", "count", "--label", "kind"]
    write("table.csv", {**pl.read_csv("table.csv").to_dict(), "kind": ["up", "down"] * 450})
    assert init("--from", "table.csv", *answers, "--reach", "1", "--minimum-rows", "450") == 0
    assert dry_run("table.csv") == 0


def test_a_question_that_is_left_repeats_the_answers_that_were_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("table.parquet", {"timestamp": stamps(zone=None), **columns(), "label": ["a", "b"] * (ROWS // 2)})
    assert init("--from", "table.parquet", "--timezone", "UTC", "--drop", "RSI (14)") == 2
    said = capsys.readouterr().err
    assert said.endswith("Add it to:  gradus init --from table.parquet --timezone UTC --drop 'RSI (14)'\n")


@pytest.mark.parametrize("name", ["", "__index_level_0__", "Date", "open time"])
def test_the_time_is_found_by_its_usual_names_and_as_the_index_of_pandas(name: str) -> None:
    text = stamps().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    write("table.csv", {name: text, **columns()})
    assert init("--from", "table.csv") == 0
    assert configuration.load(Path("config/training.toml")).data.columns["timestamp"] == name
    assert dry_run("table.csv") == 0


def test_what_is_no_feature_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    more = {
        "symbol": ["BTC"] * ROWS,
        "venue_id": [3] * ROWS,
        "id": np.arange(ROWS),
        "nothing": pl.Series([None] * ROWS, dtype=pl.Float64),
        "rare": np.where(np.arange(ROWS) % 3 == 0, 1.0, np.nan),
        "simulated": [True] * ROWS,
    }
    write("table.parquet", {"timestamp": stamps(), **columns(), **more})
    assert init("--from", "table.parquet", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["features"] == ["RSI_14", "spread", "mood"]
    assert told["left_out"] == {
        "close": "a price, for labels and money",
        "symbol": "text",
        "venue_id": "constant",
        "id": "row numbers",
        "nothing": "empty",
        "rare": "missing in 67 % of the rows",
    }


def test_names_that_cannot_be_features_get_others_that_differ() -> None:
    values = np.random.default_rng(1).normal(size=(4, ROWS))
    odd = dict(zip(("a b", "a-b?", "日経", "1h%"), values, strict=True))
    write("table.parquet", {"timestamp": stamps(), **columns(), **odd, "a_b": values[0] * 2})
    assert init("--from", "table.parquet") == 0
    renamed = configuration.load(Path("config/training.toml")).data.columns
    assert renamed == {
        "RSI_14": "RSI (14)",
        "a_b": "a b",
        "a-b": "a-b?",
        "feature_6": "日経",
        "f_1hpct": "1h%",
        "a_b_2": "a_b",
    }
    assert dry_run("table.parquet") == 0


def test_rows_of_several_markets_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    twice = pl.concat([stamps(), stamps()]).sort()
    table = {name: np.repeat(np.asarray(values), 2) for name, values in columns().items()}
    write("table.parquet", {"timestamp": twice, **table})
    assert init("--from", "table.parquet") == 2
    assert "A table holds one market: write each to a file of its own" in capsys.readouterr().err


def test_a_file_that_is_there_stays_without_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config").mkdir()
    Path("config/gates.toml").write_text("mine")
    assert init() == 2
    assert "must not be overwritten, but got 'gates.toml'" in capsys.readouterr().err
    assert [p.name for p in Path("config").iterdir()] == ["gates.toml"]
    assert init("--force") == 0
    assert Path("config/gates.toml").read_bytes() == (ROOT / "config/gates.toml").read_bytes()


def test_without_a_table_the_default_configuration_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert init() == 0
    for name in ("training.toml", "feature_order.json", "gates.toml", "costs.toml", "artifact.toml"):
        assert (Path("config") / name).read_bytes() == (ROOT / "config" / name).read_bytes()
    assert init("--reach", "3", "--out", "other") == 2
    assert "--reach: this option needs --from" in capsys.readouterr().err


def test_a_column_that_was_named_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    write("table.parquet", {"timestamp": stamps(), **columns()})
    assert init("--from", "table.parquet", "--label", "y") == 2
    said = capsys.readouterr().err
    assert "--label: a column must be in the table, but got 'y'. Columns: timestamp, RSI (14)" in said
