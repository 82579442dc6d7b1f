"""Arrays of an npz file, read within a bound: sizes are looked at before a byte is unpacked."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gradus_runtime.errors import DataError, GradusError, let_signals_through

__all__ = ["read"]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DAMAGE = (ValueError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


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
    bound = len(data) if max_bytes is None else max_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > bound:
                rule = f"an npz file must hold at most {bound} bytes of arrays"
                raise error(rule, place=place, value=size)
            found = {}
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name in found:
                    rule = "an npz file must hold arrays NAME.npy alone, each once"
                    raise error(rule, place=place, value=entry.filename)
                with archive.open(entry) as file:
                    found[name] = _array(file, entry.file_size, f"{place}: {name}", error)
            return found
    except _DAMAGE as e:
        let_signals_through(e)
        raise error("an npz file must be readable", place=place, cause=str(e)) from None


def _array(file: IO[bytes], size: int, place: str, error: type[GradusError]) -> NDArray[Any]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise error("an array must be in version 1 or 2 of numpy's format", place=place, value=version)
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise error("an array must hold plain values", place=place, value=str(dtype))
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != size - file.tell():
        raise error(
            "an array must have as many bytes as its shape asks for", place=place, value=size - file.tell()
        )
    flat = np.frombuffer(bytearray(file.read(wanted)), dtype) if wanted else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
