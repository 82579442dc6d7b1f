"""A group that rows may lack: learnt from such rows, compiled exactly, no step down, named in reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import xgboost

from gradus_runtime import Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.contracts.feature_order import parse as parse_order
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import ConfigError, ManifestError
from gradus_runtime.journal import read_journal
from gradus_runtime.serving.replay import replay
from gradus_runtime.store import open_artifact

ROWS = 900
START_MS = 1_700_006_400_000
GROUPS = {"book": ("imbalance", "spread"), "news": ("mood", "mentions"), "chain": ("fees",)}
LEVELS = {"full": ["book", "news", "chain"], "quiet": ["book", "news"]}
TRAINING = """
format = "gradus-training/1"
seed = 1
data = { minimum_rows = 100 }
labels = { horizon = 1, threshold = 0.0, classes = ["DOWN", "UP"] }
split = { folds = 2, gap = 1, holdout = 0.2 }
early_stopping = { rounds = 0, tail = 0.1, refit = false }
imbalance = { smote = %s }
vote = { kind = "soft", weights = "fixed" }
members = [
    { name = "a", kind = "lightgbm", weight = 1.0, class_weight = 0.0, parameters = { n_estimators = 6 } },
    { name = "b", kind = "%s", weight = 3.0, class_weight = 0.0, parameters = { %s } },
]
"""
ARTIFACT = """
format = "gradus-artifact/1"
name = "lack"
aliases = {}
order = "declared"
runtime = { minimum = "1.20.0", known_bad = [] }
[decision]
confidence_threshold = 0.5
fallback_action = "DOWN"
fallback_confidence = 0.5
fallback_probabilities = [0.5, 0.5]
"""


def order_of(missing: dict[str, str]) -> dict[str, Any]:
    return {
        "format": "gradus-feature-order/2",
        "groups": [
            {
                "name": group,
                **({"missing": missing[group]} if group in missing else {}),
                "features": [{"name": n, "definition": "own"} for n in names],
            }
            for group, names in GROUPS.items()
        ],
        "levels": [{"name": s, "groups": groups} for s, groups in LEVELS.items()],
    }


def table() -> dict[str, np.ndarray]:
    """UP follows imbalance, and mood where there is one: half of the rows have no news."""
    rng = np.random.default_rng(1)
    columns = {n: rng.normal(size=ROWS) for group in GROUPS.values() for n in group}
    quiet = rng.random(ROWS) < 0.5
    up = columns["imbalance"] + np.where(quiet, 0.0, 2 * columns["mood"]) > 0
    for name in GROUPS["news"]:
        columns[name][quiet] = np.nan
    return columns | {"label": np.where(up, "UP", "DOWN")}


def train(
    folder: Path,
    missing: dict[str, str],
    *,
    kind: str = "xgboost",
    parameters: str = "n_estimators = 6",
    smote: str = "false",
) -> int:
    columns = table()
    stamps = pl.Series(START_MS + 900_000 * np.arange(ROWS)).cast(pl.Datetime("ms", "UTC"))
    pl.DataFrame({"timestamp": stamps, **columns}).write_parquet(folder / "table.parquet")
    (folder / "order.json").write_text(json.dumps(order_of(missing)))
    (folder / "training.toml").write_text(TRAINING % (smote, kind, parameters))
    return main(
        [
            *("train", "--features", f"{folder}/table.parquet", "--feature-order", f"{folder}/order.json"),
            *("--config", f"{folder}/training.toml", "--out", f"{folder}/run", "--no-gate", "--jobs", "1"),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and converted artifact whose news may be missing."""
    folder = tmp_path_factory.mktemp("learned")
    assert train(folder, {"news": "learned"}) == 0
    (folder / "artifact.toml").write_text(ARTIFACT.replace('order = "declared"\n', ""))
    convert = ["--run", f"{folder}/run", "--store", f"{folder}/store", "--config", f"{folder}/artifact.toml"]
    assert main(["convert", *convert, "--pin", "--no-third-opinion", "--no-gate"]) == 0
    return folder


def row(**values: float) -> dict[str, float]:
    return {"imbalance": 0.3, "spread": 0.1, "mood": -1.5, "mentions": 0.2, "fees": 0.0} | values


def said_by_libraries(folder: Path, values: list[float]) -> float:
    """The probability of UP by the members' own predict, weighed 1 to 3."""
    X = np.array([values], np.float32)
    a = lightgbm.Booster(model_file=folder / "run/levels/full/a.txt").predict(X)
    b = xgboost.Booster(model_file=folder / "run/levels/full/b.ubj").inplace_predict(X)
    return float((np.asarray(a) + 3 * np.asarray(b))[0] / 4)


def test_a_row_without_the_group_is_served_by_the_first_level_that_has_the_rest(folder):
    bot = Predictor.open(folder / "store", kernels="off")
    complete = bot.decide(row())
    assert complete.level == "full"
    assert "without" not in " ".join(complete.reasons)
    for lacking in (
        {k: v for k, v in row().items() if k not in GROUPS["news"]},
        row(mood=float("nan"), mentions=float("inf")),
        row(mood=None, mentions="text"),
    ):
        decision = bot.decide(lacking)
        assert decision.level == "full"
        assert any(r == "full: trained to serve without mood, mentions" for r in decision.reasons)
        expected = said_by_libraries(folder, [0.3, 0.1, np.nan, np.nan, 0.0])
        assert decision.probabilities["UP"] == pytest.approx(expected, abs=1e-6)
    assert complete.probabilities != decision.probabilities


