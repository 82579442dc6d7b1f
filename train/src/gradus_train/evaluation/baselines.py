"""What a model has to beat: probabilities that look at no feature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["majority", "priors"]


def priors(train: npt.NDArray[np.int64], rows: int, n_classes: int) -> npt.NDArray[np.float64]:
    """Say the class shares of the training rows for every row, float64 [rows, C].

    Shares are of counts + 1 (Laplace's rule of succession), as a class that was not seen may come.
    """
    counts = np.bincount(train, minlength=n_classes).astype(np.float64) + 1.0
    return np.tile(counts / counts.sum(), (rows, 1))


def majority(train: npt.NDArray[np.int64], rows: int, n_classes: int) -> npt.NDArray[np.float64]:
    """Say the largest class of the training rows, with certainty, for every row, float64 [rows, C]."""
    said = np.zeros((rows, n_classes))
    said[:, np.bincount(train, minlength=n_classes).argmax()] = 1.0
    return said
