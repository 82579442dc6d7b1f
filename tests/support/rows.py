"""Rows that lie on every threshold of a forest, found by plain recursion: an oracle for the packed ones."""

from __future__ import annotations

import numpy as np

from gradus_convert.forest.ir import Forest
from gradus_convert.forest.pruning import restrict

FAR = np.finfo(np.float32).max
INFINITY = np.float32(np.inf)
SPECIAL = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1e-40, -1e-40, 1e-38, -1e-38, 1e-35, -1e-35, 1.1e-35, -1.1e-35, FAR, -FAR],
    np.float32,
)


def after(x: np.float32, towards: np.float32) -> np.float32:
    """The next float32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.nextafter(x, towards)


def boundary_rows(forest: Forest, fill: np.ndarray) -> np.ndarray:
    """For every split that a finite row can reach: its threshold, and both float32 neighbours, on its path.

    Splits on sets of categories are left out with what is below them.
    """
    if forest.views:
        forest = restrict(forest, np.zeros(forest.n_features, np.bool_))
    rows: list[np.ndarray] = []

    def visit(node: int, low: np.ndarray, high: np.ndarray) -> None:
        column = int(forest.feature[node])
        if column < 0 or column >= forest.n_features:
            return
        t = forest.threshold[node]
        for value in (after(t, -INFINITY), t, after(t, INFINITY)):
            if low[column] <= value <= high[column]:
                row = np.clip(fill, low, high)
                row[column] = value
                rows.append(row)
        left, right = high.copy(), low.copy()
        left[column] = min(high[column], t)
        right[column] = max(low[column], after(t, INFINITY))
        if low[column] <= left[column]:
            visit(int(forest.left[node]), low, left)
        if right[column] <= high[column]:
            visit(int(forest.right[node]), right, high)

    width = forest.n_features
    for root in forest.roots.tolist():
        visit(root, np.full(width, -FAR), np.full(width, FAR))
    return np.array(rows, np.float32).reshape(-1, width)


def special_rows(X: np.ndarray) -> np.ndarray:
    """Every special value in every column, and rows of nothing else."""
    fill = X[np.isfinite(X).all(axis=1)][0]
    rows = np.repeat(fill[None], X.shape[1] * len(SPECIAL), axis=0)
    for i in range(len(rows)):
        rows[i, i % X.shape[1]] = SPECIAL[i // X.shape[1]]
    everywhere = np.repeat(SPECIAL[:, None], X.shape[1], axis=1)
    return np.concatenate([rows, everywhere])


def finite(X: np.ndarray) -> np.ndarray:
    """The rows of X that have everything."""
    return X[np.isfinite(X).all(axis=1)]
