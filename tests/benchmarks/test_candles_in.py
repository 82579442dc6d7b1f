"""The benchmark of candles in, decision out measures what it says; its times are not looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.candles_in import FIGURES, main
from tests.test_features_travel import made as made  # an artifact with a features graph


def test_it_prints_each_figure_of_a_fresh_process(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--store", str(made / "own"), "--candles", str(made / "market/candles.csv"), "--bars", "20"]
    assert main([*words, "--daily", str(made / "market/macro.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = dict(line.strip("| ").split(" | ")[:2] for line in lines[-len(FIGURES) :])
    assert list(rows) == [what for what, _ in FIGURES.values()]
    assert all(float(value) >= 0 for value in rows.values())
    assert float(rows["against decide alone, times"]) > 1
