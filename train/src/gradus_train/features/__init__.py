"""The built-in features of a bar, from candles and daily series; only polars, numpy and TA-Lib are needed.

One plan of polars expressions computes them all, for a whole history and for one bar alike. No feature
reaches past a missing bar: smoothing starts again after every gap.
"""

from gradus_train.features.history import HISTORY_BARS, history_bars
from gradus_train.features.latest import latest_features
from gradus_train.features.plan import FeatureSettings, compute_features, known_features

__all__ = [
    "HISTORY_BARS",
    "FeatureSettings",
    "compute_features",
    "history_bars",
    "known_features",
    "latest_features",
]
