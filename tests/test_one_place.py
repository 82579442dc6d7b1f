"""What is done in one place is done nowhere else: each rule has its places, with reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {name: ROOT / name / "src" / f"gradus_{name}" for name in ("runtime", "live", "convert", "train")}

RULES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "strict objects": (
        r"a key must be known|key \{\w+!r\} must be present",
        {"runtime/contracts/codec.py": "the place"},
    ),
    "TOML files": (
        r"\btomllib\.loads?\(",
        {
            "runtime/contracts/toml_file.py": "the place",
            "train/init/config_files.py": "reads the packaged defaults, which are no user's file",
            "train/init/upgrade.py": "reads a text that it edits, before and after",
        },
    ),
    "whole files": (
        r"\.write_(bytes|text)\(|\bos\.replace\(|\.open\(\"[wx]b?\"",
        {
            "runtime/monitoring/health_file.py": "by rename, unsynced: written every few seconds",
            "convert/pickles/run.py": "a temporary folder of two processes",
            "convert/compilation/pickled.py": "a temporary folder of two processes",
            "train/training/folder_lock.py": "a lock, of which nothing is read",
            "train/init/planning.py": "a temporary folder, to plan a run of new files",
        },
    ),
    "syncs": (
        r"\bos\.fsync\b|\bfdatasync\b",
        {
            "runtime/store/disk.py": "the place",
            "runtime/journal/folder.py": "a journal is appended to, by the rules of a journal",
        },
    ),
    "edges of histograms": (
        r"np\.histogram|_QUANTILES",
        {"runtime/contracts/histograms.py": "the place, for trained and for imported artifacts"},
    ),
    "moments as text": (
        r"strftime\(\"%Y-%m-%dT",
        {
            "runtime/candles/reading.py": "the place, for milliseconds",
            "runtime/journal/line.py": "microseconds, for lines of a journal",
            "runtime/store/write_lock.py": "the time of now",
            "train/market/intraday.py": "a cell of a CSV file that is made up",
        },
    ),
    "softmax": (
        r"np\.exp\(margins|exp\([^)]*- [^)]*\.max\(",
        {"convert/forest/ir.py": "the place"},
    ),
    "the largest float32": (
        r"finfo\(np\.float32\)\.max",
        {
            "runtime/routing/guard.py": "the place of the runtime, which convert's constant is not for",
            "convert/forest/rounding.py": "the place",
            "convert/graphs/walk_tables.py": "of a table that is scaled",
            "convert/parity/ordinary_rows.py": "a value among others that rows are made of",
            "train/features/graph/compiler.py": "a constant of a features graph",
        },
    ),
}


def found(pattern: str, sources: Mapping[str, Path]) -> set[str]:
    """Return the files of packages, as package/path, in which a pattern occurs."""
    return {
        f"{name}/{path.relative_to(source).as_posix()}"
        for name, source in sources.items()
        for path in source.rglob("*.py")
        if re.search(pattern, path.read_text("utf-8"))
    }


@pytest.mark.parametrize("rule", RULES)
def test_what_is_done_in_one_place_is_done_nowhere_else(rule: str) -> None:
    pattern, places = RULES[rule]
    assert sorted(found(pattern, SOURCES)) == sorted(places)


def test_a_second_place_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import tomllib\nvalue = tomllib.loads(path.read_text())\n")
    (tmp_path / "b.py").write_text("X = np.finfo(np.float32).max\n")
    assert found(RULES["TOML files"][0], {"live": tmp_path}) == {"live/a.py"}
    assert found(RULES["the largest float32"][0], {"live": tmp_path}) == {"live/b.py"}
