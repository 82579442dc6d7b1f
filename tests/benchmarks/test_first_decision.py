"""The benchmark of the first decision measures what it says; its times are not looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.first_decision import MOST, main
from tests.test_features_travel import made as made  # an artifact with a features graph


def rows(text: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {name: others for name, *others in cells}


def test_it_prints_a_ratio_for_each_way_to_a_first_decision(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = made / "market"
    words = ["--pairs", "1", "--python", sys.executable, "--store", str(made / "own")]
    assert main([*words, "--candles", str(market / "candles.csv"), "--daily", str(market / "macro.csv")]) == 0
    found = rows(capsys.readouterr().out)
    floor, folder, store, journal, features = found.values()
    assert floor[1] == "1.00"
    assert all(float(row[0]) > 0 and float(row[1]) > 0 for row in found.values())
    assert [row[2] for row in (floor, folder, store, journal, features)] == ["", f"{MOST:g}", "", "", ""]


def test_a_process_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--store", str(tmp_path)])
