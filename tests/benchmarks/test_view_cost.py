"""The benchmark of what views cost runs as it stands, on few trees."""

from __future__ import annotations

import pytest

from benchmarks import view_cost


def test_it_prints_a_ratio_for_one_row_and_for_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    assert view_cost.main(["--turns", "1", "--trees", "3"]) == 0
    head, one, many = capsys.readouterr().out.splitlines()
    assert int(head.split()[0]) > 1
    assert one.startswith("one row")
    assert float(many.split()[-1]) > 0
