"""A version as a wheel: `pip install gradus-artifact-NAME==VERSION` deploys it, and rolls it back.

Pure, deterministic, and without code but for a docstring: the files lie in the package's folder `artifact`,
and the distribution registers itself in the entry-point group `gradus.artifacts`. The format is PyPA's binary
distribution format 1.0; RECORD's digests are SHA-256 in URL-safe base64 without padding.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import gradus_runtime
from gradus_convert.publishing.export import Written, artifact_files, write_out
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.store.artifact import Artifact
from gradus_runtime.store.bundle import zip_bytes
from gradus_runtime.store.installed import FOLDER, GROUP, PREFIX

__all__ = ["distribution_name", "write_wheel"]

_WHEEL = b"Wheel-Version: 1.0\nGenerator: gradus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def distribution_name(manifest: Manifest) -> str:
    """Name of the distribution that carries an artifact: `gradus-artifact-NAME`."""
    return PREFIX + manifest.name


def write_wheel(artifact: Artifact, folder: Path) -> Written:
    """Write the wheel of a version. The same version gives the same bytes.

    Args:
        artifact: The version; every file is proved.
        folder: Where the wheel goes; its name is given by PEP 427.

    Raises:
        IntegrityError: A file differs from the manifest.
        UsageError: Another file of the wheel's name is there.
        EnvironmentFailedError: It cannot be written.
    """
    manifest = artifact.manifest
    package = distribution_name(manifest).replace("-", "_")
    stem = f"{package}-{manifest.version}"
    info = f"{stem}.dist-info"
    files = {f"{package}/{FOLDER}/{name}": data for name, data in artifact_files(artifact).items()}
    files[f"{package}/__init__.py"] = _module(artifact).encode()
    files[f"{info}/METADATA"] = _metadata(artifact).encode()
    files[f"{info}/WHEEL"] = _WHEEL
    files[f"{info}/entry_points.txt"] = f"[{GROUP}]\n{distribution_name(manifest)} = {package}\n".encode()
    record = "".join(f"{name},sha256={_digest(files[name])},{len(files[name])}\n" for name in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return write_out(folder / f"{stem}-py3-none-any.whl", zip_bytes(files))


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _module(artifact: Artifact) -> str:
    m = artifact.manifest
    return f'"""The artifact {m.name} {m.version}, digest {artifact.digest}: data for gradus_runtime."""\n'


def _until(artifact: Artifact) -> str:
    end = artifact.manifest.provenance.data_end
    return "" if end is None else f", data until {end}"


def _metadata(artifact: Artifact) -> str:
    m = artifact.manifest
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {distribution_name(m)}\n"
        f"Version: {m.version}\n"
        f"Summary: The gradus artifact {m.name}{_until(artifact)}\n"
        "Requires-Python: >=3.11\n"
        f"Requires-Dist: gradus-runtime>={gradus_runtime.__version__}\n"
    )
