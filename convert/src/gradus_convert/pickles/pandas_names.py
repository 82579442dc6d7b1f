"""Column names out of a pandas Index, whichever pandas wrote it: of objects, of numpy text, of Arrow text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gradus_convert.pickles.inert import Inert

__all__ = ["index_values"]

_OFFSETS = {"string": "<i4", "large_string": "<i8"}
_MAX_NAMES = 1 << 20


def index_values(value: Any) -> Any:
    """Return what an Index holds: a list or an array; any other value as it is."""
    if not isinstance(value, Inert) or value.kind.name != "_new_Index" or len(value.args) != 2:
        return value
    data = value.args[1].get("data") if isinstance(value.args[1], dict) else None
    if isinstance(data, Inert) and data.kind.name == "__pyx_unpickle_NDArrayBacked":
        parts = data.state if isinstance(data.state, tuple) else ()
        return next((p for p in parts if isinstance(p, np.ndarray)), None)
    if isinstance(data, Inert):  # StringArray, ArrowStringArray
        held = data.attributes
        return _arrow(held.get("_pa_array", held.get("_data", held.get("_ndarray"))))
    return data


def _arrow(value: Any) -> Any:
    """The texts of a pickled Arrow array, or of the chunks of one; None if it is something else."""
    if not isinstance(value, Inert):
        return value
    if value.kind.name == "chunked_array" and value.args and isinstance(value.args[0], list):
        chunks = [_arrow(chunk) for chunk in value.args[0]]
        return [text for chunk in chunks for text in chunk] if all(chunks) else None
    inner = value.args[0] if len(value.args) == 1 else None
    state = inner if isinstance(inner, tuple) else value.args
    return _texts(state) if value.kind.name == "_restore_array" and len(state) >= 5 else None


def _texts(state: Sequence[Any]) -> list[str] | None:
    """Texts of pyarrow's pickle: type, length, nulls, offset, and buffers (validity, offsets, data)."""
    kind, length, _, offset, buffers = state[:5]
    alias = kind.args[0] if isinstance(kind, Inert) and kind.args else None
    if alias not in _OFFSETS or not isinstance(buffers, list) or len(buffers) != 3:
        return None
    ends, data = (_bytes(b) for b in buffers[1:])
    good = type(length) is int and type(offset) is int and 0 <= offset <= offset + length <= _MAX_NAMES
    if ends is None or data is None or not good:
        return None
    dtype = np.dtype(_OFFSETS[alias])
    if len(ends) < (offset + length + 1) * dtype.itemsize:
        return None
    cuts = np.frombuffer(ends, dtype, offset + length + 1)[offset:].tolist()
    if sorted(cuts) != cuts or not 0 <= cuts[0] <= cuts[-1] <= len(data):
        return None
    return [data[a:b].decode("utf-8", "replace") for a, b in pairwise(cuts)]


def _bytes(buffer: Any) -> bytes | None:
    held = buffer.args[0] if isinstance(buffer, Inert) and buffer.args else None
    return bytes(held) if isinstance(held, bytes | bytearray) else None
