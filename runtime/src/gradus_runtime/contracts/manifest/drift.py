"""How much a week of a feature usually differs from its past: what `drift` of the manifest says."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradus_runtime.records import dataclass

if TYPE_CHECKING:  # commands read manifests without numpy
    import numpy as np
    import numpy.typing as npt

__all__ = ["DAYS", "REASONS", "Drift", "FeatureDrift", "distance"]

DAYS = 7
"""Days of rows that are compared with training, at most."""

REASONS = ("calendar", "excluded", "not monitorable", "no whole week")
"""Why a feature has no alarm level.

"calendar": it follows from the clock alone. "excluded": the configuration leaves it out. "not monitorable":
its weeks differ so much from their past that no shift could be told from that. "no whole week": no fold has a
week of it.
"""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """A feature's alarm levels; its reference is its histogram.

    Attributes:
        name: Of the feature.
        alarms: Distances (`distance`) above which the latest 1, 2, ... 7 days of rows drifted: 7 numbers in
            (0, 1]; empty where there are none.
        shift: The smallest shift of all values of a week, up or down, that alarms, in the feature's unit;
            None without alarms.
        deviations: The same in standard deviations of the training rows.
        reason: Why there are no alarm levels, one of `REASONS`; None where there are.
    """

    name: str
    alarms: tuple[float, ...]
    shift: float | None
    deviations: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Alarm levels of all features, from the walk-forward folds of training.

    Attributes:
        rows_per_day: Rows that a day of training had, as a whole number; a week is seven times as many.
        weeks: Windows of a week that were looked at, by feature at most.
        features: Every feature, in the order of the full vector.
    """

    rows_per_day: int
    weeks: int
    features: tuple[FeatureDrift, ...]


def distance(expected: "Sequence[int] | npt.NDArray[np.int64]", served: "npt.NDArray[np.int64]") -> float:
    """Return the Kolmogorov-Smirnov distance of two samples that are counted in the same bins, in [0, 1].

    It is the largest difference of their cumulative shares at an edge. (N. Smirnov, "Table for Estimating the
    Goodness of Fit of Empirical Distributions", Annals of Mathematical Statistics 19, 1948.)

    Args:
        expected: Counts by bin, int64 [B], at least one row.
        served: Counts by bin, int64 [B], at least one row.
    """
    import numpy as np

    before, after = np.cumsum(np.asarray(expected, np.int64)), np.cumsum(served)
    return float(np.abs(before / before[-1] - after / after[-1]).max())
