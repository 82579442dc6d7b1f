"""The values of a pickle that are rebuilt while it is read: arrays, scalars, and Python's own containers.

Each builder stands for the function of the same name and checks its arguments, because an allowed function
with hostile arguments is not harmless: a codec, a size in the terabytes, an object array from raw bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus_convert.pickles.inert import BrokenPickleError, Global, Inert

__all__ = ["BUILDERS", "DtypeBox", "array_from_bytes", "build_array", "count_items", "is_key"]

_MAX_FIELDS = 64
_MAX_KEY = 16
_KINDS = "biufcSUVO"
_NAMES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
_CODE = re.compile(r"[<>|=]?[A-Za-z?][0-9]{0,9}")


@dataclass(slots=True, eq=False)
class DtypeBox:
    """A dtype that is being rebuilt: pickles create it first and give it byte order and fields afterwards."""

    dtype: np.dtype[Any]

    def set_state(self, state: Any, place: str) -> None:
        """Apply the state that `numpy.dtype.__reduce__` writes.

        Raises:
            BrokenPickleError: It is not such a state.
        """
        if not isinstance(state, tuple) or not 5 <= len(state) <= 9:
            raise BrokenPickleError("a dtype must have numpy's state", place=place)
        order, subarray, names, fields = state[1:5]
        if subarray is not None:
            raise BrokenPickleError("a dtype must not have a subarray", place=place)
        if names is None:
            if order not in ("<", ">", "|", "="):
                raise BrokenPickleError("a dtype must have a byte order", place=place)
            self.dtype = self.dtype.newbyteorder(order) if order in "<>" else self.dtype
            return
        self.dtype = _record(names, fields, self.dtype.itemsize, place)


def _record(names: Any, fields: Any, size: int, place: str) -> np.dtype[Any]:
    if not isinstance(names, tuple) or len(names) > _MAX_FIELDS or not isinstance(fields, dict):
        raise BrokenPickleError("a record dtype must have at most 64 named fields", place=place)
    formats, offsets = [], []
    for name in names:
        entry = fields.get(name) if isinstance(name, str) else None
        if not isinstance(entry, tuple) or len(entry) < 2:
            raise BrokenPickleError("a record dtype must describe each field", place=place)
        box, offset = entry[:2]
        if not isinstance(box, DtypeBox) or type(offset) is not int or box.dtype.hasobject:
            raise BrokenPickleError("a field must be a plain number at an offset", place=place)
        formats.append(box.dtype)
        offsets.append(offset)
    try:
        return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})
    except (TypeError, ValueError) as e:
        raise BrokenPickleError("a record dtype must be consistent", place=place, cause=str(e)) from None


def _dtype(args: tuple[Any, ...], place: str) -> DtypeBox:
    code = args[0] if args else None
    if isinstance(code, Global) and code.module in ("numpy", "builtins"):
        code = {"bool_": "?", "bool": "?", "float": "f8", "int": "i8"}.get(code.name, code.name)
    if not isinstance(code, str) or not (_CODE.fullmatch(code) or code in _NAMES):
        raise BrokenPickleError("a dtype must be named by a short code", place=place)
    try:
        dtype = np.dtype(code)
    except (TypeError, ValueError):
        raise BrokenPickleError("a dtype must be one that numpy knows", place=place, value=code) from None
    if dtype.kind not in _KINDS:
        raise BrokenPickleError("a dtype must be of numbers, text or objects", place=place, value=code)
    return DtypeBox(dtype)


def array_from_bytes(data: Any, dtype: Any, shape: Any, order: Any, place: str) -> np.ndarray[Any, Any]:
    """Return a writable array over a copy of raw bytes.

    Args:
        data: bytes or bytearray of exactly the size that dtype and shape ask for.
        dtype: A `DtypeBox` without objects in it.
        shape: A tuple of non-negative integers.
        order: "C" or "F".
        place: How errors name the position.

    Raises:
        BrokenPickleError: These do not fit together.
    """
    if not isinstance(dtype, DtypeBox) or dtype.dtype.hasobject:
        raise BrokenPickleError("an array of raw bytes must have a dtype without objects", place=place)
    count = count_items(shape, place)
    if not isinstance(data, bytes | bytearray) or len(data) != count * dtype.dtype.itemsize:
        raise BrokenPickleError("an array must have as many bytes as its shape asks for", place=place)
    if order not in ("C", "F", "A"):
        raise BrokenPickleError("an array must be in C or Fortran order", place=place, value=order)
    flat = np.frombuffer(bytearray(data), dtype=dtype.dtype) if count else np.empty(0, dtype.dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def count_items(shape: Any, place: str) -> int:
    """Return how many items an array of this shape has.

    Raises:
        BrokenPickleError: It is not a shape.
    """
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise BrokenPickleError("a shape must be a tuple of at most 8 sizes", place=place)
    count = 1
    for n in shape:
        count *= n
    return count


def build_array(state: Any, place: str) -> np.ndarray[Any, Any]:
    """Return the array that `numpy.ndarray.__setstate__` would have made of an empty one.

    Raises:
        BrokenPickleError: Dtype, shape and content do not fit together.
    """
    if not isinstance(state, tuple) or len(state) != 5:
        raise BrokenPickleError("an array must have numpy's state", place=place)
    _, shape, dtype, fortran, data = state
    if isinstance(data, list) and isinstance(dtype, DtypeBox) and dtype.dtype.hasobject:
        if count_items(shape, place) != len(data):
            raise BrokenPickleError("an array must have as many items as its shape asks for", place=place)
        items = np.empty(len(data), dtype=object)
        for i, item in enumerate(data):
            items[i] = item
        return items.reshape(shape, order="F" if fortran else "C")
    if isinstance(data, str):
        data = _latin1(data, place)
    return array_from_bytes(data, dtype, shape, "F" if fortran else "C", place)


def is_key(value: Any) -> bool:
    """Whether a value may be a key of a mapping or an item of a set: its hash takes no time and runs no code.

    Complex numbers and long integers are none: it is easy to make a million of them with one hash.
    """
    if isinstance(value, tuple):
        return len(value) <= _MAX_KEY and all(not isinstance(v, tuple) and is_key(v) for v in value)
    if isinstance(value, int):
        return value.bit_length() <= 64
    return value is None or isinstance(
        value, str | float | bytes | np.integer | np.floating | np.bool_ | Global | Inert
    )


def _latin1(text: str, place: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BrokenPickleError("bytes written as text must be Latin-1", place=place) from None


def _encode(args: tuple[Any, ...], place: str) -> bytes:
    if len(args) != 2 or not isinstance(args[0], str) or args[1] not in ("latin1", "latin-1"):
        raise BrokenPickleError("_codecs.encode may only turn Latin-1 text into bytes", place=place)
    return _latin1(args[0], place)


def _bytes(args: tuple[Any, ...], place: str) -> bytes:
    if not args:
        return b""
    if len(args) == 1 and isinstance(args[0], bytes | bytearray):
        return bytes(args[0])
    return _encode(args, place)


def _complex(args: tuple[Any, ...], place: str) -> complex:
    if len(args) != 2 or not all(isinstance(a, float) for a in args):
        raise BrokenPickleError("a complex number must have two parts", place=place)
    return complex(*args)


def _set(args: tuple[Any, ...], place: str) -> set[Any]:
    items = args[0] if args else []
    if len(args) > 1 or not isinstance(items, list | tuple) or not all(map(is_key, items)):
        raise BrokenPickleError("a set must be made of a list of plain values", place=place)
    return set(items)


def _mapping(args: tuple[Any, ...], place: str) -> dict[Any, Any]:
    pairs = args[0] if args else []
    if not isinstance(pairs, list) or not all(
        isinstance(p, list | tuple) and len(p) == 2 and is_key(p[0]) for p in pairs
    ):
        raise BrokenPickleError("a mapping must be made of pairs with plain keys", place=place)
    return dict(pairs)


def _default_mapping(args: tuple[Any, ...], place: str) -> dict[Any, Any]:
    return _mapping(args[1:], place)


def _reconstruct(args: tuple[Any, ...], place: str) -> np.ndarray[Any, Any]:
    kinds = (Global("numpy", "ndarray"), Global("numpy", "memmap"))
    if len(args) != 3 or args[0] not in kinds or args[1] != (0,):
        raise BrokenPickleError("an array must start as an empty numpy.ndarray", place=place)
    return np.empty(0)


def _scalar(args: tuple[Any, ...], place: str) -> Any:
    if len(args) != 2:
        raise BrokenPickleError("a numpy scalar must have a dtype and a value", place=place)
    data = _latin1(args[1], place) if isinstance(args[1], str) else args[1]
    return array_from_bytes(data, args[0], (1,), "C", place)[0]


def _from_buffer(args: tuple[Any, ...], place: str) -> np.ndarray[Any, Any]:
    if len(args) not in (4, 5):
        raise BrokenPickleError("an array must have bytes, dtype, shape and order", place=place)
    return array_from_bytes(args[0], args[1], args[2], args[3], place)


Builder = Callable[[tuple[Any, ...], str], Any]

BUILDERS: dict[tuple[str, str], Builder] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytearray"): lambda args, place: bytearray(_bytes(args, place)),
    ("builtins", "bytes"): _bytes,
    ("builtins", "complex"): _complex,
    ("builtins", "frozenset"): lambda args, place: frozenset(_set(args, place)),
    ("builtins", "set"): _set,
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _default_mapping,
    ("numpy", "dtype"): _dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
