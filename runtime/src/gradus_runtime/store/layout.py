"""Names in a store's folder, and the variable that overrides its pin."""

from __future__ import annotations

import os

from gradus_runtime.errors import StoreError, let_signals_through
from gradus_runtime.store import disk

__all__ = [
    "LOCK",
    "NEW_HISTORY",
    "NEW_LOCK",
    "NEW_PIN",
    "OVERRIDE",
    "STAGED",
    "TRASH",
    "VERSIONS",
    "hint_of_stores",
    "no_store",
]

OVERRIDE = "GRADUS_VERSION"
"""The environment variable that names a version, whatever is pinned."""
VERSIONS = "versions"
"""The folder of the versions."""
STAGED = ".publish-"
"""Prefix of a version's folder while it is being published."""
TRASH = ".trash-"
"""Prefix of a version's folder while it is being removed."""
NEW_PIN = ".pin-"
"""Prefix of the file that becomes the pin."""
NEW_HISTORY = ".history-"
"""Prefix of the file that becomes the history where it had a second name."""
NEW_LOCK = ".lock-"
"""Prefix of the file that becomes the lock where it had a second name."""
LOCK = ".lock"
"""The file that the one command that writes holds locked."""


def no_store(place: str) -> StoreError:
    """The error for a folder that is no store."""
    hint = hint_of_stores(place) or "Publish a first version: gradus publish, or gradus convert."
    return StoreError("a folder with `versions` in it (a store) must exist", place=place, hint=hint)


def hint_of_stores(path: str) -> str:
    """Name the stores in a folder that is none, or beside a path that is not there; else an empty text."""
    try:
        folder = path if disk.is_folder(path) else os.path.dirname(path) or "."
        beside = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        stores = [store for store in beside if disk.is_folder(os.path.join(store, VERSIONS))]
    except OSError as e:
        let_signals_through(e)
        return ""  # the error that is being told has the path
    return f"Stores near it: {', '.join(stores[:5])}." if stores else ""
