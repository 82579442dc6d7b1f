"""What users of an ensemble object ask of it: a summary of the model, a check of its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from gradus_runtime.contracts.manifest import Level, Manifest
from gradus_runtime.decision import Predictions

__all__ = ["ModelInfo", "PredictionSummary", "model_info", "summarise"]


class ModelInfo(TypedDict):
    """What `Predictor.get_model_info()` returns; `n_features`, members and weights are of `level`."""

    type: str
    n_features: int
    individual_models: list[str]
    weights: dict[str, float]
    version: str
    level: str


class PredictionSummary(TypedDict):
    """What `Predictor.validate_predictions()` returns; ranges are (lowest, highest), None without rows."""

    n_samples: int
    prediction_range: tuple[int, int] | None
    probability_range: tuple[float, float] | None
    action_ratios: dict[str, float]
    mean_confidence: float | None


def model_info(manifest: Manifest, level: Level) -> ModelInfo:
    """Summarise a level of an artifact."""
    return {
        "type": f"{level.vote} vote of {len(level.members)}",
        "n_features": len(manifest.level_features(level)),
        "individual_models": [member.name for member in level.members],
        "weights": {member.name: member.weight for member in level.members},
        "version": manifest.version,
        "level": level.name,
    }


def summarise(predictions: Predictions) -> PredictionSummary:
    """Summarise predictions; predictions are indices of classes, ratios are shares of rows by action."""
    n = len(predictions)
    if not n:
        return {
            "n_samples": 0,
            "prediction_range": None,
            "probability_range": None,
            "action_ratios": dict.fromkeys(predictions.classes, 0.0),
            "mean_confidence": None,
        }
    ratios: Mapping[str, float] = {
        name: float((predictions.actions == name).sum()) / n for name in predictions.classes
    }
    indices = [i for i, name in enumerate(predictions.classes) if ratios[name]]
    return {
        "n_samples": n,
        "prediction_range": (min(indices), max(indices)),
        "probability_range": (float(predictions.probabilities.min()), float(predictions.probabilities.max())),
        "action_ratios": dict(ratios),
        "mean_confidence": float(predictions.confidences.mean(dtype=np.float64)),
    }
