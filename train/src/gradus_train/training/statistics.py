"""Training range and distribution of every feature: the reference that drift is measured against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.manifest import Histogram
from gradus_runtime.contracts.run_folder import FeatureStatistics

__all__ = ["feature_statistics"]

_QUANTILES = np.linspace(0, 1, 13)[1:-1]


def feature_statistics(
    names: tuple[str, ...], rows: npt.NDArray[np.float32]
) -> tuple[FeatureStatistics, ...]:
    """Describe each feature over the training rows that have it.

    The cut points are values that occur: the eleven inner twelfths, each once. A feature that no row has is
    left out.

    Args:
        names: Feature names [F].
        rows: float32 [N, F]; NaN where unavailable.
    """
    result = []
    for i, name in enumerate(names):
        column = rows[:, i].astype(np.float64)
        column = np.sort(column[np.isfinite(column)])
        if len(column):
            edges = np.unique(np.quantile(column, _QUANTILES, method="nearest"))
            counts = np.bincount(np.searchsorted(edges, column, side="left"), minlength=len(edges) + 1)
            histogram = Histogram(tuple(float(e) for e in edges), tuple(int(n) for n in counts))
            result.append(FeatureStatistics(name, float(column[0]), float(column[-1]), histogram))
    return tuple(result)
