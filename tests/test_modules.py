"""Modules are short, examples in docstrings hold, and docstrings of packages name what is there."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import statistics
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {name: ROOT / name / "src" for name in ("runtime", "live", "convert", "train")}
MODULES = sorted(path for source in SOURCES.values() for path in source.rglob("*.py"))
LONGEST = 400
MEDIAN = 150


def too_long(lengths: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{name}: {count} lines" for name, count in lengths if count > LONGEST]


def lines(path: Path) -> int:
    return path.read_text("utf-8").count("\n")


def test_modules_stay_short() -> None:
    assert too_long((path.relative_to(ROOT).as_posix(), lines(path)) for path in MODULES) == []
    assert statistics.median(map(lines, MODULES)) < MEDIAN


def test_a_module_that_is_too_long_is_seen() -> None:
    assert too_long([("a.py", 400), ("b.py", 401)]) == ["b.py: 401 lines"]


def dotted(path: Path) -> str:
    source = next(s for s in SOURCES.values() if path.is_relative_to(s))
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WITH_EXAMPLES = [path for path in MODULES if re.search(r"^\s*>>> ", path.read_text("utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=dotted)
def test_examples_in_docstrings_hold(path: Path) -> None:
    result = doctest.testmod(importlib.import_module(dotted(path)))
    assert result.attempted > 0
    assert result.failed == 0


def named_in_vain(package: Path) -> list[str]:
    """Return what the docstring of a package names in backticks and the package does not have."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    there = {"gradus"}  # the command
    for path in package.rglob("*.py"):
        there |= {path.stem, path.parent.name, path.name}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                there.add(node.name)
    known = {*there, *(path.name for path in SOURCES.values())}
    return sorted(name for name in re.findall(r"`([a-z]\w*)`", text) if name not in known)


@pytest.mark.parametrize(
    "package", [path.parent for path in MODULES if path.name == "__init__.py"], ids=lambda p: p.name
)
def test_a_package_docstring_names_what_is_in_it(package: Path) -> None:
    assert named_in_vain(package) == []


def test_a_name_that_went_is_seen(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('"""`reading` reads, `writing` writes, `lay_out` lays out."""\n')
    (tmp_path / "reading.py").write_text("def lay_out(): ...\n")
    assert named_in_vain(tmp_path) == ["writing"]
