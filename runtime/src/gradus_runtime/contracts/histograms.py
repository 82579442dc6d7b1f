"""How a feature's training distribution is described, by whoever describes one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.manifest import Histogram

__all__ = ["describe_column"]

_QUANTILES = np.linspace(0, 1, 13)[1:-1]


def describe_column(values: npt.NDArray[np.floating]) -> tuple[float, float, Histogram] | None:
    """Return minimum, maximum and histogram of a column; None where it holds no finite value.

    The cut points are values that occur: the eleven inner twelfths, each once.

    Args:
        values: float [N]; NaN and infinity are left out.
    """
    column = values[np.isfinite(values)].astype(np.float64)
    if not len(column):
        return None
    column.sort()
    edges = np.unique(np.quantile(column, _QUANTILES, method="nearest"))
    counts = np.bincount(np.searchsorted(edges, column, side="left"), minlength=len(edges) + 1)
    histogram = Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
    return float(column[0]), float(column[-1]), histogram
