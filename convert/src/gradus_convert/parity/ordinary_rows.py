"""Rows of the proof that are not made for a threshold: of the holdout, of the training range, odd values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["SPECIAL", "ordinary_rows", "special_rows"]

Float32 = npt.NDArray[np.float32]

# Zeros of both signs, denormals, LightGBM's band of zero and its float32 neighbours, the largest floats.
_BAND = np.float32(1e-35)
_POSITIVE = [
    np.float32(0.0),
    np.float32(1e-45),
    np.float32(1e-40),
    np.finfo(np.float32).tiny,
    np.nextafter(_BAND, np.float32(0)),
    _BAND,
    np.nextafter(_BAND, np.float32(1)),
    np.finfo(np.float32).max,
]
MOST_VALUES = 4096
"""Values of a column, beyond the special ones, that get a row of their own."""

SPECIAL: Float32 = np.array([sign * x for x in _POSITIVE for sign in (1, -1)], np.float32)


def ordinary_rows(holdout: Float32, low: Float32, high: Float32, count: int, seed: int = 0) -> Float32:
    """At least `count` rows: all complete holdout rows, then random ones.

    Args:
        holdout: float32 [N, F]; a row with NaN is left out.
        low: float32 [F], the smallest training value of each column.
        high: float32 [F], the largest.
        count: How many are wanted.
        seed: Of the random rows, uniform between low and high.
    """
    complete = holdout[np.isfinite(holdout).all(axis=1)]
    missing = max(0, count - len(complete))
    share = np.random.default_rng(seed).random((missing, holdout.shape[1]), np.float32)
    made = low * (np.float32(1) - share) + high * share
    return np.concatenate([complete, made.astype(np.float32)])


def special_rows(rows: Float32, columns: Sequence[Float32] | None = None) -> Float32:
    """Every special value in every column of some row, and rows of one special value throughout.

    Args:
        rows: float32 [N, F].
        columns: For each column, further values; those that every column has go into rows throughout, too.
    """
    width = rows.shape[1]
    single = rows[np.arange(width * len(SPECIAL)) % len(rows)].copy()
    index = np.arange(len(single))
    single[index, index % width] = SPECIAL[index // width]
    parts = [single, np.repeat(SPECIAL[:, None], width, axis=1)]
    shared: set[bytes] | None = None
    for column, values in enumerate(columns or ()):
        few = values if len(values) <= MOST_VALUES else values[:: 1 + len(values) // MOST_VALUES]
        more = rows[np.arange(len(few)) % len(rows)].copy()
        more[:, column] = few
        parts.append(more)
        own = {v.tobytes() for v in few}
        shared = own if shared is None else shared & own
    for value in sorted(shared or ()):
        parts.append(np.full((1, width), np.frombuffer(value, np.float32)[0]))
    return np.concatenate(parts)
