"""Zips in the plainest form there is: what golden rows and golden candles are written in.

Entries lie end to end from the first byte, stored (not compressed), with neither extra fields nor comments,
and the directory and its end follow them. A zip of this form needs no `zipfile`, whose import takes 3 ms of
the way from the start of a process to its first decision. Fields are those of PKWARE's APPNOTE.TXT, sections
4.3.7 (local header), 4.3.12 (directory) and 4.3.16 (its end).
"""

from __future__ import annotations

import struct
from binascii import crc32

__all__ = ["entries"]

_LOCAL = struct.Struct("<4s2xHH4sL2L2H")
_CENTRAL = struct.Struct("<4s4xHH4sL2L3H2x6xL")
"""Signature, flags, method, time, CRC-32, sizes, lengths of name and extra; and of the comment, offset."""
_END = struct.Struct("<4s4H2LH")
_STORED = (0, 0)
"""Flags and method of what is neither compressed nor encrypted nor streamed."""


def entries(data: bytes) -> dict[str, memoryview] | None:
    """Return the bytes of each entry by name, proved against their CRC-32; None if the zip has another form.

    Args:
        data: The whole zip. Entries refer to it, and no two of them to the same byte.
    """
    found: dict[str, memoryview] = {}
    headers: list[tuple[bytes, tuple[bytes | int, ...], int]] = []
    view, at = memoryview(data), 0
    while data.startswith(b"PK\x03\x04", at) and at + _LOCAL.size <= len(data):
        _, flags, method, time, crc, packed, size, length, extra = _LOCAL.unpack_from(data, at)
        body = at + _LOCAL.size + length
        name, content = data[body - length : body], view[body : body + size]
        plain = (flags, method, extra) == (*_STORED, 0) and packed == size == len(content)
        if not (plain and name.isascii() and crc32(content) == crc):
            return None
        headers.append((name, (time, crc, size, size, length), at))
        found[name.decode("ascii")] = content
        at = body + size
    start = at
    for name, fields, offset in headers:
        if at + _CENTRAL.size > len(data):
            return None
        record = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size + len(name)
        if record != (b"PK\x01\x02", *_STORED, *fields, 0, 0, offset) or data[at - len(name) : at] != name:
            return None
    end = _END.pack(b"PK\x05\x06", 0, 0, len(headers), len(headers), at - start, start, 0)
    whole = data[at:] == end and len(found) == len(headers)
    return found if whole else None
