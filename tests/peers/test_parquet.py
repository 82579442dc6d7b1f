"""`gradus predict` on Parquet, with the libraries that the runtime does not depend on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, golden_rows

from gradus_runtime.cli import main


@pytest.fixture
def parquet(tmp_path: Path) -> str:
    features = golden_rows()["features"]
    columns: dict[str, Any] = {name: features[:, i].tolist() * 20 for i, name in enumerate(TRIO_NAMES)}
    columns["vix"][3] = None
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"when": list(range(640))} | columns).write_parquet(path)
    return str(path)


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_parquet_is_read_by_what_is_installed(
    library: str, parquet: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert main(["predict", str(TRIO), "--input", parquet, "--json", "--keep", "when"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["when"] for a in answers] == list(range(640))
    assert [a["level"] for a in answers[:5]] == ["level1"] * 3 + ["level2", "level1"]


def test_what_is_no_parquet_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"nothing")
    assert main(["predict", str(TRIO), "--input", str(path)]) == 2
    assert "a feature of the artifact" in capsys.readouterr().err
