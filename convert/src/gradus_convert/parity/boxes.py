"""Where a row must lie to be on a threshold: a closed float32 interval for each column on its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest
from gradus_convert.forest.rounding import LARGEST

__all__ = ["Boxes", "boundary_boxes", "fill", "join", "values_between"]

_INFINITY = np.float32(np.inf)

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """B boxes that bound D columns each; a column may stand several times, with one interval.

    Attributes:
        trees: int64 [B], the tree whose split it is for.
        columns: int64 [B, D].
        low: float32 [B, D], the smallest value allowed.
        high: float32 [B, D], the largest, at least `low`.
    """

    trees: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    low: Float32
    high: Float32

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.trees)

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.integer] | slice) -> Boxes:
        """Some of the boxes."""
        return Boxes(self.trees[which], self.columns[which], self.low[which], self.high[which])


def join(parts: Sequence[Boxes]) -> Boxes:
    """Boxes that bound as many columns each, one after the other; at least one part."""
    return Boxes(
        np.concatenate([b.trees for b in parts]),
        np.concatenate([b.columns for b in parts]),
        np.concatenate([b.low for b in parts]),
        np.concatenate([b.high for b in parts]),
    )


def boundary_boxes(forest: Forest, trees: range, limit: np.float32 = LARGEST) -> Iterator[Boxes]:
    """Boxes around thresholds: for each split, from one float32 below its threshold to one above.

    Every row inside reaches the split. The last column is that of the split: its interval, which has three
    values at most, keeps those that an earlier split on the same column does not keep away. A split that no
    row reaches at its threshold or beside it has no box.

    Args:
        forest: The forest.
        trees: Which of its trees.
        limit: The largest value of a column, and the smallest with the other sign.

    Yields:
        The boxes of one depth after the other.
    """
    tree = np.array(trees, np.int64)
    nodes = forest.roots[tree]
    path = np.zeros((len(nodes), 0), np.int64)
    low = np.full((len(nodes), forest.n_features), -limit, np.float32)
    high = -low
    while len(nodes):
        split = forest.feature[nodes] >= 0
        tree, nodes, path, low, high = tree[split], nodes[split], path[split], low[split], high[split]
        rows, column, at = np.arange(len(nodes)), forest.feature[nodes], forest.threshold[nodes]
        path = np.concatenate([path, column[:, None]], axis=1)
        with np.errstate(over="ignore", under="ignore"):
            above = np.nextafter(at, _INFINITY)
            beneath = np.nextafter(at, -_INFINITY)
        lowest = np.maximum(low[rows, column], beneath)
        highest = np.minimum(high[rows, column], above)
        inside = lowest <= highest
        if inside.any():
            here = Boxes(tree, path, low[rows[:, None], path], high[rows[:, None], path])
            yield _narrow(here.take(inside), lowest[inside], highest[inside])
        left, right = high.copy(), low.copy()
        left[rows, column] = np.minimum(left[rows, column], at)
        right[rows, column] = np.maximum(right[rows, column], above)
        goes_left = low[rows, column] <= left[rows, column]
        goes_right = (right[rows, column] <= high[rows, column]) & (at < _INFINITY)
        nodes = np.concatenate([forest.left[nodes[goes_left]], forest.right[nodes[goes_right]]])
        tree = np.concatenate([tree[goes_left], tree[goes_right]])
        path = np.concatenate([path[goes_left], path[goes_right]])
        low = np.concatenate([low[goes_left], right[goes_right]])
        high = np.concatenate([left[goes_left], high[goes_right]])


def _narrow(boxes: Boxes, low: Float32, high: Float32) -> Boxes:
    """Give the last column another interval, in every place where it stands."""
    here = boxes.columns == boxes.columns[:, -1:]
    return Boxes(
        boxes.trees,
        boxes.columns,
        np.where(here, low[:, None], boxes.low),
        np.where(here, high[:, None], boxes.high),
    )


def values_between(low: Float32, high: Float32) -> tuple[Float32, Float32, Float32]:
    """Every float32 of intervals that hold at most three: the first, the second if there is one, the last."""
    with np.errstate(over="ignore", under="ignore"):
        return low, np.minimum(np.nextafter(low, _INFINITY), high), high


def fill(boxes: Boxes, rows: Float32) -> Float32:
    """Rows in each box of a split, all its values in the last column: float32 [3 * B, F].

    The columns that are not bounded are taken from given rows in turn.
    """
    result = rows[np.arange(len(boxes)) % len(rows)]
    place = (np.arange(len(boxes))[:, None], boxes.columns)
    result[place] = np.clip(result[place], boxes.low, boxes.high)
    parts = []
    for value in values_between(boxes.low[:, -1], boxes.high[:, -1]):
        part = result.copy()
        part[np.arange(len(boxes)), boxes.columns[:, -1]] = value
        parts.append(part)
    return np.concatenate(parts)
