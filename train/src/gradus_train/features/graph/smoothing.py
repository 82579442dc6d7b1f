"""Exponential smoothing over a finite window, by doubling.

The sum of d^i x[t - i] over a + c rows is that over a rows plus d^a times that over c rows, a rows before.
Rows before the start of the segment count as nothing, and the result is divided by the weights of the rows
that there were. So a value is a stated order of additions over a stated number of rows, and of nothing older.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradus_train.features.graph.emitter import END, Emitter
from gradus_train.features.graph.frame import RowFrame

__all__ = ["smooth_group", "weight_sums"]

_SCALE = 200  # binary digits behind the point, in which sums of weights are computed exactly enough


Clocks = Sequence[tuple[RowFrame, int]]


def smooth_group(
    e: Emitter,
    views: Sequence[str],
    decays: Sequence[tuple[int, int]],
    window: int,
    rows: int,
    clocks: Clocks,
) -> list[str]:
    """Smooth several values of one availability, as the rows of one matrix.

    Args:
        e: Where to.
        views: The values, on `rows` + `window` - 1 rows before the wanted ones.
        decays: By value, the weight of the row before, as a fraction.
        window: Rows that the smoothing runs over.
        rows: Rows before the wanted ones that the result is for.
        clocks: What the values need: where a clock's rows stand, and the first row (from 1) that has a value.

    Returns:
        By value, the smoothed tensor.
    """
    decay = np.array([a / b for a, b in decays])[:, None]
    lifted = [e.op("Unsqueeze", view, e.ints([0])) for view in views]
    x = e.op("Concat", *lifted, axis=0) if len(lifted) > 1 else lifted[0]
    steps = _steps(window)
    masks = _masks(e, steps, clocks, rows + window - 1)
    sums, result = {1: x}, x
    for number, (done, more) in enumerate(steps):
        here = rows + window - done - more  # rows that the sum is for
        mask = e.op(
            "Slice",
            masks,
            e.ints([number, rows + window - 1 - here]),
            e.ints([number + 1, END]),
            e.ints([0, 1]),
        )
        earlier = e.op("Where", mask, e.slice(sums[more], 0, -done, 1), e.floats(0.0))
        weighed = e.op("Mul", earlier, e.floats(_power(decay, done)))
        result = e.op("Add", e.slice(result, more, END, 1), weighed)
        if done == more:
            sums[done + more] = result
    count = _counts(e, clocks, rows, window)
    weights = e.floats([weight_sums(a, b, window) for a, b in decays])
    result = e.op("Div", result, e.op("Gather", weights, count, axis=1))
    if len(views) == 1:
        return [e.op("Squeeze", result, e.ints([0]))]
    parts = e.split(result, [1] * len(views))
    return [e.op("Squeeze", part, e.ints([0])) for part in parts]


def _steps(window: int) -> list[tuple[int, int]]:
    """(rows summed so far, rows joined) by which the sum grows to the window: doublings, then the rest."""
    steps, done = [], 1
    while 2 * done <= window:
        steps.append((done, done))
        done *= 2
    while done < window:
        more = 1 << ((window - done).bit_length() - 1)
        steps.append((done, more))
        done += more
    return steps


def _masks(
    e: Emitter, steps: Sequence[tuple[int, int]], clocks: Sequence[tuple[RowFrame, int]], rows: int
) -> str:
    """[steps, rows]: does the segment have values so far back?"""
    masks = []
    for stand, first in clocks:
        position = e.slice(stand.position, stand.have - rows)
        masks.append(e.op("GreaterOrEqual", position, e.ints([[first - 1 + done] for done, _ in steps])))
    return e.all_of(masks)


def _counts(e: Emitter, clocks: Clocks, rows: int, window: int) -> str:
    """How many rows of the window have values, 0 to `window`."""
    counts = [
        e.op("Sub", e.slice(stand.position, stand.have - rows), e.ints(first - 2)) for stand, first in clocks
    ]
    count = counts[0]
    for other in counts[1:]:
        count = e.op("Min", count, other)
    return e.op("Max", e.op("Min", count, e.ints(window)), e.ints(0))


def _power(decay: np.ndarray, exponent: int) -> np.ndarray:
    """A power by squaring: products alone, so the same float64 on every machine."""
    result, square = np.ones_like(decay), decay
    while exponent:
        if exponent & 1:
            result = result * square
        square = square * square
        exponent >>= 1
    return result


def weight_sums(numerator: int, denominator: int, window: int) -> list[float]:
    """Sums of the first 0, 1, ... `window` weights, each rounded once; NaN for none."""
    decay = int((numerator / denominator) * 2**53)  # the float64 that rows are weighed with, exactly
    total, weight, sums = 0, 1 << _SCALE, [float("nan")]
    for _ in range(window):
        total += weight
        weight = weight * decay >> 53
        sums.append(total / (1 << _SCALE))
    return sums
