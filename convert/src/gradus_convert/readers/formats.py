"""Which library wrote a model file, by what is in it: a name says little."""

from __future__ import annotations

import json
from pathlib import Path

from gradus_convert.readers.table import READERS
from gradus_runtime.errors import DataError, EnvironmentFailedError
from gradus_runtime.store import disk

__all__ = ["PICKLE", "format_of", "known_files"]

PICKLE = "pickle"
"""What `format_of` calls a pickle, compressed or not; every other format has the name of its reader."""

_START = 4096
_PACKED = (b"\x1f\x8b", b"\x78", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"ZF", b"\x04\x22\x4d\x18")
_PICKLES = (".pkl", ".pickle", ".joblib")


def format_of(path: Path) -> str:
    """Return what a model file is: the name of its reader, or `PICKLE`.

    Raises:
        DataError: It is no regular file, or of no known form.
        EnvironmentFailedError: It cannot be read.
    """
    place = str(path)
    with disk.failing("the model must be readable", place, reading=True):
        is_there, is_regular = disk.exists(path), disk.is_file(path)
    if not is_there:
        raise DataError("a model file must exist", place=place)
    if not is_regular:
        raise DataError("a model must be a regular file", place=place)
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as e:
        raise EnvironmentFailedError("the model must be readable", place=place, cause=e.strerror) from None
    found = _of_start(start) or _of_name(path)
    if found is None and start.lstrip()[:1] == b"{":
        found = _of_json(path)
    if found is None:
        raise DataError(f"a model file must be {known_files()}, or a pickle", place=place)
    return found


def known_files() -> str:
    """Return how the files of the libraries are called, for messages and help."""
    return ", ".join(reader.files.words for reader in READERS.values())


def _of_start(start: bytes) -> str | None:
    for name, reader in READERS.items():
        if start.startswith(reader.files.starts):
            return name
    is_pickle = start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"
    return PICKLE if is_pickle or start.startswith(_PACKED) else None


def _of_name(path: Path) -> str | None:
    ending = path.suffix.lower()
    for name, reader in READERS.items():
        if ending in reader.files.endings:
            return name
    return PICKLE if ending in _PICKLES else None


def _of_json(path: Path) -> str | None:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    for name, reader in READERS.items():
        if reader.files.key is not None and reader.files.key in document:
            return name
    return None
