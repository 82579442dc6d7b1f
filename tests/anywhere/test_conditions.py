"""The conditions have every value that they promise, and a commit's hash always chooses the same part."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from tests.anywhere.conditions import CONDITIONS, slice_of
from tests.anywhere.witness import differences


def test_every_promised_value_stands_in_a_condition() -> None:
    assert {c.clock for c in CONDITIONS} >= {
        "2026-12-31T23:59:00+00:00",
        "2027-01-01T00:30:00+00:00",
        "2026-12-31T23:59:00+09:00",
        "2027-01-01T00:30:00+09:00",
    }
    days = [datetime.fromisoformat(c.clock) for c in CONDITIONS]
    assert any((d.year, d.month, d.day) == (2028, 2, 29) for d in days)
    assert any(d.weekday() == 6 for d in days)
    assert any(d.year == 2031 for d in days)
    assert {c.locale for c in CONDITIONS} >= {"C", "ja_JP.UTF-8"}
    assert {c.root for c in CONDITIONS} == {True, False}
    assert {c.umask for c in CONDITIONS} == {0o022, 0o077}
    assert {c.home for c in CONDITIONS} == {"absent", "read-only", "own"}
    assert {c.linked for c in CONDITIONS} == {True, False}
    assert len({c.workers for c in CONDITIONS}) == 3
    assert len({c.zone for c in CONDITIONS}) >= 5
    assert any(" " in c.path for c in CONDITIONS)
    assert any(not c.path.isascii() for c in CONDITIONS)


def test_a_folder_that_cannot_be_written_to_is_for_a_user_who_is_not_root() -> None:
    assert not any(c.home == "read-only" and c.root for c in CONDITIONS)


def test_local_time_is_the_clock_in_the_zone() -> None:
    tokyo = CONDITIONS[3]
    assert tokyo.local_time.strftime("%Y-%m-%d %H:%M") == "2027-01-01 00:30"
    new_york = CONDITIONS[1]
    assert new_york.local_time.strftime("%Y-%m-%d %H:%M") == "2026-12-31 19:30"


def test_the_slices_of_all_commits_are_all_conditions_and_all_files() -> None:
    files = [Path(f"tests/test_{i}.py") for i in range(100)]
    chosen = [slice_of(f"{number:040x}", files, 8) for number in range(8 * len(CONDITIONS))]
    assert {number for number, _ in chosen} == set(range(len(CONDITIONS)))
    for number in range(len(CONDITIONS)):
        parts = {tuple(part) for n, part in chosen if n == number}
        assert sorted(f for part in parts for f in part) == sorted(files)
    assert slice_of("0123abcd", files, 8) == slice_of("0123abcd", files, 8)


def test_the_witness_sees_what_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    long_ago = replace(CONDITIONS[0], clock="2001-01-01T00:00:00+00:00", path="elsewhere")
    found = differences(long_ago, clock=True, user=False, network=False)
    assert any(text.startswith("the clock here says") for text in found)
    assert any(text.startswith("the clock in a child says") for text in found)
    assert f"{tmp_path} is there, or is not" in found
    assert any(text.startswith("the folder is") for text in found)