def test_part_of_a_group_may_be_missing(folder):
    bot = Predictor.open(folder / "store", kernels="off")
    decision = bot.decide(row(mood=float("nan")))
    assert decision.level == "full"
    assert any(r == "full: trained to serve without mood" for r in decision.reasons)
    expected = said_by_libraries(folder, [0.3, 0.1, np.nan, 0.2, 0.0])
    assert decision.probabilities["UP"] == pytest.approx(expected, abs=1e-6)


def test_a_group_that_is_declared_unavailable_is_not_read(folder):
    bot = Predictor.open(folder / "store", kernels="off")
    without = bot.decide({k: v for k, v in row().items() if k not in GROUPS["news"]})
    declared = bot.decide(row(), unavailable=["news"])
    assert (declared.level, declared.probabilities) == ("full", without.probabilities)


def test_other_groups_still_make_a_row_step_down(folder):
    bot = Predictor.open(folder / "store", kernels="off")
    decision = bot.decide(row(fees=float("nan"), mood=float("nan")))
    assert decision.level == "quiet"
    assert any("full: missing fees" in r for r in decision.reasons)
    assert any(r == "quiet: trained to serve without mood" for r in decision.reasons)
    nothing = bot.decide({"mood": 1.0, "mentions": 1.0, "fees": 1.0})
    assert nothing.level == "fallback"


def test_many_rows_are_served_as_single_ones(folder):
    bot = Predictor.open(folder / "store", kernels="off")
    columns = table()
    names = [n for group in GROUPS.values() for n in group]
    frame = pl.DataFrame({n: columns[n][:200] for n in names})
    many = bot.predict(frame)
    for i in range(0, 200, 7):
        one = bot.decide({n: float(columns[n][i]) for n in names})
        assert (many.levels[i], tuple(many.reasons[i])) == (one.level, one.reasons)
        assert many.probabilities[i].tolist() == list(one.probabilities.values())
    assert set(many.levels) == {"full"}


def test_a_value_in_another_unit_is_a_missing_one_alone_in_a_table_and_in_a_replay(folder, tmp_path):
    far, lacking = row(mood=-1e6), {k: v for k, v in row().items() if k != "mood"}
    with Predictor.open(folder / "store", kernels="off", journal=tmp_path) as bot:
        one, want = bot.decide(far), bot.decide(lacking)
        many = bot.predict([far, lacking], journal=True)
    with Predictor.open(folder / "store", kernels="off", journal=tmp_path, guard="off") as off:
        other = off.decide(far)
    assert (one.level, one.probabilities) == ("full", want.probabilities)
    assert one.reasons[:-1] == want.reasons
    assert one.reasons[-1].startswith("guard: treated as missing, as far from its range in training: mood (")
    assert many.reasons[0] == one.reasons
    assert np.array_equal(many.probabilities[0], many.probabilities[1])
    assert other.probabilities != one.probabilities
    report = replay(read_journal([tmp_path]).decisions, lambda version: open_artifact(folder / "store"))
    assert (report.replayed, report.different) == (5, 0)


def test_the_order_of_service_is_measured_on_rows_that_lack_the_group_too(folder):
    metadata = json.loads((folder / "run" / "training_metadata.json").read_text())
    found = metadata["run"]["found"]["order_of_service"]["proofs"]
    columns = table()
    complete = int(np.isfinite(np.stack([columns[n] for n in GROUPS["news"]])).all(axis=0).sum())
    assert complete < 0.6 * ROWS
    for proof in found:
        rows = int(proof["sentence"].split(" on ")[1].split()[0].replace(",", ""))
        assert rows == 478, "two folds of all development rows, whether they have news or not"


def test_golden_rows_lack_the_group_too(folder):
    version = next((folder / "store" / "versions").iterdir())
    golden = np.load(version / "golden.npz")
    lacking = np.isnan(golden["features"][:, 2:4]).all(axis=1)
    assert lacking.sum() >= 8
    assert np.isfinite(golden["full"][lacking & np.isfinite(golden["features"][:, 4])]).all()


def test_the_manifest_says_it_and_holds_it_to_its_rules(folder):
    version = next((folder / "store" / "versions").iterdir())
    data = json.loads((version / "manifest.json").read_text())
    assert data["missing"] == {"news": "learned"}
    for wrong, message in [
        ({"weather": "learned"}, "a group must be one of the features"),
        ({"news": "guessed"}, "how a group may be missing must be 'learned'"),
        ({}, "there must be a group that rows may lack"),
        ({"news": "learned", "book": "learned"}, "a level must have a group that rows may not lack"),
    ]:
        changed = json.dumps(data | {"missing": wrong}, sort_keys=True).encode()
        with pytest.raises(ManifestError, match=message):
            parse(changed, place="manifest.json")


def test_a_kind_that_takes_no_missing_values_is_refused_before_training(tmp_path, capsys):
    assert train(tmp_path, {"news": "learned"}, kind="logistic_regression", parameters="C = 1.0") == 2
    error = capsys.readouterr().err
    assert "members must take missing values, as the group news may be missing" in error
    assert "logistic_regression" in error


def test_synthetic_rows_and_missing_values_do_not_go_together(tmp_path, capsys):
    assert train(tmp_path, {"news": "learned"}, smote="true") == 2
    assert "synthetic rows cannot be made of rows with missing values" in capsys.readouterr().err


def test_a_feature_order_says_it_by_one_word():
    assert parse_order(order_of({"news": "learned"}), place="o").learned == ("news",)
    assert parse_order(order_of({}), place="o").learned == ()
    again = parse_order(order_of({"news": "learned"}), place="o").to_json()
    assert again == order_of({"news": "learned"})
    with pytest.raises(ConfigError, match="missing must be 'learned', or left out, but got 'never'"):
        parse_order(order_of({"news": "never"}), place="o")
    with pytest.raises(ConfigError, match="a level must have a group that rows may not lack"):
        parse_order(order_of({"news": "learned", "book": "learned"}), place="o")
