"""Few rows for many boxes: boxes of different trees that overlap share a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.rounding import LARGEST
from gradus_convert.parity.boxes import Boxes, join, values_between

__all__ = ["Packed", "pack"]

_TRIES = 48
_MOST = 64
"""Boxes that share a row, at most."""
_ROWS = 128
"""Intersections in a part: three rows each."""
_SMALLEST_POOL = 64

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Rows, and the boxes that they are inside of.

    Attributes:
        rows: float32 [N, F], N at most 384.
        row: int64 [P], an index into `rows`.
        tree: int64 [P], the tree of a box that the row is inside of.
    """

    rows: Float32
    row: Int64
    tree: Int64


def pack(
    parts: Iterable[Boxes],
    source: Float32,
    pool: int = 8192,
    seed: int = 0,
    limit: np.float32 = LARGEST,
) -> Iterator[Packed]:
    """Make rows so that every box has one inside for each value of its last column.

    Boxes are intersected greedily: each tries some partners in a pool and joins the first where the last
    columns of all keep their values. What comes out is three rows, which differ in those columns alone.
    The same boxes, in the same order, give the same rows. Boxes are asked for as rows are taken.

    Args:
        parts: The boxes, some at a time; the last column of a box has three values at most.
        source: float32 [R, F], finite: values for the columns that no box bounds.
        pool: How many intersections are open to further boxes at a time; at least 64 are.
        seed: Of the choice of partners.
        limit: As for the boxes.
    """
    open_ = _Pool(source, max(_SMALLEST_POOL, pool), seed, limit)
    for boxes in _in_batches(parts, open_.batch):
        yield from open_.place(boxes)
    yield from open_.flush(np.arange(open_.size))


def _in_batches(parts: Iterable[Boxes], most: int) -> Iterator[Boxes]:
    """The boxes anew, those of as many columns together."""
    waiting: dict[int, list[Boxes]] = {}
    sizes: dict[int, int] = {}
    for boxes in parts:
        depth = boxes.columns.shape[1]
        waiting.setdefault(depth, []).append(boxes)
        sizes[depth] = sizes.get(depth, 0) + len(boxes)
        if sizes[depth] >= most:
            yield from _cut(join(waiting.pop(depth)), most)
            sizes[depth] = 0
    for left in waiting.values():
        yield from _cut(join(left), most)


def _cut(boxes: Boxes, most: int) -> Iterator[Boxes]:
    for start in range(0, len(boxes), most):
        yield boxes.take(slice(start, start + most))


class _Pool:
    """Intersections: what is left of each column after the boxes that have joined."""

    def __init__(self, source: Float32, size: int, seed: int, limit: np.float32) -> None:
        self.size, self.batch, self._limit = size, size // 4, limit
        self._source, self._random = source, np.random.default_rng(seed)
        self._low = np.full((size, source.shape[1]), -limit, np.float32)
        self._high = -self._low
        self._pinned = np.zeros((size, source.shape[1]), bool)
        self._count = np.zeros(size, np.int64)
        self._trees = np.zeros((size, _MOST), np.int32)
        self._from = np.arange(size)
        self._next = size

    def place(self, boxes: Boxes) -> Iterator[Packed]:
        """Take in boxes, at most a batch; yield the rows that had to make room."""
        left, ends = np.arange(len(boxes)), _Ends.of(boxes)
        partners = np.tile(self._random.permutation(self.size), 2)
        for attempt in range(_TRIES):
            start = attempt * self.size // _TRIES
            left = left[~self._join(boxes, ends, left, partners[start : start + len(left)])]
        if len(left):
            fullest = np.argsort(-self._count, kind="stable")[: len(left)]
            yield from self.flush(fullest)
            self._join(boxes, ends, left, fullest)

    def flush(self, which: Int64) -> Iterator[Packed]:
        """Yield rows, and start others in their place."""
        used = which[self._count[which] > 0]
        for start in range(0, len(used), _ROWS):
            yield self._packed(used[start : start + _ROWS])
        self._low[which], self._high[which] = -self._limit, self._limit
        self._pinned[which], self._count[which] = False, 0
        self._from[which] = self._next + np.arange(len(which))
        self._next += len(which)

    def _packed(self, which: Int64) -> Packed:
        low, high, pinned = self._low[which], self._high[which], self._pinned[which]
        plain = np.clip(self._source[self._from[which] % len(self._source)], low, high)
        count = self._count[which]
        row = np.repeat(np.arange(len(which)), count)
        tree = self._trees[which][np.arange(_MOST) < count[:, None]].astype(np.int64)
        return Packed(
            np.concatenate([np.where(pinned, value, plain) for value in values_between(low, high)]),
            np.concatenate([row, row + len(which), row + 2 * len(which)]),
            np.tile(tree, 3),
        )

    def _join(self, batch: Boxes, ends: _Ends, which: Int64, chosen: Int64) -> npt.NDArray[np.bool_]:
        """Intersect some boxes of a batch, each with its partner, where last columns allow it; say where.

        The last column is looked at first: most partners fail there.
        """
        low, high, pinned = self._low.reshape(-1), self._high.reshape(-1), self._pinned.reshape(-1)
        first = chosen * self._source.shape[1]
        last = first + ends.column.take(which)
        whole = (low.take(last) <= ends.low.take(which)) & (ends.high.take(which) <= high.take(last))
        left = np.flatnonzero(whole)
        left = left[self._count.take(chosen.take(left)) < _MOST]
        numbers = which.take(left)
        places = first.take(left)[:, None] + batch.columns.take(numbers, axis=0)
        before = low.take(places), high.take(places)
        lows = np.maximum(before[0], batch.low.take(numbers, axis=0))
        highs = np.minimum(before[1], batch.high.take(numbers, axis=0))
        kept = ~pinned.take(places) | ((lows == before[0]) & (highs == before[1]))
        fits = ((lows <= highs) & kept).all(axis=1)
        low[places[fits]], high[places[fits]] = lows[fits], highs[fits]
        joined = left[fits]
        pinned[last[joined]] = True
        slots = chosen[joined]
        self._trees[slots, self._count[slots]] = batch.trees[which[joined]]
        self._count[slots] += 1
        result = np.zeros(len(which), bool)
        result[joined] = True
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """The last columns of B boxes, apart: [B] each."""

    column: Int64
    low: Float32
    high: Float32

    @classmethod
    def of(cls, boxes: Boxes) -> _Ends:
        """Copy them."""
        return cls(boxes.columns[:, -1].copy(), boxes.low[:, -1].copy(), boxes.high[:, -1].copy())
