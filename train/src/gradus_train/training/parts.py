"""Finished parts of a run on disk, so that an interrupted run goes on where it stopped.

A part file is named by level, member, fold and the digest of all that the part depends on, and starts with
the SHA-256 of its payload. It is written beside its place, synced and renamed: a part is whole or absent. One
that is not whole all the same (a failed disk) does not verify and is trained again.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradus_runtime.store.whole_file import write_whole
from gradus_train.training.fitting import FittedPart

__all__ = ["PartKey", "PartStore", "decode_part", "encode_part"]

_MAGIC = b"gradus-part/1\n"


@dataclass(frozen=True, slots=True)
class PartKey:
    """A part: level, member, fold ("fold1" ..., or "final"), and the digest of its inputs."""

    level: str
    member: str
    fold: str
    digest: str

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.level}.{self.member}.{self.fold}.{self.digest[:32]}.part"

    def __str__(self) -> str:
        return f"{self.level} {self.member} {self.fold}"


def encode_part(part: FittedPart) -> bytes:
    """Return a part as the bytes of its file: a digest, and arrays without any pickle."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        model=np.frombuffer(part.model, dtype=np.uint8),
        classes=np.array(part.classes, dtype=np.int64),
        rounds=np.int64(part.rounds),
        probabilities=part.probabilities,
        importances=part.importances,
    )
    payload = buffer.getvalue()
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload


def decode_part(data: bytes) -> FittedPart | None:
    """Return the part that bytes hold, or None where they do not verify."""
    start = len(_MAGIC) + 65
    payload = data[start:]
    if data[:start] != _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n":
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return FittedPart(
            model=arrays["model"].tobytes(),
            classes=tuple(int(c) for c in arrays["classes"]),
            rounds=int(arrays["rounds"]),
            probabilities=arrays["probabilities"],
            importances=arrays["importances"],
        )


class PartStore:
    """The folder of part files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, key: PartKey, data: bytes) -> None:
        """Write a part, as `encode_part` returns it; it is on disk when this returns."""
        write_whole(self.folder / key.file, data)

    def load(self, key: PartKey) -> FittedPart | None:
        """Return a part, or None where it is absent or does not verify."""
        try:
            return decode_part((self.folder / key.file).read_bytes())
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Remove all parts, and what an interrupted write left."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.suffix in (".part", ".tmp"):
                    path.unlink()
