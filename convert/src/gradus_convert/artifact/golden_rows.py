"""Golden rows: rows with the answers that the libraries give, replayed before a level serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["GOLDEN_ROWS", "GOLDEN_TOLERANCE", "choose_golden_rows"]

GOLDEN_ROWS = 32
PARTIAL = 8
# Conversion holds graph and library together within 1e-6; as much again for another onnxruntime or processor.
GOLDEN_TOLERANCE = 2e-6

Float32 = npt.NDArray[np.float32]


def choose_golden_rows(
    holdout: Float32,
    made: Float32,
    columns: Sequence[npt.NDArray[np.intp]],
    may_miss: npt.NDArray[np.bool_] | None = None,
) -> Float32:
    """Take rows for every level, spread over the holdout.

    Args:
        holdout: float32 [N, F], NaN where unavailable.
        made: float32 [M, F], complete rows to take where the holdout has too few.
        columns: The columns each level needs, best level first.
        may_miss: bool [F], the features that rows may lack; by default none.

    Returns:
        float32 [32, F]: 24 complete rows; 8 that lower levels alone can serve, if there are lower levels. Of
        the complete ones the first and every third after it are without what they may lack.
    """
    complete = np.isfinite(holdout).all(axis=1)
    whole = np.concatenate([_spread(holdout[complete], GOLDEN_ROWS), made])[:GOLDEN_ROWS]
    if may_miss is not None and may_miss.any():
        whole[np.ix_(np.arange(0, GOLDEN_ROWS - PARTIAL, 3), np.flatnonzero(may_miss))] = np.nan
    if len(columns) < 2:
        return whole
    partial = []
    for i in range(PARTIAL):
        needed = columns[1 + i % (len(columns) - 1)]
        row = whole[GOLDEN_ROWS - 1 - i].copy()
        absent = np.setdiff1d(np.arange(holdout.shape[1]), needed)
        row[absent] = np.nan
        partial.append(row)
    return np.concatenate([whole[: GOLDEN_ROWS - PARTIAL], np.array(partial, np.float32)])


def _spread(rows: Float32, count: int) -> Float32:
    chosen = np.linspace(0, max(0, len(rows) - 1), min(count, len(rows))).astype(int)
    return np.asarray(rows[np.unique(chosen)])
