"""How versions travel: exported as one zip, imported again, published from a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gradus_convert.publishing.publish import VersionFolder, publish_version
from gradus_runtime.contracts import names
from gradus_runtime.errors import UsageError
from gradus_runtime.store import disk, open_artifact
from gradus_runtime.store.artifact import Artifact, seal
from gradus_runtime.store.bundle import zip_bytes
from gradus_runtime.store.whole_file import write_whole

__all__ = ["Written", "artifact_files", "export_zip", "import_artifact", "write_out"]


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: where, and the SHA-256 of its bytes."""

    path: Path
    sha256: str
    size: int


def artifact_files(artifact: Artifact) -> dict[str, bytes]:
    """Every file of an artifact, proved, its manifest and seal among them.

    Raises:
        IntegrityError: A file differs from the manifest.
    """
    files = {entry.name: artifact.read(entry.name) for entry in artifact.manifest.files}
    return {**files, names.MANIFEST: artifact.manifest_bytes, names.SEAL: seal(artifact.digest)}


def export_zip(artifact: Artifact, out: Path) -> Written:
    """Write a version as one zip. The same version gives the same bytes, everywhere.

    Raises:
        IntegrityError: A file differs from the manifest.
        UsageError: Another file is there already.
        EnvironmentFailedError: It cannot be written.
    """
    return write_out(out, zip_bytes(artifact_files(artifact)))


def import_artifact(source: Path, store_path: Path, actor: str | None = None) -> VersionFolder:
    """Publish an exported zip, or a version's folder, into a store; checks are those of publishing.

    Raises:
        GradusError: As `open_artifact` and `publish_version`.
    """
    with open_artifact(source) as artifact:
        files = {entry.name: artifact.read(entry.name) for entry in artifact.manifest.files}
        return publish_version(
            store_path,
            artifact.manifest,
            files,
            {"imported_from": source.name},
            actor,
            manifest_bytes=artifact.manifest_bytes,
        )


def write_out(path: Path, data: bytes) -> Written:
    """Write a file whole, synced, beside no half of it; the same bytes again change nothing.

    Raises:
        UsageError: Another file is there already.
        EnvironmentFailedError: It cannot be written.
    """
    written = Written(path, hashlib.sha256(data).hexdigest(), len(data))
    with disk.failing("a file must be writable", str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if disk.exists(path):
            if disk.is_file(path) and path.read_bytes() == data:
                return written
            raise UsageError("the file must not exist already", place=str(path), hint="Remove it first.")
    write_whole(path, data)
    return written
