"""One name for one thing: no two public classes of the four packages have the same name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("runtime", "live", "convert", "train")


def classes_of(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the places of each public class at the top of a module, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for place, text in sources:
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(place)
    return found


def twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    return {name: places for name, places in classes_of(sources).items() if len(places) > 1}


def test_no_two_public_classes_have_one_name() -> None:
    modules = sorted(p for package in PACKAGES for p in (ROOT / package / "src").rglob("*.py"))
    assert len(modules) > 400
    sources = ((str(p.relative_to(ROOT)), p.read_text(encoding="utf-8")) for p in modules)
    assert twice(sources) == {}


def test_a_name_that_occurs_twice_is_seen() -> None:
    one, other = "class Rows:\n    pass\n", "class _Rows:\n    pass\nclass Rows:\n    pass\n"
    assert twice([("a.py", one), ("b.py", other), ("c.py", "class Other: ...")]) == {"Rows": ["a.py", "b.py"]}
