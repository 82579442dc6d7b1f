"""Rows of other domains, and how a bar finds its row there: longer bars, and dates of daily series.

Layout of a domain's rows: `pads` rows that no valid row looks at, one row "none yet", the real rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradus_train.features.graph.emitter import Emitter
from gradus_train.features.graph.frame import Frame, RowFrame
from gradus_train.features.language import Dates, Longer

__all__ = ["DAY_MS", "DomainRows", "dates_rows", "day_column", "longer_rows"]

DAY_MS = 86_400_000
_LONG_AGO = -(10**9)


@dataclass(frozen=True, slots=True)
class DomainRows:
    """The rows of a domain.

    Attributes:
        at: int64, by row of the domain: the bar at its end, or the row of the daily table, where 0 is the row
            in front that knows nothing.
        index: int64, by bar looked at: its row, counted from the row "none yet".
        fresh: By bar looked at: whether that row may be used.
        rows: Positions in segments.
    """

    at: str
    index: str
    fresh: str
    rows: RowFrame


def longer_rows(e: Emitter, frame: Frame, longer: Longer, bar_ms: int, pads: int) -> DomainRows:
    """Complete longer bars, aligned to UTC: each has all of its bars. They are used within their segment."""
    size = longer.ms // bar_ms
    before = e.op("Concat", e.ints(-np.ones(size - 1)), e.slice(frame.timestamp, 0, 1 - size), axis=0)
    whole = e.op("Equal", e.op("Sub", frame.timestamp, before), e.ints(longer.ms - bar_ms))
    last = e.op("Equal", e.op("Mod", frame.timestamp, e.ints(longer.ms)), e.ints(longer.ms - bar_ms))
    ends = e.op("And", last, whole)
    real = e.where_true(ends)
    at = e.op("Concat", e.ints(np.zeros(pads + 1)), real, axis=0)
    first_bar = e.op("Sub", e.op("Gather", frame.row, real), e.op("Gather", frame.rows.position, real))
    segment = e.op("Concat", e.ints([-1]), first_bar, axis=0)
    position = _positions(e, e.changes(segment), pads)
    known = e.op("Gather", frame.rows.known or "", at)
    index = e.count(ends)
    age = e.op("Sub", frame.row, e.op("Gather", e.slice(at, pads), index))
    fresh = e.op("LessOrEqual", age, frame.rows.position)
    return DomainRows(at, index, fresh, RowFrame(pads, position, known))


def dates_rows(e: Emitter, frame: Frame, dates: Dates, carry_days: int, pads: int, dated: int) -> DomainRows:
    """Dates on which all of the series are known.

    A bar uses the last such date before its own UTC date, if that is at most `carry_days` before. A date more
    than `carry_days` after the one before it starts a segment.
    """
    known = [e.op("Not", e.op("IsNaN", day_column(e, name))) for name in dates.series]
    ok = e.all_of(known)
    at = e.op("Concat", e.ints(np.zeros(pads + 1)), e.where_true(ok), axis=0)
    date = e.op("Concat", e.ints([_LONG_AGO]), "daily_date", axis=0)
    date_at = e.op("Gather", date, e.slice(at, pads))
    today, table_row = _table_row(e, frame, dated)
    index = e.op("Gather", e.count(ok), table_row)
    fresh = e.op("LessOrEqual", e.op("Sub", today, e.op("Gather", date_at, index)), e.ints(carry_days))
    step = e.op("Sub", e.slice(date_at, 1), e.slice(date_at, 0, -1))
    start = e.op("Concat", e.flags([True]), e.op("Greater", step, e.ints(carry_days)), axis=0)
    return DomainRows(at, index, fresh, RowFrame(pads, _positions(e, start, pads)))


def day_column(e: Emitter, name: str) -> str:
    """A column of the daily table, with the row in front that knows nothing."""
    return e.op("Concat", e.floats([np.nan]), "daily_close" if name == "close" else name, axis=0)


def _positions(e: Emitter, start: str, pads: int) -> str:
    """Positions, from flags of the rows from "none yet" on; rows in front of the real ones are at -1."""
    position = e.op("Sub", e.rows(start), e.starts_of(start))
    return e.op("Concat", e.ints(-np.ones(pads + 1)), e.slice(position, 1), axis=0)


def _table_row(e: Emitter, frame: Frame, dated: int) -> tuple[str, str]:
    """Of the last `dated` bars and the wanted ones: the UTC date, and the dates of the table before it."""
    today = e.slice(e.op("Div", frame.timestamp, e.ints(DAY_MS)), frame.before - dated)
    base = e.slice(today, 0, 1)
    span = e.op("Add", e.op("Sub", e.slice(today, -1), base), e.ints([1]))
    from_day = e.op("Sub", e.op("Add", "daily_date", e.ints([1])), base)
    slot = e.op("Min", e.op("Max", from_day, e.ints([0])), span)
    zeros = e.op("Expand", e.ints([0]), e.op("Add", span, e.ints([1])))
    ones = e.op("Expand", e.ints([1]), e.op("Shape", slot))
    per_day = e.op("ScatterElements", zeros, slot, ones, axis=0, reduction="add")
    return today, e.op("Gather", e.op("CumSum", per_day, e.ints(0)), e.op("Sub", today, base))
