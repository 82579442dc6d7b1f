"""The large constants of a graph, used where they lie.

onnxruntime copies a constant two or three times before it serves: from the file's bytes into what it parses,
from there into a tensor, and into memory of its own. It does none of this for a constant that the caller
hands over (`SessionOptions.add_initializer`). So a graph, verified, is taken apart into a skeleton for
onnxruntime to parse, and arrays that are views of the same bytes.

Source: the messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.contracts.graph import LARGE_CONSTANT
from gradus_runtime.errors import let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.sessions.protobuf import BYTES, VARINT, Field, field_bytes, fields, numbers, varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SplitModel", "take_apart"]

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 9, 13, 14
_EXTERNAL = 1
_DTYPES = {1: np.float32, 2: np.uint8, 4: np.uint16, 6: np.int32, 7: np.int64, 11: np.float64}
"""TensorProto.DataType to numpy: what the converter writes."""


@dataclass(frozen=True, slots=True)
class SplitModel:
    """A graph without its large constants.

    Attributes:
        model: Its bytes; each constant that was taken out refers to a file named `location` instead.
        tables: The constants by name, views of the bytes that were taken apart. Where there is none to take,
            `model` is the whole.
    """

    model: bytes
    tables: dict[str, NDArray[Any]]


def take_apart(model: bytes, location: str) -> SplitModel:
    """Take the large constants out of the bytes of an ONNX file.

    What this module cannot read is left as it is: onnxruntime will say what is wrong with it.

    Args:
        model: The file.
        location: The name that a constant's external data shall have.
    """
    whole = SplitModel(model, {})
    if sys.byteorder != "little":
        return whole  # raw_data is little-endian
    try:
        graphs = [f for f in fields(model, 0, len(model)) if f.number == _GRAPH]
        if len(graphs) != 1 or graphs[0].kind != BYTES:
            return whole
        (graph,) = graphs
        tables: dict[str, NDArray[Any]] = {}
        pieces: list[bytes] = []
        done = graph.value
        for field in fields(model, graph.value, graph.stop):
            if field.number != _INITIALIZER or field.kind != BYTES:
                continue
            taken = _take(model, field, location)
            if taken is None:
                continue
            name, tables[name], rest = taken
            pieces += [model[done : field.start], field_bytes(_INITIALIZER, rest)]
            done = field.stop
    except (ValueError, IndexError, OverflowError) as e:
        let_signals_through(e)
        return whole
    if not tables:
        return whole
    pieces.append(model[done : graph.stop])
    skeleton = model[: graph.start] + field_bytes(_GRAPH, b"".join(pieces)) + model[graph.stop :]
    return SplitModel(skeleton, tables)


def _take(model: bytes, tensor: Field, location: str) -> tuple[str, NDArray[Any], bytes] | None:
    """Return the name and the values of a tensor, and the message without them; None if it must stay."""
    dims: list[int] = []
    kind, name, raw = 0, "", None
    kept: list[bytes] = []
    for field in fields(model, tensor.value, tensor.stop):
        if field.number == _RAW_DATA:
            raw = field
            continue
        kept.append(model[field.start : field.stop])
        if field.number == _DIMS:
            dims += [field.value] if field.kind == VARINT else numbers(model, field.value, field.stop)
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
    if size < LARGE_CONSTANT or size != math.prod(dims) * np.dtype(dtype).itemsize:
        return None
    values = np.frombuffer(model, dtype, math.prod(dims), raw.value).reshape(dims)
    if not values.flags.aligned:
        values = values.copy()
    entry = field_bytes(1, b"location") + field_bytes(2, location.encode())
    outside = field_bytes(_EXTERNAL_DATA, entry) + varint(_DATA_LOCATION << 3 | VARINT) + varint(_EXTERNAL)
    return name, values, b"".join(kept) + outside
