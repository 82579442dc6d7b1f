"""Opens pickle and joblib files, compressed or not, within a bound of memory."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from pathlib import Path
from typing import Any, Protocol

from gradus_convert.pickles import machine
from gradus_convert.pickles.inert import BrokenPickleError, UnsafePickleError
from gradus_convert.pickles.weight import check_weight
from gradus_runtime.errors import DataError

__all__ = ["MAX_BYTES", "read_pickle"]

MAX_BYTES = 1 << 30
_STEP = 1 << 20


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...


def read_pickle(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a pickle or joblib file into inert values; nothing of it is run.

    Args:
        path: A file by `pickle.dump` or `joblib.dump`; zlib, gzip, bz2, xz and lzma are recognised.
        max_bytes: Bound of the file, and of what it decompresses to.

    Raises:
        DataError: The file cannot be read, or is not a pickle.
        UnsafePickleError: It asks for what models do not need, or for too much memory.
    """
    place = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as e:
        raise DataError("a model file must be readable", place=place, cause=e.strerror) from None
    if len(data) > max_bytes:
        raise _too_large(place, max_bytes)
    stream = io.BytesIO(_decompress(data, place, max_bytes))
    size = len(stream.getbuffer())
    root = machine.load(stream, place=place)
    check_weight(root, size, place)
    if stream.read(1):
        raise BrokenPickleError("a file must end with its pickle", place=place)
    return root


def _decompress(data: bytes, place: str, max_bytes: int) -> bytes:
    decompressor: _Decompressor | None = None
    if data[:2] == b"\x1f\x8b":
        decompressor = _Zlib(zlib.decompressobj(wbits=31))
    elif data[:1] == b"\x78":
        decompressor = _Zlib(zlib.decompressobj())
    elif data[:3] == b"BZh":
        decompressor = bz2.BZ2Decompressor()
    elif data[:6] == b"\xfd7zXZ\x00" or data[:3] == b"\x5d\x00\x00":
        decompressor = lzma.LZMADecompressor(memlimit=256 << 20)
    elif data[:2] == b"ZF" or data[:4] == b"\x04\x22\x4d\x18":
        raise BrokenPickleError(
            "a joblib file must be compressed by zlib, gzip, bz2, xz or lzma, or not at all",
            place=place,
            hint="Load it where it was written and dump it again with compress=0.",
        )
    if decompressor is None:
        return data
    return _bounded(decompressor, data, place, max_bytes)


class _Zlib:
    """zlib with the interface of bz2 and lzma: it keeps its own unread input."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        result: bytes = self.inner.decompress(self.inner.unconsumed_tail + data, max_length)
        return result

    @property
    def eof(self) -> bool:
        return bool(self.inner.eof)


def _bounded(decompressor: _Decompressor, data: bytes, place: str, max_bytes: int) -> bytes:
    result = bytearray()
    pending = data
    try:
        while not decompressor.eof:
            part = decompressor.decompress(pending, _STEP)
            pending = b""
            result += part
            if len(result) > max_bytes:
                raise _too_large(place, max_bytes)
            if not part and not decompressor.eof:
                raise BrokenPickleError("a compressed file must be complete", place=place)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as e:
        raise BrokenPickleError("a compressed file must be complete", place=place, cause=str(e)) from None
    return bytes(result)


def _too_large(place: str, max_bytes: int) -> UnsafePickleError:
    return UnsafePickleError(
        f"a model file must be at most {max_bytes} bytes, also when decompressed",
        place=place,
        hint="Raise --max-bytes if you trust the file and the machine has the memory.",
    )
