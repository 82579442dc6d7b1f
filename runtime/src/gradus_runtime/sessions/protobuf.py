"""The wire format of protocol buffers, as far as an ONNX file needs it: fields of messages, read and written.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BYTES", "VARINT", "Field", "field_bytes", "fields", "number", "numbers", "varint"]

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5


class Field:
    """A field of a message: where it starts, and its value: a number, or where its bytes start and stop."""

    __slots__ = ("kind", "number", "start", "stop", "value")

    def __init__(self, number: int, kind: int, start: int, value: int, stop: int) -> None:
        self.number = number
        self.kind = kind
        self.start = start
        self.value = value
        self.stop = stop


def fields(data: bytes, start: int, stop: int) -> Iterator[Field]:
    """Walk the fields of a message.

    Raises:
        ValueError: It is none.
        IndexError: It goes beyond the end of the data.
    """
    at = start
    while at < stop:
        key, after = number(data, at)
        kind = key & 7
        if kind == VARINT:
            value, end = number(data, after)
        elif kind == BYTES:
            length, value = number(data, after)
            end = value + length
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            value, end = after, after + (8 if kind == EIGHT_BYTES else 4)
        else:
            raise ValueError(f"a field has wire type {kind}")
        if end > stop:
            raise ValueError("a field goes beyond its message")
        yield Field(key >> 3, kind, at, value, end)
        at = end


def number(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length number; return it and where it ends."""
    byte = data[at]
    if byte < 128:  # nearly all are
        return byte, at + 1
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number has more than ten bytes")


def numbers(data: bytes, start: int, stop: int) -> list[int]:
    """Read variable-length numbers that follow each other."""
    found = []
    while start < stop:
        value, start = number(data, start)
        found.append(value)
    return found


def field_bytes(key: int, content: bytes) -> bytes:
    """Write a field, number `key`, that holds bytes."""
    return varint(key << 3 | BYTES) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Write a variable-length number."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
