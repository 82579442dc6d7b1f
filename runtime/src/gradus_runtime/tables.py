"""The large constants of a graph, used where they lie.

onnxruntime copies a constant two or three times before it serves: from the file's bytes into what it parses,
from there into a tensor, and into memory of its own. It does none of this for a constant that the caller
hands over (`SessionOptions.add_initializer`). So a graph, verified, is taken apart into a skeleton for
onnxruntime to parse, and arrays that are views of the same bytes.

Source: the messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) in the wire format
of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_BYTES", "Skeleton", "take_apart"]

LEAST_BYTES = 4096
"""Smaller constants stay in the skeleton: copying them costs nothing, and onnxruntime may fold them."""

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 9, 13, 14
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_EXTERNAL = 1
_DTYPES = {1: np.float32, 2: np.uint8, 4: np.uint16, 6: np.int32, 7: np.int64}
"""TensorProto.DataType to numpy: what the converter writes."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A graph without its large constants.

    Attributes:
        model: Its bytes; each constant that was taken out refers to a file named `location` instead.
        tables: The constants by name, views of the bytes that were taken apart. Where there is none to take,
            `model` is the whole.
    """

    model: bytes
    tables: dict[str, NDArray[Any]]


class _Field(NamedTuple):
    """A field of a message: where it starts, and its value: a number, or where its bytes start and stop."""

    number: int
    kind: int
    start: int
    value: int
    stop: int


def take_apart(model: bytes, location: str) -> Skeleton:
    """Take the large constants out of the bytes of an ONNX file.

    What this module cannot read is left as it is: onnxruntime will say what is wrong with it.

    Args:
        model: The file.
        location: The name that a constant's external data shall have.
    """
    whole = Skeleton(model, {})
    if sys.byteorder != "little":
        return whole  # raw_data is little-endian
    try:
        graphs = [f for f in _fields(model, 0, len(model)) if f.number == _GRAPH]
        if len(graphs) != 1 or graphs[0].kind != _BYTES:
            return whole
        (graph,) = graphs
        tables: dict[str, NDArray[Any]] = {}
        pieces: list[bytes] = []
        done = graph.value
        for field in _fields(model, graph.value, graph.stop):
            if field.number != _INITIALIZER or field.kind != _BYTES:
                continue
            taken = _take(model, field, location)
            if taken is None:
                continue
            name, tables[name], rest = taken
            pieces += [model[done : field.start], _message(_INITIALIZER, rest)]
            done = field.stop
    except (ValueError, IndexError, OverflowError):
        return whole
    if not tables:
        return whole
    pieces.append(model[done : graph.stop])
    skeleton = model[: graph.start] + _message(_GRAPH, b"".join(pieces)) + model[graph.stop :]
    return Skeleton(skeleton, tables)


def _take(model: bytes, tensor: _Field, location: str) -> tuple[str, NDArray[Any], bytes] | None:
    """Return the name and the values of a tensor, and the message without them; None if it must stay."""
    dims: list[int] = []
    kind, name, raw = 0, "", None
    kept: list[bytes] = []
    for field in _fields(model, tensor.value, tensor.stop):
        if field.number == _RAW_DATA:
            raw = field
            continue
        kept.append(model[field.start : field.stop])
        if field.number == _DIMS:
            dims += [field.value] if field.kind == _VARINT else _numbers(model, field.value, field.stop)
        elif field.number == _DATA_TYPE:
            kind = field.value
        elif field.number == _NAME:
            name = model[field.value : field.stop].decode()
        elif field.number in (_EXTERNAL_DATA, _DATA_LOCATION):
            return None
    dtype = _DTYPES.get(kind)
    if raw is None or dtype is None or not name:
        return None
    size = raw.stop - raw.value
    if size < LEAST_BYTES or size != math.prod(dims) * np.dtype(dtype).itemsize:
        return None
    values = np.frombuffer(model, dtype, math.prod(dims), raw.value).reshape(dims)
    if not values.flags.aligned:
        values = values.copy()
    entry = _message(1, b"location") + _message(2, location.encode())
    outside = _message(_EXTERNAL_DATA, entry) + _varint(_DATA_LOCATION << 3 | _VARINT) + _varint(_EXTERNAL)
    return name, values, b"".join(kept) + outside


def _fields(data: bytes, start: int, stop: int) -> Iterator[_Field]:
    """Walk the fields of a message.

    Raises:
        ValueError: It is none.
        IndexError: It goes beyond the end of the data.
    """
    at = start
    while at < stop:
        key, after = _number(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, end = _number(data, after)
        elif kind == _BYTES:
            length, value = _number(data, after)
            end = value + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            value, end = after, after + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"a field has wire type {kind}")
        if end > stop:
            raise ValueError("a field goes beyond its message")
        yield _Field(key >> 3, kind, at, value, end)
        at = end


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length number; return it and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number has more than ten bytes")


def _numbers(data: bytes, start: int, stop: int) -> list[int]:
    found = []
    while start < stop:
        value, start = _number(data, start)
        found.append(value)
    return found


def _message(number: int, content: bytes) -> bytes:
    """Write a field that holds bytes."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
