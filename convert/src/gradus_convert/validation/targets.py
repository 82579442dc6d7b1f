"""What a path is, and which checks it gets."""

from __future__ import annotations

import zipfile
from pathlib import Path

from gradus_convert.validation import artifacts, documents
from gradus_convert.validation.findings import Check, attempt
from gradus_runtime.contracts import names, strict_json
from gradus_runtime.errors import GradusError, UsageError
from gradus_runtime.store import disk
from gradus_runtime.store.layout import VERSIONS

__all__ = ["check_path"]


def check_path(path: Path, *, pinned_only: bool = False) -> list[Check]:
    """Check whatever stands at a path.

    Args:
        path: A store, a version's folder, an exported .zip, a `manifest.json`, or a `feature_order.json`.
        pinned_only: Of a store, check only the pinned version.

    Raises:
        UsageError: Nothing is there, or it is nothing of that kind.
    """
    with disk.failing("a path must be readable", str(path), reading=True):
        is_store, is_version = disk.is_folder(path / VERSIONS), disk.exists(path / names.MANIFEST)
        is_there, is_folder = disk.exists(path), disk.is_folder(path)
    if is_store:
        return artifacts.check_store(path, pinned_only=pinned_only)
    if is_version:
        return artifacts.check_artifact(path)
    if is_folder:
        raise _unknown(path, "a folder without manifest.json")
    if not is_there:
        raise UsageError("a path must exist", place=str(path))
    if zipfile.is_zipfile(path):
        return artifacts.check_artifact(path)
    return _document(path)


def _document(path: Path) -> list[Check]:
    data = documents.read(path)
    place = str(path)
    try:
        kind = documents.kind_of(strict_json.parse(data, place=place))
    except GradusError:
        if not path.name.endswith(".json"):
            raise _unknown(path, "a file of another kind") from None
        return [attempt(place, "JSON", place, lambda: strict_json.parse(data, place=place))[0]]
    if kind == "manifest":
        return documents.check_manifest(data, place)
    if kind == "feature_order":
        return documents.check_feature_order(data, place)
    raise _unknown(path, "JSON of another kind")


def _unknown(path: Path, value: str) -> UsageError:
    return UsageError(
        "a path must be a store, a version, an exported .zip, a manifest.json or a feature_order.json",
        place=str(path),
        value=value,
    )
