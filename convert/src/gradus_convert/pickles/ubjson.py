"""Reads Universal Binary JSON, as XGBoost writes it, with every length held to what is there.

Format: https://ubjson.org (draft 12). XGBoost's buffers use it, with int64 lengths and typed arrays.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["loads"]

_MAX_DEPTH = 32
_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_ARRAYS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS: dict[bytes, Any] = {b"Z": None, b"T": True, b"F": False}


def loads(data: bytes) -> Any:
    """Return the value that the whole of `data` encodes.

    Raises:
        ValueError: It is not UBJSON, is cut, nested too deep, or has a duplicate key.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError(f"bytes after the value at {reader.at}")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError(f"{count} bytes are not there at {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, mark: bytes) -> int | float:
        if mark not in _NUMBERS:
            raise ValueError(f"no number at {self.at}")
        form = _NUMBERS[mark]
        value: int | float = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def length(self) -> int:
        value = self.number(self.take(1))
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"no length at {self.at}")
        return value

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, mark: bytes, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH}")
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark == b"S":
            return self.text()
        if mark == b"[":
            return self.array(depth + 1)
        if mark == b"{":
            return self.object(depth + 1)
        return self.number(mark)

    def array(self, depth: int) -> list[Any]:
        mark = self.take(1)
        kind = None
        if mark == b"$":
            kind, mark = self.take(1), self.take(1)
        if mark == b"#":
            count = self.length()
            if kind is not None:
                return self.typed(kind, count)
            return [self.value(self.take(1), depth) for _ in range(count)]
        if kind is not None:
            raise ValueError(f"a typed array without a length at {self.at}")
        items = []
        while mark != b"]":
            items.append(self.value(mark, depth))
            mark = self.take(1)
        return items

    def typed(self, kind: bytes, count: int) -> list[Any]:
        if kind not in _ARRAYS:
            raise ValueError(f"no type of numbers at {self.at}")
        dtype = np.dtype(_ARRAYS[kind])
        items: list[Any] = np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist()
        return items

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        mark = self.take(1)
        while mark != b"}":
            self.at -= 1
            key = self.text()
            if key in found:
                raise ValueError(f"key {key!r} occurs twice")
            found[key] = self.value(self.take(1), depth)
            mark = self.take(1)
        return found
