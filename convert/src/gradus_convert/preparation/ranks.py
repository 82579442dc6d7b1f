"""Float64 columns as float32 ones that every split tells apart alike: ranks among the thresholds.

A library that compares float64 values with float64 thresholds (LightGBM, HistGradientBoosting) may tell apart
what rounds to one float32. With t_1 < t_2 < ... the thresholds of a column, x stands for the whole number

    rank(x) = #{t_k < x} - #{t_k < 0}

so that `x <= t_k` iff `rank(x) <= rank(t_k)`; and where zero is a band, rank is 0 in it alone. A model whose
thresholds are replaced by their ranks is walked as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.graphs.builder import BOOL, DOUBLE, FLOAT, Graph

__all__ = ["ZERO_BAND", "Ranks", "ranks_of"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

ZERO_BAND = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: every abs(x) up to it is zero."""

_MOST = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """The thresholds of F columns.

    Attributes:
        thresholds: By column, float64, ascending and different. Empty where no split compares numbers.
        zeros: int64 [F], how many thresholds of each are below zero.
        whole: bool [F], columns of categories: whole numbers, of which float32 is exact; no ranks.
        band: Whether every abs(x) <= 1e-35 is zero.
    """

    thresholds: tuple[Float64, ...]
    zeros: npt.NDArray[np.int64]
    whole: npt.NDArray[np.bool_]
    band: bool

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.thresholds)

    def rank(self, column: int, x: Float64) -> npt.NDArray[np.int64]:
        """Return the ranks of values of a column that are no NaN."""
        return np.asarray(np.searchsorted(self.thresholds[column], x, "left") - self.zeros[column])

    def of_threshold(self, column: int, t: float) -> float:
        """Return the rank of a threshold: `x <= t` iff `rank(x) <= rank(t)`; that of infinity is infinite."""
        if np.isposinf(t):
            return float(t)
        moved = float(in_band(np.array(t))) if self.band else t
        return int(np.searchsorted(self.thresholds[column], moved, "left")) - int(self.zeros[column])

    def of(self, X: Float64) -> Float32:
        """Return the ranks of rows, float32 [N, F], plainly; NaN stays."""
        result = np.empty(X.shape, np.float32)
        for column in range(self.width):
            x = X[:, column]
            if self.whole[column]:
                result[:, column] = np.trunc(x)
            else:
                result[:, column] = np.where(
                    np.isnan(x), np.nan, self.rank(column, np.nan_to_num(x, nan=0.0))
                )
        return result

    def expand(self, R: Float32) -> Float64:
        """Return float64 rows that compare with every threshold as R does with its rank.

        A whole number stands for the largest value of that rank, which is a threshold; any other for the
        smallest value of the next rank, the float64 just above a threshold.

        Args:
            R: float32 [N, F].
        """
        result = np.empty(R.shape, np.float64)
        for column in range(self.width):
            values, t = R[:, column].astype(np.float64), self.thresholds[column]
            if self.whole[column] or not len(t):
                result[:, column] = values
                continue
            flat = np.nan_to_num(values, nan=0.0)
            if self.band:
                flat = np.where(np.abs(flat) <= ZERO_BAND, 0.0, flat)
            place = np.clip(np.ceil(flat) + self.zeros[column], 0, len(t)).astype(np.int64)
            low, high = np.append(-np.inf, t)[place], np.append(t, np.inf)[place]
            last = np.where(np.isinf(high), low + np.maximum(1.0, np.abs(low)), high)
            first = np.where(np.isinf(low), high, np.nextafter(low, np.inf))
            picked = np.where(np.ceil(flat) == flat, last, first)
            result[:, column] = np.where(np.isnan(values), np.nan, picked)
        return result

    def emit(self, graph: Graph, rows: str) -> str:
        """Write what makes ranks, float32 [N, F], of a value float64 [N, F]."""
        width, most = self.width, max([1, *(len(t) for t in self.thresholds)])
        table = np.full((1, width, most), np.inf)
        for column, t in enumerate(self.thresholds):
            table[0, column, : len(t)] = t
        cells = graph.op("Unsqueeze", rows, graph.shape(2), type=DOUBLE, dims=["N", width, 1])
        above = graph.op(
            "Greater", cells, graph.constant(table, np.float64), type=BOOL, dims=["N", width, most]
        )
        counted = graph.op("Cast", above, to=FLOAT, type=FLOAT, dims=["N", width, most])
        count = graph.total(counted, 2)
        if self.zeros.any():
            count = graph.op("Sub", count, graph.constant(self.zeros[None], np.float32))
        if self.whole.any():
            size = graph.op("Floor", graph.op("Abs", rows))
            number = graph.op("Cast", graph.op("Mul", graph.op("Sign", rows), size), to=FLOAT)
            count = graph.op("Where", graph.constant(self.whole[None], np.bool_), number, count)
        nan = graph.constant(np.nan, np.float32)
        return graph.op("Where", graph.op("IsNaN", rows), nan, count, type=FLOAT, dims=["N", width])


def ranks_of(
    n_features: int,
    splits: Sequence[tuple[npt.NDArray[np.integer], Float64]],
    *,
    categories: Sequence[int] = (),
    zero_band: bool,
    place: str,
) -> Ranks:
    """Collect thresholds.

    Args:
        n_features: Columns of a row.
        splits: Columns and thresholds of numeric splits, both [n].
        categories: Columns of categories.
        zero_band: Whether every abs(x) <= 1e-35 is zero.
        place: How errors name the model.

    Raises:
        InexactModelError: A column has thresholds and categories, or there are too many thresholds.
    """
    columns = np.concatenate([c for c, _ in splits] or [np.zeros(0, np.int64)]).astype(np.int64)
    bounds = np.concatenate([t for _, t in splits] or [np.zeros(0)])
    columns, bounds = columns[bounds < np.inf], bounds[bounds < np.inf]
    if zero_band:
        bounds = in_band(bounds)
    order = np.lexsort((bounds, columns))
    ends = np.searchsorted(columns[order], np.arange(n_features + 1))
    sorted_bounds = bounds[order]
    band = np.array([np.nextafter(-ZERO_BAND, -np.inf), ZERO_BAND]) if zero_band else np.zeros(0)
    found = []
    for column in range(n_features):
        mine = sorted_bounds[ends[column] : ends[column + 1]]
        found.append(np.unique(np.concatenate([mine, band])) if len(mine) else mine)
    whole = np.zeros(n_features, np.bool_)
    whole[list(categories)] = True
    if any(len(found[c]) for c in categories):
        raise InexactModelError("a column must be of numbers or of categories, not both", place=place)
    if n_features * max([1, *map(len, found)]) > _MOST:
        raise InexactModelError(
            f"float64 inputs take at most {_MOST} thresholds", place=place, hint='Use inputs="float32".'
        )
    zeros = np.array([int((t < -ZERO_BAND if zero_band else t < 0).sum()) for t in found], np.int64)
    return Ranks(tuple(found), zeros, whole, zero_band)


def in_band(bounds: Float64) -> Float64:
    """Return thresholds that compare with x as they do where every abs(x) <= 1e-35 stands for 0.0."""
    below = np.nextafter(-ZERO_BAND, -np.inf)
    return np.where(bounds >= 0, np.maximum(bounds, ZERO_BAND), np.minimum(bounds, below))
