"""Windows of fixed length, summed term by term relative to the newest value, in one stated order.

A value of a window depends on the window alone: a running sum would carry the rounding of bars long gone,
and give a flat window a deviation that is not quite 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from gradus_train.features.graph.emitter import Emitter

__all__ = ["WINDOWS", "View"]


class View(NamedTuple):
    """A value on the rows that its windows reach over, and on those that windows are wanted for."""

    reaching: str
    now: str


def _matrix(e: Emitter, x: View, size: int) -> str:
    """[size, rows]: the value now, 1 row ago, 2 rows ago, ..."""
    back = e.ints(np.arange(size - 1, -1, -1)[:, None])
    return e.op("Gather", x.reaching, e.op("Add", e.op("Unsqueeze", e.rows(x.now), e.ints([0])), back))


def _offset(e: Emitter, x: View, size: int) -> tuple[str, str]:
    """Mean of the window minus the newest value, and the [size, rows] differences from that value."""
    differences = e.op("Sub", _matrix(e, x, size), x.now)
    return e.op("Div", e.total(differences, size), e.floats(size)), differences


def _centred(e: Emitter, x: View, size: int) -> str:
    """[size, rows]: the values of the window minus their mean."""
    offset, differences = _offset(e, x, size)
    return e.op("Sub", differences, offset)


def _mean_offset(e: Emitter, x: Sequence[View], size: int) -> str:
    return _offset(e, x[0], size)[0]


def _deviation(e: Emitter, x: Sequence[View], size: int, below: int) -> str:
    centred = _centred(e, x[0], size)
    squares = e.total(e.op("Mul", centred, centred), size)
    return e.op("Sqrt", e.op("Div", squares, e.floats(below)))


def _mean_deviation(e: Emitter, x: Sequence[View], size: int) -> str:
    distances = e.op("Abs", _centred(e, x[0], size))
    return e.op("Div", e.total(distances, size), e.floats(size))


def _rank_correlation(e: Emitter, x: Sequence[View], size: int) -> str:
    """Pearson correlation of ranks and time, where equal values share their mean rank.

    Ranks are doubled and centred, so that all sums are of whole numbers.
    """
    matrix = _matrix(e, x[0], size)
    pairs = e.op("Sub", e.op("Unsqueeze", matrix, e.ints([0])), e.op("Unsqueeze", matrix, e.ints([1])))
    higher = e.cast(e.op("Sign", pairs), TensorProto.INT64)  # [other, own, rows]: own above other 1, below -1
    rank = _int_total(e, higher)
    time = np.arange(size - 1, -size, -2)[:, None]
    scale, along = (_int_total(e, e.op("Mul", rank, x)) for x in (rank, e.ints(time)))
    scale, along = (e.cast(x, TensorProto.DOUBLE) for x in (scale, along))
    root = e.op("Sqrt", e.op("Mul", scale, e.floats(float((time * time).sum()))))
    moves = e.op("Greater", scale, e.floats(0.0))
    return e.op("Where", moves, e.op("Div", along, root), e.floats(0.0))


def _int_total(e: Emitter, x: str) -> str:
    """Sum of whole numbers over the first axis: exact in any order."""
    return e.op("ReduceSum", x, e.ints([0]), keepdims=0)


def _correlation(e: Emitter, x: Sequence[View], size: int) -> str:
    a, b = (_centred(e, view, size) for view in x)
    ab, aa, bb = (e.total(e.op("Mul", p, q), size) for p, q in ((a, b), (a, a), (b, b)))
    ratio = e.op("Div", ab, e.op("Sqrt", e.op("Mul", aa, bb)))
    bounded = e.op("Min", e.op("Max", ratio, e.floats(-1.0)), e.floats(1.0))
    zero = e.floats(0.0)
    moves = e.op("And", e.op("Greater", aa, zero), e.op("Greater", bb, zero))
    return e.op("Where", moves, bounded, e.floats(np.nan))


WINDOWS: Mapping[str, Callable[..., str]] = {
    "mean_offset": _mean_offset,
    "deviation": _deviation,
    "mean_deviation": _mean_deviation,
    "rank_correlation": _rank_correlation,
    "correlation": _correlation,
}
"""By operator: from views, the window's length and the operator's other parameters to a tensor."""
