"""`gradus compact`: writes the rewritten file, says what it saved, never touches the original."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.graphs import run
from tests.support.operators import regressor

from gradus_convert.compaction import measure as measuring
from gradus_convert.compaction import measure_session
from gradus_convert.compaction.measure import measure
from gradus_convert.compaction.rewrite import load
from gradus_runtime.cli import main
from gradus_runtime.errors import DataError, EnvironmentFailedError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(regressor(1, trees=30, depth=6))
    return path


def test_it_says_what_was_saved_in_size_memory_and_time(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.with_name("small.onnx")
    assert main(["compact", str(source), "-o", str(target), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["operators"] == 1
    assert value["trees"] == 30
    assert value["probes"]["rows"] > 2000
    assert value["file_bytes"]["after"] == target.stat().st_size
    for side in ("before", "after"):
        assert value["cost"][side]["peak_bytes"] > 10_000_000
        assert 0 < value["cost"][side]["load_seconds"] < 60
    X = np.zeros((3, 3), np.float32)
    before, after = (run(p.read_bytes(), X, name="x")["y"] for p in (source, target))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_people_get_a_table(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.with_name("small.onnx")
    assert main(["compact", str(source), "-o", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("1 operator(s), 30 trees, " + lines[0].split()[-2] + " nodes")
    assert "outputs agree on" in lines[1]
    assert [line.split("  ")[0] for line in lines[3:]] == ["file", "peak memory", "load", "one row"]


def test_an_output_that_exists_is_kept_unless_forced(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.with_name("small.onnx")
    target.write_text("mine")
    assert main(["compact", str(source), "-o", str(target), "--no-measure"]) == 2
    assert target.read_text() == "mine"
    assert "the output must not exist, or --force be given" in capsys.readouterr().err
    assert main(["compact", str(source), "-o", str(target), "--no-measure", "--force"]) == 0
    assert target.stat().st_size > 1000
    assert main(["compact", str(source), "-o", str(source), "--no-measure", "--force"]) == 2


def test_what_cannot_be_read_or_written_is_said(source: Path, tmp_path: Path) -> None:
    assert main(["compact", str(tmp_path / "none.onnx"), "-o", str(tmp_path / "o")]) == 2
    assert main(["compact", str(tmp_path), "-o", str(tmp_path / "o")]) == 2
    assert main(["compact", str(source), "-o", str(source / "o"), "--no-measure"]) == 3
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
        measure([path], processes=1)


def test_the_script_measures_its_own_process(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_session.main(str(source))
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"peak_bytes", "load_seconds", "row_seconds"}
    assert measuring._median(source, [value]).row_seconds == value["row_seconds"]
