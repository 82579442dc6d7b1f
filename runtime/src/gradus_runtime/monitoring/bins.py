"""Values of features counted into the histograms of a manifest, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import let_signals_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bins", "Parts", "float32_edges"]

_FEW = 32
"""Up to so many edges are compared with all values at once; among more they are searched."""


class Bins:
    """The bins of all features with a histogram, side by side.

    A value lies in the bin whose number is how many edges are below it. So a count needs no bin of any value:
    how many values are above each edge is enough, and that is one comparison for an edge of all features.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._sizes = [0 if f.histogram is None else len(f.histogram.edges) + 1 for f in manifest.features]
        self._starts = np.cumsum([0, *self._sizes])
        self.nothing: NDArray[np.int64] = np.zeros(self._starts[-1], np.int64)
        self._features = manifest.features
        self._columns: NDArray[np.intp] | None = None

    def _lay_out(self) -> NDArray[np.intp]:
        """Lay the edges side by side, at the first count: many processes end before it."""
        given = [i for i, size in enumerate(self._sizes) if size]
        given.sort(key=lambda i: -self._sizes[i])  # those that have a j-th edge stand before the others
        columns = np.array(given, np.intp)
        self._edges = [float32_edges(f.histogram.edges) for i in given if (f := self._features[i]).histogram]
        self._many = sum(len(edges) > _FEW for edges in self._edges)
        few = self._edges[self._many :]
        most = len(few[0]) if few else 0
        self._upto = [sum(len(edges) > j for edges in few) for j in range(most)]
        self._cuts = np.full((most, len(few), 1), np.inf, np.float32)
        for k, edges in enumerate(few):
            self._cuts[: len(edges), k, 0] = edges
        first, size = self._starts[columns], np.array(self._sizes, np.intp)[columns]
        number = np.arange(most + 1)[:, None]
        self._is_bin = number < size[self._many :]
        self._place = (first[self._many :] + number)[self._is_bin]
        self._many_starts = first[: self._many].tolist()
        self._columns = columns  # last: an alarm before it leaves nothing half made
        return columns

    def arrange(self, values: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return those of the values [n, F] that are counted, float32 [K, n]; NaN where one is not usable."""
        columns = self._lay_out() if self._columns is None else self._columns
        arranged = values.T[columns]
        if not usable.all():
            arranged[~usable.T[columns]] = np.nan
        return arranged

    def count(self, arranged: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count what `arrange` returned, or some of its rows [K, m], by bin: int64 [W]."""
        counts = self.nothing.copy()
        rows = arranged.shape[1]
        for k in range(self._many):
            edges, values, first = self._edges[k], arranged[k], self._many_starts[k]
            own = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
            own[-1] -= rows - np.count_nonzero(values == values)  # NaN is sorted behind the last edge
            counts[first : first + len(own)] = own
        few = arranged[self._many :]
        above = np.zeros((len(self._cuts) + 2, len(few)), np.int64)  # the first: of values that are no NaN
        marks = _Marks(len(few), rows)
        np.equal(few, few, out=marks.of)
        above[0] = marks.ones(len(few))
        for j, upto in enumerate(self._upto):
            np.greater(few[:upto], self._cuts[j, :upto], out=marks.of[:upto])
            above[j + 1, :upto] = marks.ones(upto)
        counts[self._place] = (above[:-1] - above[1:])[self._is_bin]
        return counts

    def of(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count values [n, F] by bin: int64 [W]; those that are not finite are in none."""
        return self.count(self.arrange(values, np.isfinite(values)))

    def split(self, bins: NDArray[np.int64]) -> tuple[NDArray[np.int64] | None, ...]:
        """Return the counts by feature, int64 [bins] each; None where the manifest has no histogram."""
        return tuple(
            bins[start : start + size] if size else None
            for start, size in zip(self._starts.tolist(), self._sizes, strict=False)
        )


class Parts:
    """Values [n, F] counted by bin in parts, in any thread."""

    def __init__(self, bins: Bins, values: NDArray[np.float32]) -> None:
        self._bins, self._values = bins, values
        self._counted: list[tuple[int, NDArray[np.int64]]] = []

    def count(self, first: int, last: int) -> None:
        """Count rows `first` to `last`; where there is no memory for it they are not counted here."""
        try:
            with np.errstate(all="ignore"):
                self._counted.append((last - first, self._bins.of(self._values[first:last])))
        except MemoryError as e:
            let_signals_through(e)

    def total(self) -> NDArray[np.int64] | None:
        """Return the counts of all rows, int64 [W]; None where some were not counted."""
        if sum(rows for rows, _ in self._counted) != len(self._values):
            return None
        return sum((counts for _, counts in self._counted), self._bins.nothing)


class _Marks:
    """A mark for each value of some features, `of`: bool [K, n].

    Eight marks are one whole number of 64 bits, and 255 such numbers may be added before a byte of their sum
    runs over: half of the time that counting each feature's marks takes.
    """

    def __init__(self, features: int, rows: int) -> None:
        words = max(1, -(-rows // 8))
        parts = -(-words // 255)
        each = -(-words // parts)
        marks = np.zeros((features, 8 * parts * each), np.bool_)
        self.of = marks[:, :rows]
        self._words = marks.view(np.uint64).reshape(features, parts, each)

    def ones(self, upto: int) -> NDArray[np.int64]:
        """Count the marks of each of the first `upto` features: int64 [upto]."""
        sums: NDArray[np.uint64] = np.add.reduce(self._words[:upto], axis=2)
        counts: NDArray[np.int64] = np.add.reduce(sums.view(np.uint8), axis=1, dtype=np.int64)
        return counts


def float32_edges(edges: Sequence[float]) -> NDArray[np.float32]:
    """Round edges down to float32 [k]: the same float32 values are above them."""
    exact = np.asarray(edges, np.float64)
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
