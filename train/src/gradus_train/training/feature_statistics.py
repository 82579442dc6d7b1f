"""Training range and distribution of every feature: the reference that drift is measured against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.histograms import describe_column
from gradus_runtime.contracts.run_folder import FeatureStatistics

__all__ = ["feature_statistics"]


def feature_statistics(
    names: tuple[str, ...], rows: npt.NDArray[np.float32]
) -> tuple[FeatureStatistics, ...]:
    """Describe each feature over the training rows that have it.

    A feature that no row has is left out.

    Args:
        names: Feature names [F].
        rows: float32 [N, F]; NaN where unavailable.
    """
    result = []
    for i, name in enumerate(names):
        found = describe_column(rows[:, i])
        if found is not None:
            result.append(FeatureStatistics(name, *found))
    return tuple(result)
