"""Names in a store's folder, and the variable that overrides its pin."""

from __future__ import annotations

from gradus_runtime.errors import StoreError

__all__ = [
    "LOCK",
    "NEW_HISTORY",
    "NEW_LOCK",
    "NEW_PIN",
    "OVERRIDE",
    "STAGED",
    "TRASH",
    "VERSIONS",
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
    hint = "Publish a first version: gradus publish, or gradus convert."
    return StoreError("a folder with `versions` in it (a store) must exist", place=place, hint=hint)
