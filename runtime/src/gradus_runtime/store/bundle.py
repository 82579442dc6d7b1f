"""A version as one reproducible .zip: its layout, and the carrier that reads it.

The layout is fixed, so that one version has one zip: entries sorted by name, stored (not compressed), dated
1980-01-01, mode 0644, with no extra fields, no comments, and nothing before, between or after them. A reader
that accepts only this needs no decompressor, and no bomb fits through. Fields are those of PKWARE's
APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (directory) and 4.3.16 (its end).
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from gradus_runtime.contracts.manifest.rules import MAX_FILE_BYTES, MAX_TOTAL_BYTES
from gradus_runtime.errors import IntegrityError
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk
from gradus_runtime.store.carrier import MAX_ENTRIES, is_still, lost

__all__ = ["ZipCarrier", "zip_bytes"]

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_NEEDED, _MADE_BY, _DATE, _MODE = 20, 3 << 8 | 20, 1 << 5 | 1, 0o100644 << 16
_MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of the zip: CRC-32 and size of its bytes, offset of its local header."""

    name: bytes
    crc: int
    size: int
    offset: int

    def local(self) -> bytes:
        """The header before its bytes."""
        fields = (_NEEDED, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\x03\x04", *fields) + self.name

    def central(self) -> bytes:
        """Its record in the directory."""
        fields = (_MADE_BY, _NEEDED, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(self.name))
        return _CENTRAL.pack(b"PK\x01\x02", *fields, 0, 0, 0, 0, _MODE, self.offset) + self.name


def _end(count: int, length: int, start: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, length, start, 0)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return the one zip of these files; names are ASCII."""
    body, directory = bytearray(), bytearray()
    for name in sorted(files):
        data = files[name]
        entry = _Entry(name.encode("ascii"), zlib.crc32(data), len(data), len(body))
        body += entry.local() + data
        directory += entry.central()
    return bytes(body + directory + _end(len(files), len(directory), len(body)))


class ZipCarrier:
    """The files of an exported zip. It holds the zip open, and reads entries where they lie.

    Args:
        path: The zip.

    Raises:
        IntegrityError: It is not a zip as gradus exports it, to the byte.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._place = str(path)
        self._path = path.absolute()
        self._entries: dict[str, tuple[int, int]] = {}
        self._descriptor = -1
        folder = disk.open_folder(path.parent)
        try:
            self._descriptor, self._size = disk.open_file(folder, path.name, place=str(path.parent))
        finally:
            os.close(folder)
        self._identity = disk.identity(self._descriptor)
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def _scan(self) -> None:
        self._need(_END.size < self._size <= MAX_TOTAL_BYTES + (4 << 20), "a zip must be of a plausible size")
        end = disk.read_exactly(self._descriptor, _END.size, self._size - _END.size)
        _, _, _, _, count, length, start, _ = _END.unpack(end)
        self._need(
            end == _end(count, length, start), "a zip must end with its directory and nothing after it"
        )
        fits = 1 <= count <= MAX_ENTRIES and length <= MAX_ENTRIES * (_CENTRAL.size + _MAX_NAME)
        fits = fits and start + length + _END.size == self._size
        self._need(fits, "a zip's directory must fit its size")
        directory = disk.read_exactly(self._descriptor, length, start)
        at, offset, before = 0, 0, b""
        for _ in range(count):
            self._need(at + _CENTRAL.size <= length, "a zip's directory must hold its entries")
            fields = _CENTRAL.unpack_from(directory, at)
            name = directory[at + _CENTRAL.size : at + _CENTRAL.size + min(fields[10], _MAX_NAME)]
            entry = _Entry(name, fields[7], fields[9], offset)
            record = entry.central()
            self._need(directory.startswith(record, at), "an entry must be stored plainly, without extras")
            self._need(name > before and name.isascii(), "entries must be sorted, each once")
            self._need(entry.size <= MAX_FILE_BYTES, f"an entry must have at most {MAX_FILE_BYTES} bytes")
            header = entry.local()
            found = disk.read_exactly(self._descriptor, len(header), offset)
            self._need(found == header, "an entry's header must agree with the directory")
            self._entries[name.decode("ascii")] = (offset + len(header), entry.size)
            at, offset, before = at + len(record), offset + len(header) + entry.size, name
        self._need(at == length and offset == start, "nothing must stand between the entries of a zip")

    def _need(self, holds: bool, rule: str) -> None:
        if not holds:
            raise IntegrityError(rule, place=self._place, hint="Export the version again: gradus export.")

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each entry."""
        return {name: size for name, (_, size) in self._entries.items()}

    def read(self, name: str, size: int) -> bytes:
        """Return up to `size` bytes of an entry."""
        offset, length = self._entries[name]
        if not is_still(self._descriptor, self._identity):
            raise lost()
        return disk.read_exactly(self._descriptor, min(size, length), offset)

    def opened_again(self) -> ZipCarrier:
        """Open the same zip anew, by its path.

        Raises:
            IntegrityError: As for a new one.
            OSError: It cannot be opened.
        """
        if not is_still(self._descriptor, self._identity):
            self._descriptor = -1  # somebody closed it: its number may soon be that of the same zip, anew
        return ZipCarrier(self._path)

    def close(self) -> None:
        """Close the zip."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0 and is_still(descriptor, self._identity):
            os.close(descriptor)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not finalizing():  # then the system closes them, and `os` may be gone
            self.close()
