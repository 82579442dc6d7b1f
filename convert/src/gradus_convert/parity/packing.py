"""Few rows for many boxes: boxes of different trees that overlap share a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_convert.parity.boxes import LARGEST, Boxes, join

__all__ = ["Packing"]

_TRIES = 24

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


class Packing:
    """Takes in boxes, and makes rows so that every box has one of them inside.

    Boxes are intersected greedily: each tries some partners in a pool and joins the first that it overlaps.
    The same boxes, in the same order, give the same rows.

    Args:
        source: float32 [R, F], finite: values for the columns that no box bounds.
        pool: How many rows are open to further boxes at a time; at least 4.
        seed: Of the choice of partners.
    """

    def __init__(self, source: Float32, pool: int = 8192, seed: int = 0) -> None:
        self._source, self._random = source, np.random.default_rng(seed)
        self._pool, self._batch = pool, pool // 4
        self._low = np.full((pool, source.shape[1]), -LARGEST, np.float32)
        self._high = -self._low
        self._count = np.zeros(pool, np.int64)
        self._row = np.arange(pool)
        self._next = pool
        self._waiting: dict[int, list[Boxes]] = {}
        self._placed: list[tuple[Int64, Int64]] = []
        self._done: list[tuple[Int64, Float32]] = []

    def add(self, boxes: Boxes) -> None:
        """Take in boxes, at most some thousands."""
        waiting = self._waiting.setdefault(boxes.columns.shape[1], [])
        waiting.append(boxes)
        if sum(len(b) for b in waiting) >= self._batch:
            self._place(join(waiting))
            waiting.clear()

    def finish(self) -> tuple[Float32, Int64, Int64]:
        """Return the rows float32 [N, F], and for each box the row inside it and its tree, both int64 [B]."""
        for waiting in self._waiting.values():
            if waiting:
                self._place(join(waiting))
        self._flush(np.arange(self._pool))
        rows = np.empty((self._next, self._source.shape[1]), np.float32)
        for numbers, made in self._done:
            rows[numbers] = made
        nothing = np.zeros(0, np.int64)
        row, tree = (np.concatenate(p) for p in zip((nothing, nothing), *self._placed, strict=True))
        used, row = np.unique(row, return_inverse=True)
        return rows[used], row, tree

    def _place(self, boxes: Boxes) -> None:
        for start in range(0, len(boxes), self._batch):
            batch = boxes.take(slice(start, start + self._batch))
            self._placed.append((self._rows_of(batch), batch.trees))

    def _rows_of(self, batch: Boxes) -> Int64:
        numbers = np.full(len(batch), -1, np.int64)
        left = np.arange(len(batch))
        partners = np.tile(self._random.permutation(self._pool), 2)
        for attempt in range(_TRIES):
            start = attempt * (self._pool // _TRIES)
            chosen = partners[start : start + len(left)]
            joined = self._join(batch.take(left), chosen)
            numbers[left[joined]] = self._row[chosen[joined]]
            left = left[~joined]
        if len(left):
            fullest = np.argsort(-self._count, kind="stable")[: len(left)]
            self._flush(fullest)
            self._join(batch.take(left), fullest)
            numbers[left] = self._row[fullest]
        return numbers

    def _join(self, batch: Boxes, chosen: Int64) -> npt.NDArray[np.bool_]:
        """Intersect each box with its partner where they overlap; say where."""
        place = (chosen[:, None], batch.columns)
        low = np.maximum(self._low[place], batch.low)
        high = np.minimum(self._high[place], batch.high)
        fits = np.asarray((low <= high).all(axis=1))
        place = (chosen[fits, None], batch.columns[fits])
        self._low[place], self._high[place] = low[fits], high[fits]
        self._count[chosen[fits]] += 1
        return fits

    def _flush(self, which: Int64) -> None:
        """Put boxes away as rows, and boxes without bounds, of a new number, in their place."""
        source = self._source[self._row[which] % len(self._source)]
        self._done.append((self._row[which], np.clip(source, self._low[which], self._high[which])))
        self._low[which], self._high[which], self._count[which] = -LARGEST, LARGEST, 0
        self._row[which] = self._next + np.arange(len(which))
        self._next += len(which)
