"""The fast path for one row: the usual row of floats, for the level that served the row before."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from gradus_runtime.decision import Decision
from gradus_runtime.errors import let_signals_through
from gradus_runtime.routing.schema import Schema
from gradus_runtime.rows.values import FLOAT32_BOUND, is_text, read_value
from gradus_runtime.serving.finish import Finish
from gradus_runtime.serving.key_order import BETWEEN, KeyOrder, order_of
from gradus_runtime.serving.served_version import SERVED_SUM_TOLERANCE, ServedVersion
from gradus_runtime.sessions.library import FAILURES

__all__ = ["QuickWay"]

Answer = Callable[[dict[Any, Any]], Decision | None]


class QuickWay:
    """Answers usual rows by one level.

    Args:
        serving: Which version.
        code: Index of the level.
        finish: Makes a decision of its probabilities.

    Attributes:
        answer: Answers a row as `Decider` does the careful way, or gives None: then that has to.
    """

    def __init__(self, serving: ServedVersion, code: int, finish: Finish) -> None:
        self._serving = serving
        self._code = code
        self._finish = finish
        self._order: KeyOrder | None = None
        self._leading = serving.schema.levels[code].leading
        self.answer: Answer = _no_answer

    def learn(self, row: dict[Any, Any]) -> None:
        """Get ready for rows whose keys are those of `row`, in its order; it was served by this level."""
        if not self._leading:
            return
        order = self._order
        if order is None or order.count != len(row) or order.text != BETWEEN.join(row):
            order = order_of(row, self._serving.schema.names)
        if order is not None:
            order.learn(row)
            self._order = order
            self.answer = _answer(self._serving, self._code, self._finish, order)


_no_bounds = np.zeros(0, np.float32)


def _no_answer(row: dict[Any, Any]) -> Decision | None:
    return None


def _answer(serving: ServedVersion, code: int, finish: Finish, order: KeyOrder) -> Answer:
    """Return a function that answers rows whose keys are in one order.

    The tables of a graph drive all else out of the processor's cache, so what counts here is how little code
    and data an answer touches. Nothing here calls what a row brings along: `join` takes text alone, and
    `exact` is a method of float that takes floats alone.
    """
    schema, slot, plan = serving.schema, serving.slots[code], serving.schema.levels[code]
    width, classes, default = len(plan.columns), schema.classes, serving.default
    count, text, join, exact = order.count, order.text, BETWEEN.join, float.conjugate
    try:
        pick = order.pick(width)
    except LookupError as e:
        let_signals_through(e)
        return _no_answer  # filled by the caller
    odd = tuple(i for i, place in enumerate(order.places[:width]) if place in order.odd)
    plain = pick is None and not odd
    pack = struct.Struct(f"={width}f").pack_into  # "=": what becomes infinity raises
    isfinite, hypot, tolerance = math.isfinite, math.hypot, SERVED_SUM_TOLERANCE
    guard, less, greater = serving.guard, np.less, np.greater
    low, high, unmarked = _no_bounds, _no_bounds, bytes(2 * width)
    if guard is not None:
        low, high = guard.low[:width], guard.high[:width]
    others_of = _others(schema, order, width) if width < len(schema.names) else None
    better = tuple(zip((p.needed for p in schema.levels), serving.slots, strict=True))[:code]
    indices = range(len(classes))

    def answer(row: dict[Any, Any]) -> Decision | None:
        session = slot.session
        if session is None or len(row) != count:
            return None
        idle = session.idle
        try:
            cell = idle.pop()
        except IndexError as e:
            let_signals_through(e)
            return None  # more threads than before: the careful way makes another buffer
        try:
            try:
                if join(row) != text:
                    return None
                if plain:
                    values = (*map(exact, row.values()),)
                else:
                    given: Any = row.values() if pick is None else pick((*row.values(),))
                    if odd:
                        given = [*given]
                        for i in odd:
                            value = given[i]
                            given[i] = float(value) if type(value) is int else read_value(value)
                    values = (*map(exact, given),)
                if not isfinite(hypot(*values)):
                    return None
                pack(cell.bytes, 0, *values)
            except (
                TypeError,
                OverflowError,
                struct.error,
            ) as e:  # a key or value of another kind, or too large
                let_signals_through(e)
                return None
            if guard is not None:
                less(cell.features, low, cell.below)
                greater(cell.features, high, cell.above)
                if cell.marked() != unmarked:
                    return None  # too far from training, perhaps: the careful way looks again
            missing, others = 0, b""
            if others_of is not None:
                missing, others = others_of(row)
                if missing < 0:
                    return None
                for mask, other in better:
                    if not missing & mask and not other.blocked:
                        return None
            try:
                probabilities = cell.run()
            except FAILURES as e:
                slot.fail(e, session)
                return None
            packed = cell.bytes.tobytes()
        finally:
            idle.append(cell)
        label, confidence, total, by_class = 0, -1.0, 0.0, {}  # one pass: max, sum and dict are out of cache
        for i, each, probability in zip(indices, classes, probabilities):  # noqa: B905  strict takes longer
            if not probability >= 0.0:
                return None
            if probability > confidence:
                label, confidence = i, probability
            total += probability
            by_class[each] = probability
        if not (-tolerance <= total - 1.0 <= tolerance and confidence <= 1.0):
            return None
        slot.used = True
        return finish(default, label, confidence, by_class, missing, 0, packed + others)

    return answer


def _others(schema: Schema, order: KeyOrder, width: int) -> Callable[[dict[Any, Any]], tuple[int, bytes]]:
    """Return what reads the features after the first `width`: which are missing, and their float32 bytes.

    It gives -1 for a row with text, of which reasons have something to say.
    """
    after = range(width, len(schema.names))
    absent = sum(1 << i for i in after if order.places[i] < 0)
    present = [(i - width, 1 << i, order.places[i]) for i in after if order.places[i] >= 0]
    pack, bound = struct.Struct(f"{len(after)}f").pack, FLOAT32_BOUND
    nothing = [math.nan] * len(after)
    without = absent, pack(*nothing)
    if not present:
        return lambda row: without

    def read(row: dict[Any, Any]) -> tuple[int, bytes]:
        given = (*row.values(),)
        missing, values = absent, nothing.copy()
        for i, bit, place in present:
            value = given[place]
            if type(value) is not float or not -bound < value < bound:
                if is_text(value):
                    return -1, b""
                value = read_value(value)
                if value != value:
                    missing |= bit
            values[i] = value
        return missing, pack(*values)

    return read
