"""From pickle files to a built artifact, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradus_convert.artifact import BuiltArtifact
from gradus_convert.isolation import ProcessLimits, call
from gradus_convert.pickles.import_request import ImportRequest, from_json, to_json
from gradus_runtime.contracts import names, strict_json
from gradus_runtime.contracts.digest import sha256_hex
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import DataError, IntegrityError

__all__ = ["build", "default_limits", "import_pickles"]

MIB = 1 << 20
_MEMORY, _MEMORY_TIMES = 4096 * MIB, 128
_SECONDS, _SECONDS_PER_MIB = 900.0, 60.0


def import_pickles(
    request: ImportRequest,
    *,
    limits: ProcessLimits | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> BuiltArtifact:
    """Read pickle or joblib files, compile what they hold, and prove it; nothing of the files is run.

    All of it happens in another process with bounded memory and time, because libraries written in C look at
    what was in the files: what crashes or never ends there is an error here. Publish the result with
    `gradus_convert.publishing.publish.publish_version`.

    Args:
        request: What is imported.
        limits: Of the process; by default by the size of the files (`default_limits`).
        progress: Told what begins.

    Returns:
        The artifact; `remarks` say what a person should know of it.

    Raises:
        GradusError: A file is refused or does not fit, or the proof failed; the message names it.
        EnvironmentFailedError: The process crashed, or took too much memory or time.
    """
    paths = [path for group in request.files.values() for path in group]
    place = ", ".join(map(str, paths))
    with tempfile.TemporaryDirectory(prefix="gradus-import-") as folder:
        task = {"request": to_json(request), "folder": folder}
        limits = limits or default_limits(paths)
        result = call("gradus_convert.pickles.run:build", task, limits, place=place, progress=progress)
        return _read(Path(folder), tuple(map(str, result["remarks"])), place)


def default_limits(paths: list[Path]) -> ProcessLimits:
    """Return what an import of these files may take: 4 GiB and 15 minutes, and more for large files."""
    try:
        size = sum(path.stat().st_size for path in paths)
    except OSError as e:
        raise DataError("a model file must be readable", place=e.filename, cause=e.strerror) from None
    return ProcessLimits(_MEMORY + _MEMORY_TIMES * size, _SECONDS + _SECONDS_PER_MIB * size / MIB)


def build(task: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Do the work of `import_pickles`: run in the other process; writes the artifact's files to a folder."""
    from gradus_convert.artifact import build_artifact
    from gradus_convert.pickles.imported import import_spec

    progress("reading the files")
    built = build_artifact(import_spec(from_json(task["request"])), progress)
    folder = Path(task["folder"])
    for name, data in built.files.items():
        (folder / name).write_bytes(data)
    (folder / names.MANIFEST).write_bytes(built.manifest.to_bytes())
    return {"remarks": list(built.remarks)}


def _read(folder: Path, remarks: tuple[str, ...], place: str) -> BuiltArtifact:
    """Take what the other process wrote, by the manifest: nothing is trusted that does not fit it."""
    with (folder / names.MANIFEST).open("rb") as file:
        manifest = parse(file.read(strict_json.MAX_BYTES + 1), place=place)
    files = {}
    for entry in manifest.files:
        with (folder / entry.name).open("rb") as file:
            data = file.read(entry.size + 1)
        if len(data) != entry.size or sha256_hex(data) != entry.sha256:
            raise IntegrityError("what was built must have the digest of its manifest", place=entry.name)
        files[entry.name] = data
    return BuiltArtifact(manifest, files, remarks)
