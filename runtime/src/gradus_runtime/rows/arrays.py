"""A numpy array with the names of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.rows.base import Float32, Rows, Texts
from gradus_runtime.rows.values import mask_of, read_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArrayRows", "StructuredRows", "find_columns"]


def find_columns(present: Sequence[Any], names: Sequence[str]) -> tuple[NDArray[np.intp], tuple[Any, ...]]:
    """Return, for each of `names`, its place among the columns `present` (-1: absent), and the other columns.

    Raises:
        UsageError: A feature's name stands over two columns.
    """
    places: dict[Any, int] = {}
    wanted = set(names)
    ignored = []
    for i, name in enumerate(present):
        if not issubclass(type(name), str) or (name := str.__str__(name)) not in wanted:
            ignored.append(name)
        elif name in places:
            raise UsageError("a feature must be one column", place="columns", value=name)
        else:
            places[name] = i
    return np.array([places.get(name, -1) for name in names], np.intp), tuple(ignored)


class ArrayRows(Rows):
    """An array [n, columns] of any dtype and layout."""

    def __init__(self, array: NDArray[Any], present: Sequence[Any], names: Sequence[str]) -> None:
        if array.ndim != 2:
            raise UsageError(
                "an array must have two dimensions, rows and columns",
                place="table",
                value=array.shape,
                hint="One row: array.reshape(1, -1).",
            )
        if array.shape[1] != len(present):
            raise UsageError(
                "an array must have a column for each name",
                place="table",
                value=array.shape,
                hint=f"There are {len(present)} names.",
            )
        if mask_of(array) is None:
            array = np.ndarray.view(array, np.ndarray)  # a matrix has no one-dimensional columns
        self.count = array.shape[0]
        self.texts = Texts(self.count)
        self._array = array
        self._places, self.ignored = find_columns(present, names)
        width = len(names)
        self._in_order = array.shape[1] == width and bool((self._places == np.arange(width)).all())
        self._direct = (
            self._in_order
            and type(array) is np.ndarray
            and array.dtype == np.dtype(np.float32)
            and array.flags.c_contiguous
            and array.flags.aligned
        )

    def block(self, start: int, stop: int) -> Float32:
        """Return rows as float32; a view if the array is float32, in C order, its columns in order."""
        part = self._array[start:stop]
        if self._direct:
            return part
        out = np.empty((stop - start, len(self._places)), np.float32)
        if self._in_order and part.dtype.kind in "biuf":
            read_column(part, out)
            return out
        for i, place in enumerate(self._places.tolist()):
            if place < 0:
                out[:, i] = np.nan
            else:
                self.texts.note(start, i, read_column(part[:, place], out[:, i]))
        return out


class StructuredRows(Rows):
    """A structured array [n]: its fields are the columns."""

    def __init__(self, array: NDArray[Any], names: Sequence[str]) -> None:
        fields = array.dtype.names or ()
        if array.ndim != 1:
            raise UsageError("a structured array must have one dimension", place="table", value=array.shape)
        self.count = array.shape[0]
        self.texts = Texts(self.count)
        self._array = array
        self._fields = [name if name in fields else None for name in names]
        wanted = set(names)
        self.ignored = tuple(name for name in fields if name not in wanted)

    def block(self, start: int, stop: int) -> Float32:
        """Return rows as float32; see `Rows.block`."""
        part = self._array[start:stop]
        out = np.full((stop - start, len(self._fields)), np.nan, np.float32)
        for i, name in enumerate(self._fields):
            if name is not None and part[name].ndim == 1:
                self.texts.note(start, i, read_column(part[name], out[:, i]))
        return out
