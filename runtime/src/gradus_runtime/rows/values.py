"""One value, one column, one mapping: to float32, or to NaN where there is no number."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.errors import let_signals_through
from gradus_runtime.rows.base import Float32

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "FLOAT32_BOUND",
    "by_name",
    "is_text",
    "mask_of",
    "read_column",
    "read_mapping",
    "read_number",
    "read_row",
    "read_value",
]

FLOAT32_BOUND = 2.0**128 - 2.0**103
"""From this magnitude on, a float64 rounds to infinity as float32 (IEEE 754, ties to even)."""

_NAN = math.nan
_NUMERIC_KINDS = "biuf"
_TEXT = (str, bytes, bytearray)
_exact_float = float.conjugate


def is_text(value: Any) -> bool:
    """Whether a value is text, as exchanges send numbers."""
    return issubclass(type(value), _TEXT)


def mask_of(array: Any) -> NDArray[np.bool_] | None:
    """Return the mask of a masked array; None of any other array.

    numpy imports that module when it is first asked for. Who has a masked array has it imported; nobody else
    needs it, and a fork while another thread imports would leave the import locked in the child.
    """
    module = sys.modules.get("numpy.ma")
    masked = getattr(module, "MaskedArray", None)
    if masked is None or not issubclass(type(array), masked):
        return None
    mask: NDArray[np.bool_] = module.getmaskarray(array)  # type: ignore[union-attr]  # it is there
    return mask


def read_number(value: Any) -> float:
    """Return a value as a float, or NaN where it is no number.

    A number is an int, float or bool, a Decimal, a Fraction, a number of numpy, or an array of numpy without
    dimensions that holds one. Values of other classes are none, and nothing of theirs is called: they could
    do or raise anything. Of classes that derive from these, the number that they are is read.
    """
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]  # it is one
    if value is None:
        return _NAN
    if issubclass(kind, float):
        return _exact_float(value)
    if issubclass(kind, int):
        return _ratio(int.__int__(value), 1)
    if issubclass(kind, np.generic):
        return _numpy_number(value)
    if issubclass(kind, np.ndarray):
        return _array_number(value)
    return _other_number(value, kind)


def _ratio(numerator: int, denominator: int) -> float:
    """Return a quotient of whole numbers, rounded once; NaN where it is too large."""
    if numerator.bit_length() - denominator.bit_length() > 1100:
        return _NAN
    try:
        return numerator / denominator
    except OverflowError as e:
        let_signals_through(e)
        return _NAN


def _numpy_number(value: Any) -> float:
    if np.generic.dtype.__get__(value).kind not in _NUMERIC_KINDS:
        return _NAN
    item = np.generic.item(value)
    return read_number(item) if type(item) in (float, int, bool) else np.longdouble.__float__(value)


def _array_number(value: Any) -> float:
    mask = mask_of(value)
    if mask is not None and mask.any():
        return _NAN
    plain = np.ndarray.view(value, np.ndarray)
    if plain.ndim or plain.dtype.kind not in _NUMERIC_KINDS + "O":
        return _NAN
    item = plain[()]
    return _NAN if issubclass(type(item), np.ndarray) else read_number(item)


def _other_number(value: Any, kind: type) -> float:
    """Read a Decimal or Fraction; their modules are there if such a value is."""
    decimals, fractions = sys.modules.get("decimal"), sys.modules.get("fractions")
    if decimals is not None and issubclass(kind, decimals.Decimal):
        number = decimals.Decimal
        return _NAN if number.is_nan(value) else float(number.__float__(value))
    if fractions is not None and kind is fractions.Fraction:
        return _ratio(value.numerator, value.denominator)
    return _NAN


def read_value(value: Any) -> float:
    """Return a value as `read_number` does, but NaN also where it is not finite as float32."""
    if value is None:
        return _NAN
    number = value if type(value) is float else read_number(value)
    return number if -FLOAT32_BOUND < number < FLOAT32_BOUND else _NAN


def read_mapping(row: Any, names: Sequence[str]) -> list[float]:
    """Return the values of `names` in a mapping; NaN where one is absent or no number."""
    return read_row(row, names)[0]


def read_row(row: Any, names: Sequence[str]) -> tuple[list[float], int]:
    """Return the values of `names` in a mapping, NaN where one is absent or no number, and where text stands.

    A mapping is what has `keys()` and `[]`. A name that `keys()` does not list is absent, whatever
    `__missing__` would make of it: nothing is filled that nobody asked for.

    Returns:
        The values, and a mask of those that are text: bit i stands for names[i].
    """
    found = by_name(row)
    given = [found.get(name) for name in names]
    bound = FLOAT32_BOUND
    values = [
        value if type(value) is float and -bound < value < bound else read_value(value) for value in given
    ]
    texts = 0
    for i, value in enumerate(given):
        if type(value) is not float and is_text(value):
            texts |= 1 << i
    return values, texts


def by_name(row: Any) -> dict[str, Any]:
    """Return what stands in a mapping under names that are text, by names that are exactly `str`.

    Of a dict and what derives from it no method is called, and none of a key: those could do or raise
    anything. Other mappings must be asked; one that raises, but for a signal handler, has nothing in it.
    """
    items: Any
    if issubclass(type(row), dict):
        items = dict.items(row)
    else:
        try:
            items = [(key, row[key]) for key in row.keys()]  # noqa: SIM118 (a pandas Series iterates over values)
        except Exception as e:  # somebody's own class, which has to be asked
            let_signals_through(e)
            return {}
    return {
        key if type(key) is str else str.__str__(key): value
        for key, value in items
        if type(key) is str or issubclass(type(key), str)
    }


def read_column(values: Any, out: Float32) -> NDArray[np.bool_] | None:
    """Write a column into `out`, float32 [n]: NaN or infinity where there is no usable number.

    Args:
        values: A numpy array with n values, of any dtype; a masked one has NaN where it is masked.
        out: Where to write; may be a strided view.

    Returns:
        bool [n], which values are text; None if none is.
    """
    array = np.ndarray.view(values, np.ndarray)
    if array.ndim != out.ndim:  # a value of each row that is itself an array
        out[:] = _NAN
        return None
    texts = None
    if array.dtype.kind in _NUMERIC_KINDS:
        if array.dtype.itemsize >= _WIDE.get(array.dtype.kind, _NEVER):
            array = array.astype(np.float64)  # rounded as `decide` rounds: to float64, and from there
        with np.errstate(all="ignore"):
            out[:] = array
    elif array.dtype.kind == "O":
        given = array.tolist()
        out[:] = [read_value(value) for value in given]
        texts = np.array([is_text(value) for value in given], bool)
    else:
        out[:] = _NAN
        if array.dtype.kind in "UST":
            texts = np.ones(len(array), bool)
    mask = mask_of(values)
    if mask is not None:
        out[mask] = _NAN
        texts = None if texts is None else texts & ~mask
    return texts if texts is not None and texts.any() else None


_NEVER = 1 << 30
_WIDE = {"i": 8, "u": 8, "f": 16}
"""Itemsizes from which on numbers of a kind do not all fit a float64."""
