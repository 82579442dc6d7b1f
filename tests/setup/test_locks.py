"""The locks are complete: what they pin is all that the packages need, so installing resolves nothing."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements"
LOCKS = ("demo", "dev")
PACKAGES = sorted(PROJECT.glob("*/pyproject.toml"))
PIN = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ; (.*?))? \\$", re.MULTILINE)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pins(lock: str, python: str, system: str = "linux") -> dict[str, str]:
    """Versions that a lock pins for a Python; the markers are read by their own rule."""
    found = {}
    environment = {
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": system,
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for name, version, marker in PIN.findall((REQUIREMENTS / f"{lock}.txt").read_text("utf-8")):
        if not marker or Requirement(f"x ; {marker}").marker.evaluate(environment):
            assert name not in found, f"{name} is pinned twice for Python {python}"
            found[name] = version
    return found


def skip_where_another_lock_is_installed(pinned: dict[str, str]) -> None:
    """`make lowest` has versions of its own, and they require other things."""
    for package in PACKAGES:
        for requirement in map(
            Requirement, tomllib.loads(package.read_text("utf-8"))["project"]["dependencies"]
        ):
            name = canonicalize_name(requirement.name)
            if name not in own() and metadata.version(name) != pinned[name]:
                pytest.skip(f"{name} {metadata.version(name)} is installed, and the lock has {pinned[name]}")


def own() -> set[str]:
    return {tomllib.loads(p.read_text("utf-8"))["project"]["name"] for p in PACKAGES}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_demonstration_installs_the_versions_of_development_and_no_others(python: str) -> None:
    demo, dev = pins("demo", python), pins("dev", python)
    assert demo.items() <= dev.items()
    assert len(demo) < len(dev)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.parent.name)
def test_every_dependency_of_a_package_is_pinned_within_its_range(package: Path, python: str) -> None:
    demo = pins("demo", python)
    project = tomllib.loads(package.read_text("utf-8"))["project"]
    for requirement in map(Requirement, project["dependencies"]):
        if requirement.name in own():
            continue
        assert demo[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_what_a_pinned_distribution_requires_is_pinned_too(lock: str) -> None:
    pinned = pins(lock, f"{sys.version_info.major}.{sys.version_info.minor}", sys.platform)
    skip_where_another_lock_is_installed(pinned)
    todo: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in pinned]
    seen = set(todo)
    while todo:
        name, extras = todo.pop()
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is pinned and not installed: run `make setup`")
        for requirement in map(Requirement, wanted):
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
                continue
            needed = canonicalize_name(requirement.name)
            assert needed in pinned, f"{name} needs {requirement}"
            assert pinned[needed] in requirement.specifier, f"{name} needs {requirement}"
            new = (needed, frozenset(requirement.extras))
            if new not in seen:
                seen.add(new)
                todo.append(new)


def test_no_package_needs_the_gpu_build_of_xgboost() -> None:
    for python in PYTHONS:
        assert not {n for n in pins("dev", python) if n.startswith("nvidia") or n == "xgboost"}


def test_every_supported_python_stands_in_the_metadata_of_every_package() -> None:
    for package in PACKAGES:
        project = tomllib.loads(package.read_text("utf-8"))["project"]
        assert project["requires-python"] == ">=3.11,<3.15", package
        for python in PYTHONS:
            assert f"Programming Language :: Python :: {python}" in project["classifiers"], package


def test_the_makefile_names_every_extra_of_the_packages() -> None:
    """`make lock` and `make lowest` take these; another extra would never be installed where tests run."""
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    (named,) = re.findall(r"^EXTRAS := (.*)$", makefile, re.MULTILINE)
    found = set()
    for package in PACKAGES:
        found |= set(tomllib.loads(package.read_text("utf-8"))["project"].get("optional-dependencies", {}))
    assert set(named.split()) == found - {"xgboost", "xgboost-cpu"}
    assert len(re.findall(r"\$\(EXTRAS:%=--extra %\)", makefile)) == 2
