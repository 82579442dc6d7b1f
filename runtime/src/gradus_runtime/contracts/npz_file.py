"""Npz files: written so that their bytes depend on the arrays alone, read within a bound.

Sizes are looked at before a byte is unpacked.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from gradus_runtime.contracts import stored_zip
from gradus_runtime.errors import DataError, GradusError, let_signals_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read", "write"]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_HEADER_BYTES = 16 << 10
"""More than numpy reads of a header."""
_KINDS = frozenset(["<f4", "<f8", "<i8", "<i4", "|i1", "|u1", "|b1"])
"""What golden rows and candles are written in."""


def read(
    data: bytes, *, place: str, max_bytes: int | None = None, error: type[GradusError] = DataError
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file by name.

    Args:
        data: The whole file.
        place: How errors name it.
        max_bytes: Bound of what it holds, unpacked; by default the size of the file, which an npz that is not
            compressed never exceeds.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: it is damaged, holds more than the bound, or anything but arrays of
            numbers and text; or an array has not the bytes that its shape asks for.
    """
    plain = stored_zip.entries(data)
    bound = len(data) if max_bytes is None else max_bytes
    entries: Iterable[tuple[str, bytes | memoryview]]
    entries = _unpacked(data, place, error, bound) if plain is None else plain.items()
    found: dict[str, NDArray[Any]] = {}
    for file, content in entries:
        name = file.removesuffix(".npy")
        if name == file or name in found:
            rule = "an npz file must hold arrays NAME.npy alone, each once"
            raise error(rule, place=place, value=file)
        found[name] = _array(content, f"{place}: {name}", error)
    return found


def write(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return an npz file, not compressed, whose bytes depend on the arrays alone: no times, names sorted.

    Args:
        arrays: By name.
    """
    import zipfile  # a bot reads and writes none

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            npy.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def _unpacked(
    data: bytes, place: str, error: type[GradusError], bound: int
) -> Iterator[tuple[str, bytes | memoryview]]:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > bound:
                raise error(f"an npz file must hold at most {bound} bytes of arrays", place=place, value=size)
            for entry in entries:
                yield entry.filename, archive.read(entry)
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as e:
        let_signals_through(e)
        raise error("an npz file must be readable", place=place, cause=str(e)) from None


def _array(content: bytes | memoryview, place: str, error: type[GradusError]) -> NDArray[Any]:
    head = io.BytesIO(content[:_HEADER_BYTES])
    try:
        version = npy.read_magic(head)
        if version not in _HEADERS:
            raise error("an array must be in version 1 or 2 of numpy's format", place=place, value=version)
        plain = _plain_header(head) if version == (1, 0) else None
        shape, fortran, dtype = plain or _HEADERS[version](head)
    except ValueError as e:
        let_signals_through(e)
        raise error("an npz file must be readable", place=place, cause=str(e)) from None
    if dtype.hasobject:
        raise error("an array must hold plain values", place=place, value=str(dtype))
    wanted, given = math.prod(shape) * dtype.itemsize, len(content) - head.tell()
    if wanted != given:
        raise error("an array must have as many bytes as its shape asks for", place=place, value=given)
    flat = np.frombuffer(bytearray(content[head.tell() :]), dtype) if wanted else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _plain_header(head: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]] | None:
    """Read the header that numpy writes for an array of numbers or text in C order; None for any other.

    numpy reads a header as the Python expression that it may be, which takes ten times as long.
    """
    start = head.tell()
    text = head.read(int.from_bytes(head.read(2), "little")).decode("latin-1")
    kind, digits = text[11:14], text[text.find("(") + 1 : text.find(")")]
    if kind in _KINDS and digits.replace(",", "").replace(" ", "").isdecimal():
        shape = tuple(int(part) for part in digits.split(",") if part)
        if text.rstrip(" \n") == f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}":
            return shape, False, np.dtype(kind)
    head.seek(start)
    return None
