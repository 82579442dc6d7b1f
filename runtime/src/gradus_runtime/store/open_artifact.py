"""`open_artifact`: one door for every way an artifact may be carried."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gradus_runtime.contracts import names
from gradus_runtime.errors import StoreError, UsageError
from gradus_runtime.store import disk, installed
from gradus_runtime.store.artifact import Artifact, resolve_level
from gradus_runtime.store.carrier import FolderCarrier
from gradus_runtime.store.layout import VERSIONS, hint_of_stores
from gradus_runtime.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_artifact"]

_RULE = "an artifact must be a store, a version's folder, an exported .zip or an installed distribution"


def open_artifact(source: str | Path, version: str | None = None) -> Artifact:
    """Open an artifact for reading, its manifest proved.

    Args:
        source: A store (`artifacts/NAME`: GRADUS_VERSION, else its pin, chooses the version), a version's
            folder, an exported .zip, or the name of an installed distribution (`gradus-artifact-NAME`). A
            store followed by an old name (`artifacts/NAME/production_ensemble.pkl`) opens the store, to be
            served from the level that the manifest's aliases give; that costs a line of deprecation.
        version: Which version of a store, whatever is pinned.

    Returns:
        The artifact. Close it when nothing more is read from it.

    Raises:
        UsageError: A version was asked for where there is only one, or it is not a version's name.
        StoreError: There is nothing of that kind.
        IntegrityError: Bytes are not what manifest, seal or pin say.
        ManifestError: The manifest breaks the contract.
        EnvironmentFailedError: It cannot be read.
    """
    path = disk.plain(source)
    folder, name = os.path.split(path)
    with disk.failing("an artifact must be readable", path, reading=True):
        if disk.is_folder(os.path.join(path, VERSIONS)):
            return Store(path).open(version)
        if disk.is_folder(os.path.join(folder, VERSIONS)) and not disk.exists(path):
            return _by_old_name(folder, name, version)
        if installed.may_be(path) and not disk.exists(path):
            return _installed(path, version)
        _only_one(version, path)
        if disk.exists(os.path.join(path, names.MANIFEST)):
            return Artifact(FolderCarrier(disk.open_folder(path), path), path)
        if disk.is_file(path):
            return _zip(path)
        raise _nothing_to_open(path)


def _nothing_to_open(path: str) -> StoreError:
    """Say what is at the path instead, and which stores are near it: most often a path is misspelt."""
    return StoreError(
        _RULE,
        place=path,
        cause="this folder is none" if disk.exists(path) else "nothing is at this path",
        hint=hint_of_stores(path) or "Publish one: gradus convert --store artifacts/NAME.",
    )


def _zip(path: str) -> Artifact:
    from pathlib import Path

    from gradus_runtime.store.bundle import ZipCarrier

    if not path.lower().endswith(".zip") and not _begins_as_zip(path):
        raise StoreError(
            _RULE,
            place=path,
            cause="this file is none",
            hint="Of model files, gradus import makes a version, and gradus compile an ONNX file.",
        )
    return Artifact(ZipCarrier(Path(path).resolve(strict=True)), path)


def _begins_as_zip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


def _installed(name: str, version: str | None) -> Artifact:
    _only_one(version, name)
    folder = installed.locate(name)
    return Artifact(FolderCarrier(disk.open_folder(folder), folder), name)


def _by_old_name(folder: str, name: str, version: str | None) -> Artifact:
    artifact = Store(folder).open(version)
    try:
        artifact.first_level = resolve_level(artifact.manifest, name)
    except UsageError:
        artifact.close()
        raise
    return artifact


def _only_one(version: str | None, source: str) -> None:
    if version is not None:
        raise UsageError(
            "a version must be chosen from a store only",
            place=source,
            value=version,
            hint="Leave it out.",
        )
