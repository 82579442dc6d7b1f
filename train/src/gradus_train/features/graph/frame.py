"""The rows that a graph works on: its bars, where their segments start, and which of that is in sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_train.features.graph.emitter import END, Emitter

__all__ = ["ALWAYS", "Frame", "RowFrame", "make_frame"]

ALWAYS = 2**40
_NEVER_NEXT = -10


@dataclass(frozen=True, slots=True)
class RowFrame:
    """Where the rows of a clock stand; tensors, over the last `have` rows before the wanted ones and those.

    Attributes:
        have: Rows before the wanted ones (on bars), or before the first real one (in another domain).
        position: int64, rows since the start of the segment, 0 at the start.
        known: Whether that start is in sight; None where nothing asks.
    """

    have: int
    position: str
    known: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The bars: the wanted ones and `before` ones before them, filled up in front where there are fewer.

    Attributes:
        before: Bars before the wanted ones.
        wanted: int64 [1], how many are wanted: `rows`, or all bars where they are fewer.
        timestamp: int64 [N], -1 where filled up.
        columns: By name, float64 [N].
        row: int64 [N], 0, 1, 2, ...
        rows: Positions in segments.
    """

    before: int
    wanted: str
    timestamp: str
    columns: dict[str, str]
    row: str
    rows: RowFrame


def make_frame(e: Emitter, before: int, columns: Iterable[str]) -> Frame:
    """Emit the frame of a graph.

    A segment starts where `bar_number` rises by anything but 1. Its start is in sight where the bar before it
    is there, or where the first bar given is the true start of the history (`from_start`).

    Args:
        e: Where to.
        before: Bars before the wanted ones.
        columns: Which columns of the bars are read.
    """
    count = e.op("Shape", "timestamp")
    wanted = e.op("Min", "rows", count)
    size = e.op("Add", wanted, e.ints([before]))
    missing = e.op("Max", e.op("Sub", size, count), e.ints([0]))
    left_out = e.op("Max", e.op("Sub", count, size), e.ints([0]))

    def fit(x: str, fill: float, dtype: npt.DTypeLike) -> str:
        front = e.op("Expand", e.constant([fill], dtype), missing)
        return e.op("Concat", front, e.op("Slice", x, left_out, e.ints([END]), e.ints([0])), axis=0)

    timestamp = fit("timestamp", -1, np.int64)
    number = fit("bar_number", _NEVER_NEXT, np.int64)
    first = e.starts_of(e.changes(number, equal=e.ints(1)))
    row = e.rows(timestamp)
    all_given = e.op("And", "from_start", e.op("LessOrEqual", count, size))
    known = e.op("Or", e.op("Greater", first, missing), all_given)
    rows = RowFrame(before, e.op("Sub", row, first), known)
    read = {name: fit(name, 0.0, np.float64) for name in columns}
    return Frame(before, wanted, timestamp, read, row, rows)
