"""Segments: runs of bars without a missing one. Nothing is computed across their ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Floats", "ago", "by_segment", "complete", "with_segments"]

Floats = npt.NDArray[np.float64]


def with_segments(bars: pl.DataFrame, bar_ms: int) -> pl.DataFrame:
    """Add `segment` (int64, from 0) and `position` (int64, the bar's index in its segment)."""
    starts = (pl.col("timestamp").diff() != bar_ms).fill_null(True)
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    return bars.with_columns(
        segment=starts.cast(pl.Int64).cum_sum() - 1,
        position=row - pl.when(starts).then(row).otherwise(None).forward_fill(),
    )


def complete(value: pl.Expr, bars: int) -> pl.Expr:
    """Keep a value that needs `bars` bars where the segment has so many, else null."""
    return pl.when(pl.col("position") >= bars - 1).then(value)


def ago(value: pl.Expr, bars: int) -> pl.Expr:
    """The value `bars` bars before, in the same segment."""
    return complete(value.shift(bars), bars + 1)


def by_segment(function: Callable[..., Floats], *columns: pl.Expr) -> pl.Expr:
    """Apply an indicator to every segment on its own.

    Args:
        function: Takes float64 arrays [n], NaN only at the start; returns one, NaN where history is short.
        columns: Its inputs.

    Returns:
        The indicator, null where it is not known.
    """

    def run(series: Sequence[pl.Series]) -> pl.Series:
        segment = series[0].to_numpy()
        arrays = [s.cast(pl.Float64).fill_null(np.nan).to_numpy() for s in series[1:]]
        result = np.empty(len(segment), dtype=np.float64)
        ends = (np.flatnonzero(np.diff(segment, append=-1)) + 1).tolist()
        start = 0
        for end in ends:
            result[start:end] = function(*(np.ascontiguousarray(a[start:end]) for a in arrays))
            start = end
        return pl.Series(result, nan_to_null=True)

    return pl.map_batches([pl.col("segment"), *columns], run, return_dtype=pl.Float64)
