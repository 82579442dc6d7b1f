"""The commands about a store, run as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.stores import write_version

from gradus_runtime.cli import main, output
from gradus_runtime.store import Store

A, B = "2026.1.4", "2026.1.11"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADUS_STORE", raising=False)
    for version in (A, B):
        write_version(tmp_path / "artifacts" / "sample", version)
    return tmp_path / "artifacts" / "sample"


def test_pin_warns_of_a_simulated_market_and_says_what_was_pinned_before(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pin", A, "--store", str(folder), "--no-check"]) == 0
    assert main(["pin", B, "--actor", "ops", "--no-check"]) == 0
    assert main(["pin", B, "--no-check"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "2026.1.4 is pinned, generation 1",
        "2026.1.11 is pinned, generation 2, 2026.1.4 before",
        "2026.1.11 was pinned already, generation 2",
    ]
    assert err.splitlines()[0] == (
        "warning: 2026.1.4 was trained on a simulated market; do not trade real money on it"
    )


def test_rollback_tells_the_new_generation_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(folder).pin(A, actor="ops")
    Store(folder).pin(B, actor="ops")
    assert main(["rollback", "--json", "--no-check"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["pin"]["version"], value["pin"]["generation"], value["changed"]) == (A, 3, True)
    assert main(["rollback", "--to", "2020.1.1"]) == 3
    assert "a version must be in the store, but got '2020.1.1'" in capsys.readouterr().err


def test_a_damaged_pin_is_replaced_by_pinning_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(folder).pin(A, actor="ops")
    (folder / "pin.json").write_bytes(b"{}")
    assert main(["list"]) == 1
    assert "Pin a version again: gradus pin VERSION" in capsys.readouterr().err
    assert main(["pin", A, "--no-check"]) == 0
    assert capsys.readouterr().out == "2026.1.4 is pinned, generation 2\n"


def test_history_shows_every_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(folder).pin(A, actor="ops")
    assert main(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TIME", "EVENT", "VERSION", "GENERATION", "DIGEST", "ACTOR"]
    assert "publish (recorded later)" in lines[1]
    assert lines[3].split()[1:4] == ["pin", A, "1"]
    assert main(["history", "--json", "--last", "1"]) == 0
    (event,) = json.loads(capsys.readouterr().out)
    assert (event["event"], event["actor"]) == ("pin", "ops")
    assert main(["history", "--json", "--last", "0"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_list_shows_versions_data_metrics_size_and_the_pin(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(folder).pin(B, actor="ops")
    (folder / "versions" / A / "manifest.json").write_bytes(b"{}")
    assert main(["list"]) == 0
    head, first, second, problem = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["VERSION", "CREATED", "DATA"]
    assert first.split() == [A, "2026-01-04T00:00:00Z", "damaged"]
    assert "2026-01-01 to 2026-01-03 (simulated)  unknown  accuracy=0.5" in second
    assert second.endswith("*")
    assert problem.startswith("2026.1.4 is damaged: ")
    assert main(["list", "--json"]) == 0
    a, b = json.loads(capsys.readouterr().out)
    assert "manifest.sha256 must hold the digest" in a["problem"]
    assert (b["pinned"], b["metrics"]["level1"]["accuracy"]) == (True, 0.5)


def test_verify_names_everything_that_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(folder).pin(A, actor="ops")
    assert main(["verify"]) == 0
    assert capsys.readouterr().out.startswith("2 versions, 6 files, ")
    assert main(["verify", A]) == 0
    assert main(["verify", str(folder / "versions" / A)]) == 0
    capsys.readouterr()
    (folder / "versions" / "notes").mkdir()
    graph = folder / "versions" / B / "level1.onnx"
    graph.write_bytes(b"X" + graph.read_bytes()[1:])
    (folder / "versions" / A / "golden.npz").write_bytes(b"short")
    (folder / "versions" / A / "level2.onnx").unlink()
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert f"{B}/level1.onnx: a file must have the SHA-256" in out
    assert "golden.npz: a file must have 99 bytes, as the manifest says, but got 5" in out
    assert "level2.onnx: a file of the manifest must exist" in out
    assert "notes: a version must be named by its calendar version" in out
    assert "4 differ" in out
    assert main(["verify", "--json", B]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1


def test_verify_holds_versions_against_pin_and_history(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(folder).pin(A, actor="ops")
    for version in (A, B):
        (folder / "versions" / version).rename(folder.parent / f"lost-{version}")
    write_version(folder, B, {"golden.npz": b"1", "level1.onnx": b"2", "level2.onnx": b"3"})
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "the pinned version 2026.1.4 is missing from the store" in out
    assert f"{A}: a published version must exist until it is collected" in out
    assert f"{B}: a version must have the digest that was published" in out
    (folder / "history.jsonl").write_bytes(b"nonsense\n")
    (folder / "pin.json").write_bytes(b"nonsense")
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "history.jsonl:1:1:1: a file must be JSON" in out
    assert "Restore the line from a backup" in out


def test_a_store_must_be_named_where_there_are_several(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_version(folder.parent / "other", A)
    assert main(["list"]) == 2
    assert "Give --store artifacts/NAME, or set GRADUS_STORE." in capsys.readouterr().err
    monkeypatch.setenv("GRADUS_STORE", str(folder))
    assert main(["list"]) == 0
    assert main(["list", "--store", "nowhere"]) == 3
    assert "nowhere: a folder with `versions` in it (a store) must exist" in capsys.readouterr().err


def test_tables_show_the_usual_metrics_or_else_the_first_three() -> None:
    many = {"brier": 0.2, "accuracy": 0.51234, "f1_weighted": 0.6, "log_loss": 0.9, "rows": 7.0}
    assert output.headline(many) == "f1_weighted=0.6 accuracy=0.5123 log_loss=0.9"
    assert output.headline({"d": 4.0, "c": 3.0, "b": 2.0, "a": 1.0}) == "a=1 b=2 c=3"
    assert output.headline({}) == ""
