"""Figures of merit of probabilities against labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

__all__ = ["ReliabilityBin", "Scores", "expected_calibration_error", "reliability", "score"]

_SMALLEST = 1e-15
_BINS = 15


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures over some rows.

    `log_loss` is the mean natural logarithm of the probability of the true class, negated, probabilities
    taken as at least 1e-15; `brier` the mean over rows of the sum over classes of squared differences (Brier,
    1950: 0 to 2); `ece` the expected calibration error of the highest probability over 15 equal bins (Guo et
    al., On Calibration of Modern Neural Networks, 2017). `confusion[t][p]` counts rows of class t taken for
    class p.
    """

    rows: int
    accuracy: float
    precision_macro: float
    precision_weighted: float
    recall_macro: float
    recall_weighted: float
    f1_macro: float
    f1_weighted: float
    log_loss: float
    brier: float
    ece: float
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose probability of a class lies in one tenth: how many, the mean said, the share that came."""

    rows: int
    said: float
    came: float


def score(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> Scores:
    """Measure probabilities.

    Args:
        labels: Class indices, int64 [N], N at least 1.
        probabilities: float64 [N, C]; rows sum to 1.

    Returns:
        The figures. A class that neither occurs nor is predicted counts 0 in macro means.
    """
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    means = {}
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, predicted, labels=classes, average=average, zero_division=0
        )
        means[average] = (float(precision), float(recall), float(f1))
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], _SMALLEST, 1.0)
    one_hot = np.eye(len(classes))[labels]
    confusion = sk.confusion_matrix(labels, predicted, labels=classes)
    return Scores(
        rows=len(labels),
        accuracy=float((predicted == labels).mean()),
        precision_macro=means["macro"][0],
        precision_weighted=means["weighted"][0],
        recall_macro=means["macro"][1],
        recall_weighted=means["weighted"][1],
        f1_macro=means["macro"][2],
        f1_weighted=means["weighted"][2],
        log_loss=float(-np.log(chosen).mean()),
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        ece=expected_calibration_error(labels, probabilities),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
    )


def expected_calibration_error(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> float:
    """Return the mean, over rows, of |accuracy - confidence| of the row's bin of confidence."""
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    place = np.clip((confidence * _BINS).astype(np.int64), 0, _BINS - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def reliability(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], index: int, bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Compare the probabilities said for one class with how often it came; empty bins are left out."""
    said = probabilities[:, index]
    came = (labels == index).astype(np.float64)
    place = np.clip((said * bins).astype(np.int64), 0, bins - 1)
    result = []
    for b in range(bins):
        inside = place == b
        if inside.any():
            result.append(
                ReliabilityBin(int(inside.sum()), float(said[inside].mean()), float(came[inside].mean()))
            )
    return tuple(result)
