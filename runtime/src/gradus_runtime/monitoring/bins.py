"""Values of features as places in the histograms of a manifest, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import Manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bins"]


class Bins:
    """The bins of all features with a histogram, side by side."""

    def __init__(self, manifest: Manifest) -> None:
        self._edges = [
            None if f.histogram is None else np.asarray(f.histogram.edges, np.float64)
            for f in manifest.features
        ]
        self._columns = np.array([i for i, e in enumerate(self._edges) if e is not None], np.intp)
        sizes = [0 if e is None else len(e) + 1 for e in self._edges]
        self._starts = np.cumsum([0, *sizes])
        self.nothing: NDArray[np.int64] = np.zeros(self._starts[-1], np.int64)

    def places(self, values: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the bin of each value of those features, intp [K, n]; beyond the last for none."""
        places = np.empty((len(self._columns), len(values)), np.intp)
        for k, i in enumerate(self._columns):
            edges = self._edges[i]
            if edges is not None:
                places[k] = self._starts[i] + np.searchsorted(edges, values[:, i], side="left")
        places[~usable[:, self._columns].T] = len(self.nothing)
        return places

    def count(self, places: NDArray[np.intp]) -> NDArray[np.int64]:
        """Count places, int64 [W]."""
        return np.bincount(places.ravel(), minlength=len(self.nothing) + 1)[:-1]

    def split(self, bins: NDArray[np.int64]) -> tuple[NDArray[np.int64] | None, ...]:
        """Return the counts by feature, int64 [bins] each; None where the manifest has no histogram."""
        return tuple(
            None if e is None else bins[start : start + len(e) + 1]
            for e, start in zip(self._edges, self._starts, strict=False)
        )
