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


def imported(path: Path, known: set[str]) -> set[str]:
    """The modules of ours that a module imports, inside of functions too, but not for its types alone."""
    found: set[str] = set()

    def look(nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                look(node.orelse)
                continue
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found.update(whole & known or {node.module})
            look(ast.iter_child_nodes(node))

    look(ast.parse(path.read_text("utf-8")).body)
    return found & known


def circles(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules that import themselves by way of others."""
    reached = {name: set(direct) - {name} for name, direct in imports.items()}
    waiting = set(reached)
    while waiting:
        name = waiting.pop()
        more = set().union(*(reached[other] for other in reached[name])) - reached[name]
        if more:
            reached[name] |= more
            waiting |= {other for other in reached if name in reached[other]} | {name}
    return sorted(name for name, others in reached.items() if name in others)


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = {dotted(path): path for path in MODULES}
    assert circles({name: imported(path, set(known)) for name, path in known.items()}) == []


def test_a_circle_of_imports_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    from p.b import g\n")
    (tmp_path / "b.py").write_text("import p.c\nif TYPE_CHECKING:\n    import p.a\n")
    (tmp_path / "c.py").write_text("from p import a\n")
    known = {"p.a", "p.b", "p.c"}
    found = {name: imported(tmp_path / f"{name[-1]}.py", known) for name in known}
    assert found == {"p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}}
    assert circles(found) == ["p.a", "p.b", "p.c"]
    assert circles(found | {"p.c": set()}) == []
