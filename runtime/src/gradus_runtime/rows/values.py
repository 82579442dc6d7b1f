"""One value, one column, one mapping: to float32, or to NaN where there is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.rows.base import Float32

__all__ = ["FLOAT32_BOUND", "PLAIN_NUMBERS", "read_column", "read_mapping", "read_value"]

FLOAT32_BOUND = 2.0**128 - 2.0**103
"""From this magnitude on, a float64 rounds to infinity as float32 (IEEE 754, ties to even)."""

_INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
PLAIN_NUMBERS = frozenset((float, int, bool, np.bool_, np.float16, np.float32, np.float64, *_INTEGERS))
"""Types whose values `struct` turns into float32 as `read_value` does, or refuses."""

_NAN = math.nan
_NUMERIC_KINDS = "biuf"


def read_value(value: Any) -> float:
    """Return a value as a float that is finite as float32, or NaN where it is no such number.

    A number is what `float()` takes without being text: int, float, bool, Decimal, Fraction, a numpy scalar
    or an array without dimensions. Not: None, text, bytes, complex, dates, durations, sequences, infinity.
    """
    if type(value) is not float:
        if value is None or isinstance(value, str | bytes | bytearray):
            return _NAN
        if isinstance(value, np.generic | np.ndarray) and (
            value.ndim or value.dtype.kind not in _NUMERIC_KINDS + "O" or getattr(value, "mask", False)
        ):
            return _NAN
        try:
            value = float(value)
        except Exception:  # a value may be of any class, and raise anything
            return _NAN
    return value if -FLOAT32_BOUND < value < FLOAT32_BOUND else _NAN


def read_mapping(row: Any, names: Sequence[str]) -> list[float]:
    """Return the values of `names` in a mapping; NaN where one is absent or no number.

    A mapping is what has `keys()` and `[]`. A name that `keys()` does not list is absent, whatever
    `__missing__` would make of it: nothing is filled that nobody asked for.
    """
    if type(row) is not dict:
        row = _plain(row)
    get = row.get
    bound = FLOAT32_BOUND
    return [
        value if type(value := get(name)) is float and -bound < value < bound else read_value(value)
        for name in names
    ]


def _plain(row: Any) -> Mapping[Any, Any]:
    if isinstance(row, dict):
        return dict(row)
    try:
        return {key: row[key] for key in row.keys()}  # noqa: SIM118 (a pandas Series iterates over values)
    except Exception:  # somebody's own class: what cannot be read is absent
        return {}


def read_column(values: Any, out: Float32) -> None:
    """Write a column into `out`, float32 [n]: NaN or infinity where there is no usable number.

    Args:
        values: A numpy array with n values, of any dtype; a masked one has NaN where it is masked.
        out: Where to write; may be a strided view.
    """
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind in _NUMERIC_KINDS:
        with np.errstate(over="ignore", invalid="ignore"):
            out[:] = array
        mask = getattr(values, "mask", None)
        if mask is not None and isinstance(mask, np.ndarray | np.bool_):
            out[np.broadcast_to(mask, out.shape)] = _NAN
    elif array.dtype.kind == "O":
        out[:] = [read_value(value) for value in array.tolist()]
    else:
        out[:] = _NAN
