"""Few rows for many boxes: boxes of different trees that overlap share a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_convert.parity.boxes import LARGEST, Boxes

__all__ = ["Packing"]

_POOL = 8192
_TRIES = 24
_BATCH = 2048


class Packing:
    """Takes in boxes, and makes rows so that every box has one of them inside.

    Boxes are intersected greedily: each tries some partners in a pool and joins the first that it overlaps.
    The same boxes, in the same order, give the same rows.

    Args:
        source: float32 [R, F], finite: values for the columns that no box bounds.
        seed: Of the choice of partners.
    """

    def __init__(self, source: npt.NDArray[np.float32], seed: int = 0) -> None:
        self._source, self._random = source, np.random.default_rng(seed)
        self._low = np.full((_POOL, source.shape[1]), -LARGEST, np.float32)
        self._high = -self._low
        self._count = np.zeros(_POOL, np.int64)
        self._row = np.arange(_POOL)
        self._next = _POOL
        self._done: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []

    def add(self, boxes: Boxes) -> npt.NDArray[np.int64]:
        """Take in boxes, and return for each the number of the row that will be inside it: int64 [B]."""
        parts = [self._add(boxes.take(slice(i, i + _BATCH))) for i in range(0, len(boxes), _BATCH)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def rows(self) -> npt.NDArray[np.float32]:
        """Return all rows by their numbers: float32 [N, F]. Call it once, at the end."""
        self._flush(np.arange(_POOL))
        result = np.empty((self._next - _POOL, self._source.shape[1]), np.float32)
        for numbers, rows in self._done:
            result[numbers] = rows
        self._done.clear()
        return result

    def _add(self, batch: Boxes) -> npt.NDArray[np.int64]:
        numbers = np.full(len(batch), -1, np.int64)
        open_ = np.arange(len(batch))
        partners = self._random.permutation(_POOL)
        for attempt in range(_TRIES):
            chosen = np.roll(partners, attempt * (_POOL // _TRIES))[: len(open_)]
            joined = self._join(batch.take(open_), chosen)
            numbers[open_[joined]] = self._row[chosen[joined]]
            open_ = open_[~joined]
        if len(open_):
            fullest = np.argsort(-self._count, kind="stable")[: len(open_)]
            self._flush(fullest)
            self._join(batch.take(open_), fullest)
            numbers[open_] = self._row[fullest]
        return numbers

    def _join(self, batch: Boxes, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Intersect each box with its partner where they overlap; say where."""
        place = (chosen[:, None], batch.columns)
        low = np.maximum(self._low[place], batch.low)
        high = np.minimum(self._high[place], batch.high)
        fits = np.asarray((low <= high).all(axis=1))
        place = (chosen[fits, None], batch.columns[fits])
        self._low[place], self._high[place] = low[fits], high[fits]
        self._count[chosen[fits]] += 1
        return fits

    def _flush(self, which: npt.NDArray[np.int64]) -> None:
        """Put boxes away as rows, and boxes without bounds, of a new number, in their place."""
        source = self._source[self._row[which] % len(self._source)]
        self._done.append((self._row[which], np.clip(source, self._low[which], self._high[which])))
        self._low[which], self._high[which], self._count[which] = -LARGEST, LARGEST, 0
        self._row[which] = self._next + np.arange(len(which))
        self._next += len(which)
