"""Calendar fields of a bar's open, in the market's zone, from a table of UTC offsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Protocol

import numpy as np
from onnx import TensorProto

from gradus_train.features.graph.domains import DAY_MS
from gradus_train.features.graph.emitter import Emitter
from gradus_train.features.language import CALENDAR

__all__ = ["Zone", "calendar_field", "turn_table"]

_FOUR_YEARS = 1461  # days; every fourth year is a leap year until 2100


class Zone(Protocol):
    """UTC offsets of a zone: the first holds until `changes_ms[0]`, the next from then on."""

    @property
    def changes_ms(self) -> Sequence[int]:
        """When the offset changes, rising, ms since 1970 UTC."""

    @property
    def offsets_ms(self) -> Sequence[int]:
        """Milliseconds to add to UTC; one more than there are changes."""


def calendar_field(e: Emitter, timestamp: str, field: str, zone: Zone) -> str:
    """Emit a calendar field as float64.

    Args:
        e: Where to.
        timestamp: int64 [N], ms since 1970 UTC.
        field: hour, minute, day_of_week (Monday 0) or month (1 to 12).
        zone: The market's.
    """
    local = e.op("Add", timestamp, _offset(e, timestamp, zone))
    day = e.op("Div", local, e.ints(DAY_MS))
    match field:
        case "hour":
            value = e.op("Mod", e.op("Div", local, e.ints(3_600_000)), e.ints(24))
        case "minute":
            value = e.op("Mod", e.op("Div", local, e.ints(60_000)), e.ints(60))
        case "day_of_week":
            value = e.op("Mod", e.op("Add", day, e.ints(3)), e.ints(7))  # 1970-01-01 was a Thursday
        case _:
            days = np.arange("1970-01-01", "1974-01-01", dtype="datetime64[D]")
            months = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
            value = e.op("Gather", e.ints(months), e.op("Mod", day, e.ints(_FOUR_YEARS)))
    return e.cast(value, TensorProto.DOUBLE)


def _offset(e: Emitter, timestamp: str, zone: Zone) -> str:
    offsets = e.ints(list(zone.offsets_ms))
    if not zone.changes_ms:
        return e.ints(zone.offsets_ms[0])
    past = e.op("GreaterOrEqual", e.op("Unsqueeze", timestamp, e.ints([1])), e.ints([list(zone.changes_ms)]))
    count = e.op("ReduceSum", e.cast(past, TensorProto.INT64), e.ints([1]), keepdims=0)
    return e.op("Gather", offsets, count)


def turn_table(function: str, period: int) -> list[float]:
    """Sine or cosine of the float64 angle of every whole part of a turn, each rounded once."""
    size = max(*CALENDAR.values(), period) + 1
    with localcontext() as context:
        context.prec = 60
        return [float(_series(Decimal((i % period) * (2 * math.pi / period)), function)) for i in range(size)]


def _series(x: Decimal, function: str) -> Decimal:
    """The power series of sine or cosine, for 0 <= x < 8."""
    n, term = (1, x) if function == "sine" else (0, Decimal(1))
    total = term
    while abs(term) > Decimal("1e-50"):
        n += 2
        term = -term * x * x / ((n - 1) * n)
        total += term
    return total
