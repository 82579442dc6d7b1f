"""Rare classes: weights, and synthetic rows. Both see the rows that a model is fitted on, and no others."""

from __future__ import annotations

import numpy as np

from gradus_train.training.member import Features, RowNumbers, Weights

__all__ = ["class_weights", "oversample"]

_NEIGHBOURS = 5


def class_weights(y: RowNumbers, n_classes: int, power: float) -> Weights:
    """Return the weight of each class, float64 [C]: (N / (C n_c)) ** power.

    With a power of 1 it is scikit-learn's "balanced" (King and Zeng, Logistic Regression in Rare Events Data,
    2001). A class without rows weighs 1.
    """
    counts = np.bincount(y, minlength=n_classes).astype(np.float64)
    ratio = np.divide(counts.sum(), n_classes * counts, out=np.ones(n_classes), where=counts > 0)
    return np.asarray(ratio**power, dtype=np.float64)


def oversample(X: Features, y: RowNumbers, seed: int) -> tuple[Features, RowNumbers]:
    """Add synthetic rows until every class has as many as the largest (SMOTE, Chawla et al., 2002).

    A class of fewer than 2 rows has no neighbours to interpolate with and stays as it is; one of 2 to 5 rows
    uses all its neighbours.
    """
    from imblearn.over_sampling import SMOTE  # slow to import, and most runs do without

    classes, counts = np.unique(y, return_counts=True)
    target = int(counts.max())
    grow = {int(c): target for c, n in zip(classes, counts, strict=True) if 2 <= n < target}
    if not grow:
        return X, y
    fewest = min(int(n) for c, n in zip(classes, counts, strict=True) if int(c) in grow)
    sampler = SMOTE(
        sampling_strategy=grow,
        k_neighbors=min(_NEIGHBOURS, fewest - 1),
        random_state=np.random.RandomState(seed),
    )
    more_X, more_y = sampler.fit_resample(X, y)
    return np.ascontiguousarray(more_X, dtype=np.float32), np.asarray(more_y, dtype=np.int64)
