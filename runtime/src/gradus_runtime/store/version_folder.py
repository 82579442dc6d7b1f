"""Opening one version of a store by its folder, while others may collect it."""

from __future__ import annotations

import errno

from gradus_runtime.errors import GradusError, IntegrityError
from gradus_runtime.store import disk
from gradus_runtime.store.artifact import Artifact
from gradus_runtime.store.carrier import FolderCarrier

__all__ = ["VanishedError", "open_version"]


class VanishedError(Exception):
    """The version's folder is not there, or was taken away while it was opened. Never leaves the store."""


def open_version(versions: int, version: str, place: str, expected: str | None) -> Artifact:
    """Open a version below an open `versions` folder.

    Args:
        versions: Descriptor of that folder.
        version: A name that was checked.
        place: How errors name the version.
        expected: The digest it must have, if known.

    Raises:
        VanishedError: It is not there, or no longer.
        IntegrityError: It is damaged.
        ManifestError: Its manifest breaks the contract.
        OSError: It cannot be read.
    """
    try:
        folder = disk.open_folder(version, versions)
    except FileNotFoundError:
        raise VanishedError from None
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.ENOTDIR):
            raise IntegrityError("a version must be a folder, not a link", place=place) from None
        raise
    identity = disk.identity(folder)
    try:
        artifact = Artifact(FolderCarrier(folder, place), place, expected=expected)
    except (GradusError, FileNotFoundError):
        if disk.identity_of(version, versions) != identity:
            raise VanishedError from None
        raise
    if artifact.manifest.version != version:
        artifact.close()
        raise IntegrityError(
            "a version must stand in the folder of its name", place=place, value=artifact.manifest.version
        )
    return artifact
