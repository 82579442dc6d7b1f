"""`open_artifact`: one door for every way an artifact may be carried."""

from __future__ import annotations

from pathlib import Path

from gradus_runtime.contracts import names
from gradus_runtime.errors import StoreError, UsageError
from gradus_runtime.store import disk, installed
from gradus_runtime.store.artifact import Artifact, resolve_level
from gradus_runtime.store.carrier import FolderCarrier
from gradus_runtime.store.layout import VERSIONS
from gradus_runtime.store.store import Store

__all__ = ["open_artifact"]


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
    path = Path(source)
    with disk.failing("an artifact must be readable", str(source), reading=True):
        if disk.is_folder(path / VERSIONS):
            return Store(path).open(version)
        if disk.is_folder(path.parent / VERSIONS) and not disk.exists(path):
            return _by_old_name(path, version)
        named = path.name == str(source) and path.name.lower().startswith(installed.PREFIX)
        if named and not disk.exists(path):
            return _installed(path.name, version)
        _only_one(version, path)
        if disk.exists(path / names.MANIFEST):
            return Artifact(FolderCarrier(disk.open_folder(path), str(path)), str(path))
        if disk.is_file(path):
            return _zip(path)
    raise StoreError(
        "an artifact must be a store, a version's folder, an exported .zip or an installed distribution",
        place=str(source),
        hint="Publish one: gradus convert --store artifacts/NAME.",
    )


def _zip(path: Path) -> Artifact:
    from gradus_runtime.store.bundle import ZipCarrier

    return Artifact(ZipCarrier(path.resolve(strict=True)), str(path))


def _installed(name: str, version: str | None) -> Artifact:
    _only_one(version, name)
    folder = installed.locate(name)
    return Artifact(FolderCarrier(disk.open_folder(folder), str(folder)), name)


def _by_old_name(path: Path, version: str | None) -> Artifact:
    artifact = Store(path.parent).open(version)
    try:
        artifact.first_level = resolve_level(artifact.manifest, path.name)
    except UsageError:
        artifact.close()
        raise
    return artifact


def _only_one(version: str | None, source: object) -> None:
    if version is not None:
        raise UsageError(
            "a version must be chosen from a store only",
            place=str(source),
            value=version,
            hint="Leave it out.",
        )
