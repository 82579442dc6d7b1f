"""Features: expressions in a causal language, compiled to one graph that trains and that serves."""

from gradus_train.features.builtin import builtin_order
from gradus_train.features.compilation import CompiledFeatures, compile_features, resolved
from gradus_train.features.computation import ComputedFeatures, compute_features, golden_candles
from gradus_train.features.latest import latest_features
from gradus_train.features.settings import FeatureSettings

__all__ = [
    "CompiledFeatures",
    "ComputedFeatures",
    "FeatureSettings",
    "builtin_order",
    "compile_features",
    "compute_features",
    "golden_candles",
    "latest_features",
    "resolved",
]
