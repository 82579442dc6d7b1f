"""A list of mappings, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus_runtime.rows.base import Float32, Rows, Texts
from gradus_runtime.rows.values import by_name, read_row

__all__ = ["MappingRows", "is_column", "is_mapping"]


def is_mapping(value: Any) -> bool:
    """Whether a value can be read by name: its class has `keys` and `[]`, as a dict or a pandas Series."""
    kind = type(value)
    return kind is dict or (kind is not type and _defines(kind, "keys") and _defines(kind, "__getitem__"))


def is_column(value: Any) -> bool:
    """Whether a value is a column: a list, a tuple, a one-dimensional array, or a Series."""
    kind = type(value)
    if kind is float or kind is int or kind is str or value is None:
        return False
    if issubclass(kind, np.ndarray):
        return bool(value.ndim == 1)
    if issubclass(kind, np.generic):
        return False
    return issubclass(kind, list | tuple) or (_defines(kind, "to_numpy") and _defines(kind, "__len__"))


def _defines(kind: type, name: str) -> bool:
    """Whether a class or one that it derives from defines a name; asks nothing of the class itself."""
    return any(name in _namespace(each) for each in _bases(kind))


_bases = type.__dict__["__mro__"].__get__
_namespace = type.__dict__["__dict__"].__get__


class MappingRows(Rows):
    """Rows that are mappings; an element that is none is a row without any value."""

    def __init__(self, rows: Sequence[Any], names: Sequence[str]) -> None:
        self.count = len(rows)
        self.texts = Texts(self.count)
        self._rows = rows
        self._names = names
        known = set(names)
        first: Any = next((row for row in rows if is_mapping(row)), {})
        self.ignored = tuple(name for name in by_name(first) if name not in known)

    def block(self, start: int, stop: int) -> Float32:
        """Return rows as float32; see `Rows.block`."""
        out = np.empty((stop - start, len(self._names)), np.float32)
        for i in range(start, stop):
            row = self._rows[i]
            values, texts = read_row(row if is_mapping(row) else {}, self._names)
            out[i - start] = values
            if texts:
                self.texts.note(i, (texts & -texts).bit_length() - 1, _ONE)
        return out


_ONE = np.ones(1, np.bool_)
