"""One name for one thing: classes of the four packages; names and modules of those that are read together."""

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


THROUGH_THE_MODULE = {
    "COMMAND": "the command that a module is",
    "FILE": "the name of the file that a module reads and writes",
    "FOLDER": "the name of the folder that a module looks in",
    "FORMAT": "the format of the file that a module reads and writes",
    "FORMAT_1": "the format before it",
    "MAX_BYTES": "the largest input that a module takes",
    "OLD_COMMAND": "the command under its name of the release before",
    "TRAINER": "the trainer of a kind, which the table of kinds names",
    "build": "the work of another process, which is named as module:function",
    "check": "the rules of a contract",
    "dump": "a contract to bytes",
    "load": "a file to a value",
    "main": "what a process runs",
    "parse": "a text or a JSON value to a value",
    "read": "bytes or a model to a value",
    "read_file": "the file of a library to a model; the table of readers names it",
    "rewrite": "the model of a library, written anew",
    "upgrade": "a contract of an older format to today's",
    "write": "a value to bytes",
}
"""Names that many modules have, each for the same role; used as `module.name`, or renamed on import."""


def public_names(text: str) -> set[str]:
    """Return the names that a module defines and offers: of its `__all__`, or without an underscore."""
    defined: set[str] = set()
    offered: set[str] | None = None
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            if "__all__" in names and node.value is not None:
                offered = set(ast.literal_eval(node.value))
            defined |= names
    return {n for n in defined if not n.startswith("_") and (offered is None or n in offered)}


def names_twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return public names that two modules of one package have, or of packages that are read together."""
    found: dict[str, list[str]] = defaultdict(list)
    for place, text in sources:
        for name in public_names(text):
            found[name].append(place)
    again = {}
    for name, places in found.items():
        packages = [place.split("/")[0] for place in places]
        if len(set(packages)) < len(packages) or any(set(pair) <= set(packages) for pair in READ_TOGETHER):
            again[name] = sorted(places)
    return again


def test_a_public_name_means_one_thing_among_packages_that_are_read_together() -> None:
    modules = sorted(p for package in PACKAGES for p in (ROOT / package / "src").rglob("*.py"))
    sources = [(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in modules]
    again = names_twice(sources)
    assert {name: places for name, places in again.items() if name not in THROUGH_THE_MODULE} == {}
    assert sorted(again) == sorted(THROUGH_THE_MODULE)


def test_a_public_name_that_means_two_things_is_seen() -> None:
    one = '__all__ = ["TOLERANCE", "judge"]\nTOLERANCE = 1e-6\ndef judge(): ...\ndef help_it(): ...\n'
    other = '__all__ = ["judge"]\nTOLERANCE = 2e-6\ndef judge(): ...\n'
    third = "TOLERANCE: float = 1e-5\n_hidden = 1\n"
    assert names_twice([("runtime/a.py", one), ("train/b.py", other)]) == {
        "judge": ["runtime/a.py", "train/b.py"]
    }
    assert names_twice([("runtime/a.py", one), ("runtime/c.py", third)]) == {
        "TOLERANCE": ["runtime/a.py", "runtime/c.py"]
    }
    assert names_twice([("convert/a.py", one), ("train/b.py", other)]) == {}
    assert names_twice([("runtime/a.py", "from b import judge\n"), ("train/b.py", other)]) == {}


OF_ONE_ROLE = {
    "calibration": "temperatures of levels: the manifest's fields, and how training chooses them",
    "candles": "candles as a package reads them",
    "columns": "which column of a table of candles means what",
    "drift": "alarm levels: the manifest's fields, and how training measures them",
    "errors": "the errors of a package",
    "folder": "the folder that a room writes",
    "kinds": "the kinds that a room knows, in one table",
    "metrics": "what Prometheus is told",
    "options": "options that commands share",
    "output": "what commands print alike",
    "page": "a page for people",
    "policy": "policies: the manifest's fields, and how training judges them",
    "settings": "how a room was told to work",
    "text": "a result as text for people",
    "types": "the types of a room, which its other modules share",
    "values": "the values that a room works on",
}
"""Names of modules that occur in packages which import one another: the same role in each."""

READ_TOGETHER = {("runtime", "convert"), ("runtime", "live"), ("runtime", "train"), ("live", "train")}
COMMANDS = ("cli", "commands")


def module_names(paths: Iterable[str]) -> tuple[dict[str, set[str]], list[str]]:
    """Return the names that packages which are read together share, and what stands twice in one package.

    A command may have the name of the module that does its work.
    """
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        package, _, _, *rooms, file = path.split("/")
        name = file.removesuffix(".py")
        if not name.startswith("__") and not (rooms and rooms[-1] in COMMANDS):
            places[package, name].append(path)
    again = [f"{name}: {', '.join(found)}" for (_, name), found in places.items() if len(found) > 1]
    for path in paths:
        package, _, _, *rooms, file = path.split("/")
        if rooms and rooms[-1] in COMMANDS:
            places[package, file.removesuffix(".py")].append(path)
    packages: dict[str, set[str]] = defaultdict(set)
    for package, name in places:
        packages[name].add(package)
    shared = {name: found for name, found in packages.items() if any(set(p) <= found for p in READ_TOGETHER)}
    return {name: found for name, found in shared.items() if not name.startswith("__")}, again


def test_a_module_name_occurs_once_in_a_package_and_elsewhere_for_the_same_role() -> None:
    modules = sorted(p for package in PACKAGES for p in (ROOT / package / "src").rglob("*.py"))
    shared, again = module_names([p.relative_to(ROOT).as_posix() for p in modules])
    assert again == []
    assert sorted(shared) == sorted(OF_ONE_ROLE)


def test_a_module_name_that_means_two_things_is_seen() -> None:
    paths = ["convert/src/gradus_convert/a/rows.py", "convert/src/gradus_convert/b/rows.py"]
    assert module_names(paths)[1] == ["rows: " + ", ".join(paths)]
    command = [
        "convert/src/gradus_convert/commands/wheel.py",
        "convert/src/gradus_convert/publishing/wheel.py",
    ]
    assert module_names(command) == ({}, [])
    apart = ["convert/src/gradus_convert/a/rows.py", "train/src/gradus_train/b/rows.py"]
    assert module_names(apart) == ({}, [])
    together = ["runtime/src/gradus_runtime/rows.py", "train/src/gradus_train/b/rows.py"]
    assert module_names(together) == ({"rows": {"runtime", "train"}}, [])
