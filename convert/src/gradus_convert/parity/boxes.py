"""Where a row must lie to be on a threshold: a closed float32 interval for each column on its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.ir import Forest

__all__ = ["LARGEST", "Boxes", "boundary_boxes", "fill", "join"]

LARGEST = np.finfo(np.float32).max
_INFINITY = np.float32(np.inf)


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
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]

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


def boundary_boxes(forest: Forest, trees: range) -> Iterator[Boxes]:
    """Boxes that put a row on a threshold: for each split, at it, one float32 below, and one above.

    Every row inside reaches the split, and has that value in its column. A split that no row reaches, and a
    neighbour that an earlier split on the same column keeps away, has no box.

    Args:
        forest: The forest.
        trees: Which of its trees.

    Yields:
        The boxes of one depth and one neighbour after the other.
    """
    tree = np.array(trees, np.int64)
    nodes = forest.roots[tree]
    path = np.zeros((len(nodes), 0), np.int64)
    low = np.full((len(nodes), forest.n_features), -LARGEST, np.float32)
    high = -low
    while len(nodes):
        split = forest.feature[nodes] >= 0
        tree, nodes, path, low, high = tree[split], nodes[split], path[split], low[split], high[split]
        rows, column, at = np.arange(len(nodes)), forest.feature[nodes], forest.threshold[nodes]
        path = np.concatenate([path, column[:, None]], axis=1)
        with np.errstate(over="ignore", under="ignore"):
            above = np.nextafter(at, _INFINITY)
            beneath = np.nextafter(at, -_INFINITY)
        here = Boxes(tree, path, low[rows[:, None], path], high[rows[:, None], path])
        for value in (beneath, at, above):
            inside = (low[rows, column] <= value) & (value <= high[rows, column])
            if inside.any():
                yield _pin(here.take(inside), column[inside], value[inside])
        left, right = high.copy(), low.copy()
        left[rows, column] = np.minimum(left[rows, column], at)
        right[rows, column] = np.maximum(right[rows, column], above)
        goes_left = low[rows, column] <= left[rows, column]
        goes_right = right[rows, column] <= high[rows, column]
        nodes = np.concatenate([forest.left[nodes[goes_left]], forest.right[nodes[goes_right]]])
        tree = np.concatenate([tree[goes_left], tree[goes_right]])
        path = np.concatenate([path[goes_left], path[goes_right]])
        low = np.concatenate([low[goes_left], right[goes_right]])
        high = np.concatenate([left[goes_left], high[goes_right]])


def _pin(boxes: Boxes, column: npt.NDArray[np.int32], value: npt.NDArray[np.float32]) -> Boxes:
    """Narrow a column to one value, in every place where it stands."""
    here = boxes.columns == column[:, None]
    low = np.where(here, value[:, None], boxes.low)
    high = np.where(here, value[:, None], boxes.high)
    return Boxes(boxes.trees, boxes.columns, low, high)


def fill(boxes: Boxes, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A row in each box: float32 [B, F], the columns that are not bounded taken from given rows in turn."""
    result = rows[np.arange(len(boxes)) % len(rows)]
    place = (np.arange(len(boxes))[:, None], boxes.columns)
    result[place] = np.clip(result[place], boxes.low, boxes.high)
    return result
