"""Small artifacts and stores on disk, written by hand: without the code that is under test."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from tests.support.manifests import sample_manifest

from gradus_runtime.contracts.manifest import FileEntry, Manifest

SAMPLE_FILES: Mapping[str, bytes] = {
    "golden.npz": b"golden rows" * 9,
    "level1.onnx": b"first graph" * 20,
    "level2.onnx": b"second graph" * 10,
}


def manifest_for(files: Mapping[str, bytes], version: str = "2026.1.4", **changes: object) -> Manifest:
    """The sample manifest, listing these files; `changes` replace fields."""
    entries = tuple(FileEntry(n, hashlib.sha256(b).hexdigest(), len(b)) for n, b in sorted(files.items()))
    return dataclasses.replace(sample_manifest(), version=version, files=entries, **changes)  # type: ignore[arg-type]


def write_version(
    store: Path, version: str, files: Mapping[str, bytes] = SAMPLE_FILES, **changes: object
) -> Path:
    """Write a version's folder into a store and return it."""
    folder = store / "versions" / version
    manifest = manifest_for(files, version, **changes)
    write_folder(folder, manifest.to_bytes(), files)
    return folder


def write_folder(folder: Path, manifest: bytes, files: Mapping[str, bytes]) -> None:
    """Write a version's folder with any bytes as its manifest, sealed."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(manifest)
    seal = f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n"
    (folder / "manifest.sha256").write_text(seal)
    (folder / "build.json").write_text(json.dumps({"created": "2026-01-04T00:00:00Z", "actor": "builder"}))
