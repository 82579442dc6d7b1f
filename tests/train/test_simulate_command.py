"""`gradus simulate` writes the market that `gradus train --simulate` trains on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradus_runtime.cli import main
from gradus_train.market import simulate


def test_the_files_are_those_of_the_embedded_market(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path / "new" / "market"), "--bars", "200", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    files = simulate(tmp_path / "expected", bars=200)
    assert Path(said["candles"]).read_bytes() == files.candles.read_bytes()
    assert Path(said["macro"]).read_bytes() == files.macro.read_bytes()


def test_another_seed_is_another_market(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert main(["simulate", "--out", str(tmp_path / seed), "--bars", "200", "--seed", seed]) == 0
    assert (tmp_path / "1" / "candles.csv").read_bytes() != (tmp_path / "2" / "candles.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--bars", "99"], 2, "a market must have at least 100 bars, but got 99"),
        (["--seed", "-1"], 2, "a seed must be at least 0, but got -1"),
    ],
)
def test_options_out_of_range_are_wrong_use(
    options: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path / "x"), *options]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_a_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["simulate", "--out", str(tmp_path / "file")]) == 3
    assert "a file must be writable" in capsys.readouterr().err
