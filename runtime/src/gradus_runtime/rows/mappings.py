"""A list of mappings, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus_runtime.rows.base import Float32
from gradus_runtime.rows.values import read_mapping

__all__ = ["MappingRows", "is_mapping"]


def is_mapping(value: Any) -> bool:
    """Whether a value can be read by name: a Mapping, or a class with `keys` and `[]`, as a pandas Series."""
    return isinstance(value, Mapping) or (
        hasattr(value, "keys") and hasattr(value, "__getitem__") and not isinstance(value, type)
    )


class MappingRows:
    """Rows that are mappings; an element that is none is a row without any value."""

    def __init__(self, rows: Sequence[Any], names: Sequence[str]) -> None:
        self.count = len(rows)
        self._rows = rows
        self._names = names
        known = set(names)
        first = next((row for row in rows if isinstance(row, Mapping)), {})
        self.ignored = tuple(name for name in first if name not in known)

    def block(self, start: int, stop: int) -> Float32:
        """Return rows as float32; see `Rows.block`."""
        out = np.empty((stop - start, len(self._names)), np.float32)
        for i in range(start, stop):
            row = self._rows[i]
            out[i - start] = read_mapping(row if is_mapping(row) else {}, self._names)
        return out
