"""Stores for crash tests, in memory where the system has a folder for that: SIGKILL does not test disks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.publishable import publishable

from gradus_convert.publishing.publish import publish_version
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.store import Store

Publishable = tuple[Manifest, dict[str, bytes]]
VERSIONS = ("2026.1.1", "2026.1.2", "2026.1.3", "2026.1.4")


@pytest.fixture
def ram(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="gradus-", dir=memory))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def base(ram: Path, built: Path) -> Store:
    """Four versions; the first three were pinned in turn."""
    shutil.copytree(built, ram / "base")
    return Store(ram / "base")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `base`, built once."""
    store = Store(tmp_path_factory.mktemp("built") / "base")
    for version in VERSIONS:
        publish_version(store.path, *publishable(version), {}, "test")
    for version in VERSIONS[:3]:
        store.pin(version, actor="test")
    return store.path


@pytest.fixture(scope="session")
def fifth() -> Publishable:
    """One more version, to be published."""
    return publishable("2026.1.5")
