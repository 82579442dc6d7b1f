"""A library is added by its entry in the table of readers and its reader, and by nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support import runs
from tests.support.plain_trees import READER, PlainTrees, random_model
from tests.support.rows import boundary_rows

import gradus_convert
from gradus_convert.readers import READERS, read_model
from gradus_runtime import open_artifact
from gradus_runtime.cli import main
from gradus_runtime.contracts import run_folder
from gradus_runtime.errors import DataError


@pytest.fixture(autouse=True)
def _one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "plain_trees", READER)  # type: ignore[arg-type]


def saved(model: PlainTrees, path: Path) -> Path:
    path.write_text(json.dumps(model.document))
    return path


def test_its_models_and_its_files_are_compiled_and_proved(tmp_path: Path) -> None:
    model = random_model(5)
    rows = boundary_rows(read_model(model).lowered, np.zeros(5, np.float32))
    for source in (model, saved(model, tmp_path / "model.json")):
        compiled = gradus_convert.compile(source)
        assert compiled.proof is not None
        assert compiled.proof.wrong_leaves == 0
        assert compiled.predict_proba(rows) == pytest.approx(model.predict_proba(rows), abs=1e-6)


def test_the_command_compiles_a_file_and_says_that_nothing_opens_it_to_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(random_model(5), tmp_path / "model.json")
    assert main(["compile", str(path), "-o", str(tmp_path / "model.onnx"), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["source"] == "plain_trees"
    assert value["verdict"] == (
        "what a plain_trees file costs is not measured: nothing opens it in a process of its own"
    )


def test_a_member_of_a_run_is_converted(tmp_path: Path) -> None:
    folder = runs.write(tmp_path / "run")
    run = run_folder.load(folder)
    path = saved(random_model(5), folder / "levels" / "level1" / "plain.json")
    one = run_folder.RunMember(
        "plain", "plain_trees", "levels/level1/plain.json", runs.sha256(path), 0.4, (0, 1, 2)
    )
    levels = (replace(run.levels[0], members=(*run.levels[0].members, one)), run.levels[1])
    (folder / run_folder.METADATA).write_bytes(run_folder.dump(replace(run, levels=levels), {}))
    options = ["--config", str(folder / "artifact.toml"), "--version", "2026.11.21"]
    assert main(["convert", "--run", str(folder), "--store", str(tmp_path / "tiny"), *options]) == 0
    with open_artifact(tmp_path / "tiny" / "versions" / "2026.11.21") as artifact:
        members = artifact.manifest.levels[0].members
        assert [m.library for m in members] == ["lightgbm", "xgboost", "sklearn", "plain_trees"]
        assert artifact.manifest.levels[0].parity.wrong_leaves == 0


def test_messages_and_help_name_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").write_bytes(b"nothing of that kind")
    with pytest.raises(DataError, match="skops, ONNX, plain trees' JSON, or a pickle"):
        gradus_convert.compile(tmp_path / "other")
    for command in ("compile", "import"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "plain trees' JSON" in " ".join(capsys.readouterr().out.split())
