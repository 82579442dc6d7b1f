"""`gradus compile` and its older name: writes the file, says what it saved, never touches the original."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from tests.support.graphs import run
from tests.support.models import table
from tests.support.operators import regressor

from gradus_convert.commands.compile import _file_row
from gradus_convert.compaction.rewrite import load
from gradus_convert.compilation import measure_session
from gradus_convert.compilation.comparing import keeps_original, shown_ratio
from gradus_convert.compilation.measure import Cost, measure
from gradus_runtime.cli import main
from gradus_runtime.errors import DataError, EnvironmentFailedError

X, Y = table(3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(regressor(1, trees=30, depth=6))
    return path


@pytest.fixture
def model() -> lightgbm.LGBMClassifier:
    return lightgbm.LGBMClassifier(n_estimators=4, num_leaves=7, n_jobs=1, verbose=-1).fit(X, Y)


@pytest.mark.parametrize("command", ["compile", "compact"])
def test_it_says_what_was_saved_in_size_memory_and_time(
    command: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.with_name("small.onnx")
    order = [command, str(source), "-o", str(target), "--json", "--encoding", "compact"]
    assert main(order) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["operators"] == 1
    assert value["trees"] == 30
    assert value["probes"]["rows"] > 2000
    assert value["file_bytes"]["after"] == target.stat().st_size
    for side in ("before", "after"):
        cost = value["cost"][side]
        assert cost["peak_bytes"] > 10_000_000
        assert 0 < cost["load_seconds"] < cost["start_seconds"]
        assert cost["row_seconds"] > 0
        assert cost["batch_seconds"] > 0
    X = np.zeros((3, 3), np.float32)
    before, after = (run(p.read_bytes(), X, name="x")["y"] for p in (source, target))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_people_get_a_table_and_a_verdict(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.with_name("small.onnx")
    assert main(["compile", str(source), "-o", str(target), "--encoding", "compact"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("1 operator, 30 trees, " + lines[0].split()[-2] + " nodes")
    assert "outputs agree on" in lines[1]
    names = ["file", "peak memory", "first answer", "load", "one row", "row in 1,000"]
    assert [line.split("  ")[0] for line in lines[3:-1]] == names
    assert lines[-1].split(":")[0] in ("better", "better in parts", "worse")


def test_a_native_file_is_held_against_its_library(
    model: lightgbm.LGBMClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = tmp_path / "model.txt", tmp_path / "small.onnx"
    model.booster_.save_model(path)
    assert main(["compile", str(path), "-o", str(target), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["source"] == "lightgbm"
    assert value["proof"]["wrong_leaves"] == 0
    assert value["proof"]["leaf_checks"] > 10_000
    assert value["cost"]["after"]["peak_bytes"] < value["cost"]["before"]["peak_bytes"]
    assert value["verdict"].startswith(("better", "worse"))
    said = run(target.read_bytes(), X, name="features")["probabilities"]
    np.testing.assert_allclose(said, model.predict_proba(X), atol=1e-6)


def test_a_pickle_is_compiled_and_never_run_to_be_measured(
    model: lightgbm.LGBMClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = tmp_path / "model.pkl", tmp_path / "small.onnx"
    path.write_bytes(pickle.dumps(model))
    assert main(["compile", str(path), "-o", str(target), "--json", "--proof", "quick"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert set(value["cost"]) == {"after"}
    assert value["verdict"] == "what a pickle file costs is not measured: it is never run"
    assert (run(target.read_bytes(), X, name="features")["label"] == model.predict(X)).all()


def test_float64_inputs_are_measured_too(
    model: lightgbm.LGBMClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = tmp_path / "model.txt", tmp_path / "small.onnx"
    model.booster_.save_model(path)
    assert main(["compile", str(path), "-o", str(target), "--json", "--inputs", "float64"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["after"]["row_seconds"] > 0


def cost(peak: int, row: float | None) -> Cost:
    return Cost(1000, peak, 0.1, 0.01, row, 1e-5)


def test_the_original_is_kept_where_memory_does_not_make_up_for_slower_rows() -> None:
    assert keeps_original(cost(60_000_000, 10e-6), cost(59_000_000, 40e-6))
    assert not keeps_original(cost(90_000_000, 10e-6), cost(59_000_000, 40e-6))
    assert not keeps_original(cost(60_000_000, 10e-6), cost(59_000_000, 11e-6))
    assert not keeps_original(cost(60_000_000, None), cost(59_000_000, None))


def test_what_is_written_is_the_original_where_that_is_better(
    source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradus_convert.compilation import comparing

    costs = [cost(60_000_000, 10e-6), cost(59_000_000, 40e-6)]
    monkeypatch.setattr(comparing, "measure", lambda models: costs)
    target = source.with_name("small.onnx")
    assert main(["compile", str(source), "-o", str(target)]) == 0
    assert target.read_bytes() == source.read_bytes()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("the original is kept, as it serves better: memory x 0.98")


def test_an_output_that_exists_is_kept_unless_forced(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.with_name("small.onnx")
    target.write_text("mine")
    assert main(["compile", str(source), "-o", str(target), "--no-measure"]) == 2
    assert target.read_text() == "mine"
    assert "the output must not exist (--force overwrites it)" in capsys.readouterr().err
    assert main(["compile", str(source), "-o", str(target), "--no-measure", "--force"]) == 0
    assert target.stat().st_size > 1000
    assert main(["compile", str(source), "-o", str(source), "--no-measure", "--force"]) == 2


def test_what_cannot_be_read_or_written_is_said(source: Path, tmp_path: Path) -> None:
    assert main(["compile", str(tmp_path / "none.onnx"), "-o", str(tmp_path / "o")]) == 2
    assert main(["compile", str(tmp_path), "-o", str(tmp_path / "o")]) == 2
    assert main(["compile", str(source), "-o", str(source / "o"), "--no-measure"]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx"]


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(DataError, match="a model must have at most 1073741824 bytes"):
        load(path)


def test_a_process_that_fails_is_an_error_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(EnvironmentFailedError, match="a fresh process must load the model"):
        measure([("onnx", path)], processes=1)


def test_the_script_measures_its_own_process(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_session.main("onnx", str(source))
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"peak_bytes", "start_seconds", "load_seconds", "row_seconds", "batch_seconds"}


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1.0, "1.00"), (0.314, "0.31"), (0.01, "0.01"), (0.0026, "0.003"), (12.0, "12.00")],
)
def test_a_small_ratio_keeps_its_first_digit(ratio: float, shown: str) -> None:
    assert shown_ratio(ratio) == shown


def test_a_small_file_is_told_in_kilobytes() -> None:
    assert _file_row((12_345, 6_789)).split() == ["file", "12.3", "kB", "6.8", "kB", "x", "0.55"]
    assert _file_row((1_234_567, 6_789)).split()[:5] == ["file", "1234.6", "kB", "6.8", "kB"]
    assert _file_row((9_876_543, 1_234_567)).split()[:5] == ["file", "9.9", "MB", "1.2", "MB"]
