"""The benchmark of one model of millions of nodes runs as it stands, on thousands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import large_model


def test_it_compiles_converts_and_asks_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skl2onnx")
    out = tmp_path / "large.json"
    assert large_model.main(["--nodes", "3000", "--processes", "1", "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert "| peak memory of a process that serves |" in said
    found = json.loads(out.read_text())
    assert 1000 < found["fit"]["nodes"] < 9000
    assert found["compile"]["wrong"] == 0
    assert found["compile"]["leaf_checks"] > found["fit"]["nodes"]
    assert found["served"]["compact"]["file_bytes"] < found["served"]["stock"]["file_bytes"]
