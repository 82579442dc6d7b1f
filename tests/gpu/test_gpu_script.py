"""The script for whoever has a GPU, asked for the CPU: what it counts, times and says."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.gpu import run as script


def first_vector(path: Path, change: Any = lambda case: None) -> str:
    whole = json.loads(gzip.decompress(script.VECTORS.read_bytes()))
    case = whole["cases"][0]
    change(case)
    path.write_bytes(gzip.compress(json.dumps({**whole, "cases": [case]}).encode()))
    return str(path)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "BLOCKS", (64,))


def test_it_counts_bits_times_blocks_and_lists_operators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = first_vector(tmp_path / "one.json.gz")
    ask = ["--provider", "CPUExecutionProvider", "--file", file, "--seconds", "0.01"]
    assert script.main(ask) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bits"]["compared"] == (2_000 + 50) * 3
    assert found["bits"]["different"] == 0
    assert found["rows a second"]["64"] > 0
    assert "Gather" in found["operators"]["CPUExecutionProvider"]


def test_one_wrong_bit_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def flip(case: dict[str, Any]) -> None:
        answers = np.frombuffer(base64.b64decode(case["expected"]), np.uint32).copy()
        answers[-1] ^= 1
        case["expected"] = base64.b64encode(answers.tobytes()).decode()

    file = first_vector(tmp_path / "one.json.gz", flip)
    ask = ["--provider", "CPUExecutionProvider", "--file", file, "--seconds", "0.01"]
    assert script.main(ask) == 1
    assert json.loads(capsys.readouterr().out)["bits"]["different"] == 1


def test_it_ends_where_the_provider_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    assert stopped.value.code == 3
    assert "does not use CUDAExecutionProvider here" in capsys.readouterr().err
