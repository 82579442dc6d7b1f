"""What changes a store, as crash tests run it on copies of one store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from gradus_convert.publishing.collect import collect
from gradus_convert.publishing.publish import publish_version
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.store import Store

Publishable = tuple[Manifest, dict[str, bytes]]


def operations(fifth: Publishable) -> dict[str, Callable[[Store], object]]:
    """Publish a fifth version, pin the fourth, roll back from the third, collect all that may go."""
    return {
        "publish": lambda s: publish_version(s.path, *fifth, {}, "test"),
        "pin": lambda s: s.pin("2026.1.4", actor="test"),
        "rollback": lambda s: s.rollback(actor="test"),
        "gc": lambda s: collect(s.path, keep=1, keep_pinned=0, actor="test"),
    }


def copy_of(store: Store, folder: Path) -> Store:
    """A copy of a store in a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(store.path, folder)
    return Store(folder)
