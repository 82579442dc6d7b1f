"""`gradus convert`: from a run folder to a published, proved version."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from tests.support import runs
from tests.support.golden import npz_bytes, variant

from gradus_convert import conversion
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts import codec, run_folder
from gradus_runtime.contracts.graph import expected_metadata
from gradus_runtime.contracts.manifest import EXACT
from gradus_runtime.store import Store, open_artifact


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("run") / "run")


def convert(run: Path, store: Path, *more: str) -> int:
    config = ["--config", str(run / "artifact.toml")]
    return main(["convert", "--run", str(run), "--store", str(store), *config, *more])


@pytest.fixture(scope="module")
def store(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store") / "tiny"
    assert convert(run, store, "--version", "2026.11.21", "--pin") == 0
    return store


def test_a_run_becomes_a_pinned_version_whose_files_are_verified(store):
    with open_artifact(store) as artifact:
        m = artifact.manifest
        assert (m.name, m.version, m.classes) == ("tiny", "2026.11.21", runs.CLASSES)
        assert [s.name for s in m.levels] == ["level1", "level2"]
        for level in m.levels:
            assert [x.weight for x in level.members] == pytest.approx([0.4, 0.4, 0.2])
            assert [x.trees for x in level.members] == [15, 15, 5]
            assert (level.parity.wrong_leaves, level.parity.label_changes) == (0, 0)
            assert level.parity.rows >= 10_000
            assert level.parity.leaf_checks > 20 * 10_000
            assert level.parity.max_difference < 1e-6
            assert level.bits == EXACT
            assert level.parity.max_error is not None
            assert 0 < level.parity.max_error <= 1e-7
            assert level.metrics == {"f1": 0.5}
        assert sum(m.levels[0].class_counts) == 260
        assert sum(m.levels[1].class_counts) == 300
        assert m.aliases == {"production_ensemble_full": "level1", "production_ensemble.pkl": "level2"}
        assert m.decision.max_age_days == 30
        assert m.features[0].histogram is not None
        artifact.verify()


def test_golden_rows_have_the_answers_of_the_libraries(store):
    with open_artifact(store) as artifact, np.load(io.BytesIO(artifact.read("golden.npz"))) as golden:
        features = golden["features"]
        assert features.shape == (32, 5)
        assert np.isnan(features[24:, 3:]).all()
        assert np.isfinite(features[24:, :3]).all()
        expected = np.zeros((32, 3))
        for name, (_, model, classes) in runs.members(2).items():
            weight = {"lightgbm": 0.4, "xgboost": 0.4}.get(name, 0.2)
            expected[:, list(classes)] += weight * model.predict_proba(features[:, :3])
        assert golden["level2"] == pytest.approx(expected, abs=1e-6)
        assert np.isnan(golden["level1"][24:]).all()


def copy(store: Path, target: Path, change: Callable[[np.ndarray], None]) -> Path:
    """Copy the pinned version with other golden answers of its second level, digests and all."""
    with open_artifact(store) as artifact:
        golden = dict(np.load(io.BytesIO(artifact.read("golden.npz"))))
    change(golden["level2"])
    version = store / "versions" / "2026.11.21"
    return variant(version, target, files={"golden.npz": npz_bytes(golden)})


def test_golden_rows_are_held_to_the_bit(store, tmp_path):
    def one_float_up(answers: np.ndarray) -> None:
        answers[3, 1] = np.nextafter(answers[3, 1], np.float32(2))

    def nothing(answers: np.ndarray) -> None:
        pass

    with Predictor.open(copy(store, tmp_path / "same", nothing), preload=True) as bot:
        assert {level.state for level in bot.health().levels} == {"ready"}
    with Predictor.open(copy(store, tmp_path / "off", one_float_up), preload=True) as bot:
        level = bot.health().levels[1]
        assert level.state == "out of service"
        assert "golden rows must be reproduced bit for bit" in (level.problem or "")


@pytest.mark.parametrize("encoding", ["treeops", "auto"])
def test_levels_are_exact_unless_asked_for_another_encoding(run, tmp_path, capsys, encoding):
    options = ["--json", "--level", "level2", "--dry-run", "--encoding", encoding]
    assert convert(run, tmp_path / "store", *options) == 0
    (level,) = json.loads(capsys.readouterr().out)["levels"].values()
    asked = {"auto": ("compact", "exact"), "treeops": ("treeops", "2e-6")}
    assert (level["encoding"], level["bits"]) == asked[encoding]
    assert 0 < level["max_error"] < 1e-6


def test_the_same_run_and_version_give_the_same_bytes(run, store, tmp_path):
    assert convert(run, tmp_path / "again", "--version", "2026.11.21") == 0
    with open_artifact(store) as first, open_artifact(tmp_path / "again", "2026.11.21") as second:
        assert first.digest == second.digest


def test_graphs_say_what_they_belong_to(store):
    import onnx

    with open_artifact(store) as artifact:
        for level in artifact.manifest.levels:
            model = onnx.load_from_string(artifact.read(level.file))
            found = {p.key: p.value for p in model.metadata_props}
            assert expected_metadata(artifact.manifest, level).items() <= found.items()


def test_the_card_tells_the_figures(store):
    with open_artifact(store) as artifact:
        card = artifact.read("card.md").decode()
    assert card.startswith("# tiny 2026.11.21\n")
    assert "The data is simulated" in card
    assert "| wrong leaves | 0 |" in card
    assert "| lightgbm | lightgbm | 0.4 | 15 |" in card
    assert "It expires 30 days after." in card
    assert "| random_forest | skl2onnx " in card


def test_the_card_can_do_without_the_stock_converters(run, tmp_path):
    assert (
        convert(run, tmp_path / "store", "--no-third-opinion", "--level", "level2", "--version", "2026.1.1")
        == 0
    )
    with open_artifact(tmp_path / "store", "2026.1.1") as artifact:
        assert "stock converters" not in artifact.read("card.md").decode()


def test_a_dry_run_proves_and_publishes_nothing(run, tmp_path, capsys):
    assert convert(run, tmp_path / "store", "--dry-run", "--level", "level2") == 0
    assert not (tmp_path / "store").exists()
    captured = capsys.readouterr()
    assert "nothing was published (--dry-run)" in captured.out
    assert "level2: compiling and proving 3 members" in captured.err
    assert "level1" not in captured.out


def test_json_says_what_was_proved(run, tmp_path, capsys):
    options = ["--json", "--level", "level2", "--version", "2026.11.21", "--pin"]
    assert convert(run, tmp_path / "store", *options) == 0
    captured = capsys.readouterr()
    value = json.loads(captured.out)
    assert "warning: 2026.11.21 was trained on a simulated market" in captured.err
    assert value["levels"]["level2"]["wrong_leaves"] == 0
    assert value["pinned"] is True
    with open_artifact(tmp_path / "store") as artifact:
        assert artifact.digest == value["digest"]
        assert artifact.manifest.aliases == {"production_ensemble.pkl": "level2"}


def test_the_version_of_a_day_that_is_taken_becomes_a_post_release(tmp_path):
    new_year = date(2027, 1, 1)
    assert conversion.next_version(tmp_path / "none", new_year) == "2027.1.1"
    for name in ("2027.1.1", "2027.1.1.post1"):
        (tmp_path / "store" / "versions" / name).mkdir(parents=True)
    assert conversion.next_version(tmp_path / "store", new_year) == "2027.1.1.post2"
    assert conversion.next_version(tmp_path / "store", date(2027, 1, 2)) == "2027.1.2"


def test_without_a_version_the_day_of_the_clock_in_utc_names_it(run, tmp_path, monkeypatch, capsys):
    class NewYearInTokyo(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=9))).astimezone(tz)

    monkeypatch.setattr(conversion, "datetime", NewYearInTokyo)
    options = ["--json", "--level", "level2", "--no-third-opinion"]
    assert convert(run, tmp_path / "store", *options) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "2026.12.31"


def test_a_run_whose_gate_failed_is_refused_unless_asked(tmp_path, capsys):
    run = runs.write(tmp_path / "run", gate=False, models={"level2": runs.members(2)})
    assert convert(run, tmp_path / "store") == 1
    error = capsys.readouterr().err
    assert "the gate of a run must have passed" in error
    assert "--no-gate" in error
    assert convert(run, tmp_path / "store", "--no-gate", "--dry-run") == 0


def test_a_changed_model_file_is_refused(tmp_path, capsys):
    run = runs.write(tmp_path / "run", models={"level2": runs.members(2)})
    path = run / "levels" / "level2" / "lightgbm.txt"
    path.write_text(path.read_text() + "\n")
    assert convert(run, tmp_path / "store") == 1
    assert "lightgbm.txt: a file must have the SHA-256" in capsys.readouterr().err


def test_an_unknown_level_is_wrong_use(run, tmp_path, capsys):
    assert convert(run, tmp_path / "store", "--level", "level9") == 2
    assert (
        "a level must be in the run, but got 'level9'. Choose from level1, level2." in capsys.readouterr().err
    )


def test_an_unfinished_run_is_wrong_use(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = ["--run", str(tmp_path / "empty"), "--config", str(run / "artifact.toml")]
    assert main(["convert", *arguments, "--store", str(tmp_path / "store")]) == 2
    assert "a run folder must hold finished training" in capsys.readouterr().err


def test_on_a_terminal_progress_moves(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert convert(run, tmp_path / "store", "--dry-run", "--level", "level2") == 0
    assert "level2: reading lightgbm, xgboost, random_forest" in capsys.readouterr().err


def test_what_training_found_is_copied_into_the_manifest_and_the_card(run: Path, tmp_path: Path) -> None:
    found = {
        "label": {
            "kind": "fixed_horizon",
            "reach": 4,
            "numbers": {"horizon": 4.0},
            "texts": {},
            "sentence": "x",
        },
        "costs": None,
        "order_of_service": {
            "kind": "measured",
            "levels": ["level2"],
            "others": ["level1"],
            "proofs": [
                {"level": "level2", "against": "priors", "in_service": True, "sentence": "level2 is better"},
                {"level": "level1", "against": "level2", "in_service": False, "sentence": "level1 is not"},
            ],
        },
        "gates": [
            {"level": "served", "rule": "moves", "kind": "value", "passed": True, "sentence": "it moves"},
        ],
        "verdict": {"name": "moves", "sentences": ["It knows whether.", "Money: no costs given."]},
        "measured": {"rows": 9, "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
        "shipped": None,
    }
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    value = json.loads((copy / "training_metadata.json").read_text())
    value["format"] = "gradus-run/2"
    value["run"]["found"] = found
    (copy / "training_metadata.json").write_text(json.dumps(value))
    assert convert(copy, tmp_path / "tiny", "--version", "2026.11.21") == 0
    with open_artifact(tmp_path / "tiny" / "versions" / "2026.11.21") as artifact:
        m = artifact.manifest
        card = artifact.read("card.md").decode()
    assert {name: codec.encode(getattr(m, name)) for name in found} == found
    assert card.index("## Verdict: moves") < card.index("## level1")
    assert "In service (measured): level2. Only where nothing in service can answer: level1." in card
    assert "* value gate, passed: it moves" in card
    with Predictor.open(tmp_path / "tiny" / "versions" / "2026.11.21", max_age_days=1e5) as bot:
        names = [f.name for f in m.features]
        assert bot.decide(dict.fromkeys(names, 0.5)).level == "level2"
    alone = tmp_path / "alone"
    assert convert(copy, alone, "--version", "2026.11.21", "--level", "level1") == 0
    with open_artifact(alone / "versions" / "2026.11.21") as artifact:
        order = artifact.manifest.order_of_service
    assert (order.levels, order.others, order.proofs) == ((), ("level1",), ())


def test_a_run_of_format_1_says_nothing_of_what_training_found(run: Path) -> None:
    value = json.loads((run / "training_metadata.json").read_text())
    del value["run"]["found"]
    value["format"] = "gradus-run/1"
    (run / "training_metadata.json").write_text(json.dumps(value))
    assert run_folder.load(run).found == run_folder.NOTHING_FOUND


def test_a_member_is_left_out_and_so_are_figures_that_were_measured_with_it(run, tmp_path, capsys):
    store = tmp_path / "tiny"
    assert convert(run, store, "--version", "2026.11.21", "--drop-member", "xgboost") == 0
    assert "level1: xgboost was left out (left out at conversion)" in capsys.readouterr().out
    with open_artifact(store / "versions" / "2026.11.21") as artifact:
        m, card = artifact.manifest, artifact.read("card.md").decode()
    for level in m.levels:
        assert [(x.name, x.weight) for x in level.members] == [
            ("lightgbm", pytest.approx(2 / 3)),
            ("random_forest", pytest.approx(1 / 3)),
        ]
        assert level.metrics == {}
    assert [(d.level, d.name, d.reason) for d in m.members_dropped or ()] == [
        (level, "xgboost", "left out at conversion") for level in ("level1", "level2")
    ]
    assert "level2: xgboost was left out" in card
    assert "figures, gates and the verdict of training are of all members" in card


def test_a_member_that_is_not_in_the_run_cannot_be_left_out(run, tmp_path, capsys):
    assert convert(run, tmp_path / "tiny", "--drop-member", "lstm") == 2
    assert (
        "a member to leave out must be in the run, but got 'lstm'. Members: light" in capsys.readouterr().err
    )
    every = [part for m in ("lightgbm", "xgboost", "random_forest") for part in ("--drop-member", m)]
    assert convert(run, tmp_path / "tiny", *every) == 2
    assert "at least one member must be left" in capsys.readouterr().err


def test_a_member_that_training_left_out_is_in_the_manifest(tmp_path):
    copied = runs.write(tmp_path / "run")
    value = json.loads((copied / run_folder.METADATA).read_text())
    value["run"]["members_dropped"] = ["lstm"]
    (copied / run_folder.METADATA).write_text(json.dumps(value))
    store = tmp_path / "tiny"
    assert convert(copied, store, "--version", "2026.11.21", "--level", "level2") == 0
    with open_artifact(store / "versions" / "2026.11.21") as artifact:
        (dropped,) = artifact.manifest.members_dropped or ()
    assert (dropped.level, dropped.name, dropped.reason) == ("level2", "lstm", "left out of training")


def test_a_version_that_knows_nothing_is_pinned_only_where_no_other_is(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def judged(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(run, copy)
        value = json.loads((copy / "training_metadata.json").read_text())
        found = codec.encode(run_folder.NOTHING_FOUND)
        value["format"] = "gradus-run/2"
        value["run"]["found"] = {**found, "verdict": {"name": name, "sentences": []}}
        (copy / "training_metadata.json").write_text(json.dumps(value))
        return copy

    store, none, moves = tmp_path / "tiny", judged("none"), judged("moves")
    assert convert(none, store, "--version", "2026.11.21", "--pin") == 0
    assert Store(store).pin_state().version == "2026.11.21"
    assert convert(moves, store, "--version", "2026.11.22", "--pin") == 0
    capsys.readouterr()
    assert convert(none, store, "--version", "2026.11.23", "--pin") == 0
    printed = capsys.readouterr().out
    assert "2026.11.23 is published and not pinned, as its verdict is none: 2026.11.22 stays" in printed
    assert Store(store).pin_state().version == "2026.11.22"
    assert convert(none, store, "--version", "2026.11.24", "--pin", "--pin-anyway") == 0
    assert Store(store).pin_state().version == "2026.11.24"


def test_without_a_name_the_artifact_is_named_as_its_store(run: Path, tmp_path: Path) -> None:
    text = (run / "artifact.toml").read_text().replace('name = "tiny"\n', "")
    (tmp_path / "artifact.toml").write_text(text)
    options = ["--config", str(tmp_path / "artifact.toml"), "--level", "level2", "--version", "2026.11.21"]
    assert main(["convert", "--run", str(run), "--store", str(tmp_path / "eth-usdt"), *options]) == 0
    with open_artifact(tmp_path / "eth-usdt" / "versions" / "2026.11.21") as artifact:
        assert artifact.manifest.name == "eth-usdt"
    assert main(["convert", "--run", str(run), "--store", str(tmp_path / "Not A Name"), *options]) == 2
    assert not (tmp_path / "Not A Name").exists()


def test_a_store_of_another_name_refuses(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "tiny"
    assert convert(run, store, "--level", "level2", "--version", "2026.11.21") == 0
    other = tmp_path / "artifact.toml"
    other.write_text((run / "artifact.toml").read_text().replace('name = "tiny"', 'name = "other"'))
    again = ["--config", str(other), "--level", "level2", "--version", "2026.11.22"]
    assert main(["convert", "--run", str(run), "--store", str(store), *again]) != 0
    assert not (store / "versions" / "2026.11.22").exists()
    assert "other" in capsys.readouterr().err
