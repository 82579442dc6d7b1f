"""Fast path for single-row predictions."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.decision import Decision, new_decision
from gradus_runtime.errors import let_signals_through
from gradus_runtime.monitoring.drift_counts import BUFFER_ROWS
from gradus_runtime.routing.reasons import explain
from gradus_runtime.routing.request import Request
from gradus_runtime.routing.schema import Schema
from gradus_runtime.rows import read_mapping
from gradus_runtime.rows.values import PLAIN_NUMBERS, read_value
from gradus_runtime.serving.level_slot import LevelSlot
from gradus_runtime.serving.served_version import SUM_TOLERANCE, ServedVersion
from gradus_runtime.sessions.level_session import LevelSession
from gradus_runtime.sessions.library import FAILURES

__all__ = ["Decider"]


class Decider:
    """Answers single rows from one version. Safe for any number of threads."""

    def __init__(self, serving: ServedVersion) -> None:
        self._serving = serving
        schema = serving.schema
        self._slots = serving.slots
        self._packers = tuple(struct.Struct(f"{len(plan.columns)}f").pack_into for plan in schema.levels)
        self._pack_all = struct.Struct(f"{len(schema.names)}f").pack
        reasons, codes = _Reasons(serving), range(len(schema.levels))
        self._finish = tuple(_finish(serving, code, reasons) for code in codes)
        self._ways = tuple(_quick_way(serving, code, self._finish[code]) for code in codes)
        self._way = self._ways[0]

    def decide(self, row: Any, request: Request) -> Decision:
        """Answer one row; never raises for what the row holds."""
        serving = self._serving
        if serving.clock() >= serving.deadline:
            halted = serving.begin()
            if halted is not None:
                return self._fallback(request, 0, 0, halted)
        if type(row) is dict and request is self._serving.default:
            decision = self._way(row)
            if decision is not None:
                return decision
        return self._step_down(row, request)

    def _step_down(self, row: Any, request: Request) -> Decision:
        """The careful way: find what is missing, and the best level that can do without it."""
        schema = self._serving.schema
        given = values = read_mapping(row, schema.names)
        lacking = 0
        if math.isnan(sum(values)):
            lacking = sum([1 << i for i, value in enumerate(values) if value != value])
        wanting = lacking | request.unavailable
        if request.unavailable:
            given = [math.nan if wanting >> i & 1 else value for i, value in enumerate(values)]
        if wanting & request.fillable:
            values = [
                request.fill[i] if (wanting & request.fillable) >> i & 1 else value
                for i, value in enumerate(values)
            ]
        short = wanting & ~request.fillable
        refused = 0
        for i, plan in enumerate(schema.levels[: request.last_level + 1]):
            if short & plan.mask:
                continue
            slot = self._slots[i]
            session = slot.session or slot.load()
            if session is None:
                continue
            probabilities = _run(slot, session, self._packers[i], plan.pick(values))
            if probabilities is not None:
                self._way = self._ways[i]
                confidence = max(probabilities)
                label = probabilities.index(confidence)
                by_class = dict(zip(schema.classes, probabilities, strict=True))
                vector = self._pack_all(*given)
                return self._finish[i](request, label, confidence, by_class, lacking, refused, vector)
            refused |= (slot.problem is None) << i
        if self._serving.counts is not None:
            self._serving.counts.row(self._pack_all(*given), len(self._slots), 0, 0.0)
        return self._fallback(request, lacking, refused, None)

    def _fallback(self, request: Request, lacking: int, refused: int, halted: str | None) -> Decision:
        serving = self._serving
        decision = serving.manifest.decision
        code = len(self._slots)
        reasons = explain(serving.context(request, halted), code, lacking, refused, None)
        if serving.last != code:
            serving.changes.level(FALLBACK, reasons)
            serving.last = code
        return Decision(
            decision.fallback_action,
            decision.fallback_confidence,
            FALLBACK,
            reasons,
            dict(zip(serving.schema.classes, decision.fallback_probabilities, strict=True)),
            serving.manifest.version,
        )


class _Reasons:
    """Words reasons; the last ones are remembered, as the next row mostly lacks the same."""

    def __init__(self, serving: ServedVersion) -> None:
        self._serving = serving
        self._remembered: tuple[object, tuple[str, ...]] = (None, ())

    def __call__(
        self, request: Request, code: int, lacking: int, refused: int, weak: tuple[str, float] | None
    ) -> tuple[str, ...]:
        serving = self._serving
        usual = request is serving.default and not refused and weak is None
        key = (code, lacking, serving.events.count)
        remembered, reasons = self._remembered
        if usual and remembered == key:
            return reasons
        reasons = explain(serving.context(request, None), code, lacking, refused, weak)
        if usual:
            self._remembered = (key, reasons)
        return reasons


Finish = Callable[[Request, int, float, Mapping[str, float], int, int, bytes], Decision]


def _finish(serving: ServedVersion, code: int, reasons: _Reasons) -> Finish:
    """Return what makes a decision of probabilities of the level `code`: threshold, reasons, log, counts."""
    schema, counts = serving.schema, serving.counts
    classes, name, version = schema.classes, schema.level_names[code], serving.manifest.version
    held_action = serving.manifest.decision.fallback_action
    always = bool(code) or not schema.first_is_in_service

    def finish(
        request: Request,
        label: int,
        confidence: float,
        by_class: Mapping[str, float],
        lacking: int,
        refused: int,
        given: bytes,
    ) -> Decision:
        action, weak = classes[label], None
        threshold = request.threshold
        if threshold is not None and confidence < threshold:
            weak = (action, confidence)
            action = held_action
        why: tuple[str, ...] = ()
        if always or lacking or weak is not None or request.unavailable:
            why = reasons(request, code, lacking, refused, weak)
        if serving.last != code:
            serving.changes.level(name, why if code else ())
            serving.last = code
        if counts is not None:
            held = counts.held
            held.append((given, code, label, confidence))
            if len(held) >= BUFFER_ROWS:
                counts.settle()
        return new_decision(action, confidence, name, why, by_class, version)

    return finish


def _quick_way(
    serving: ServedVersion, code: int, finish: Finish
) -> Callable[[dict[Any, Any]], Decision | None]:
    """Return a function for the usual row: of plain numbers, for the level that served the row before.

    It answers as `Decider._step_down` does, or gives None: then that has to. The tables of a graph drive all
    else out of the processor's cache, so what counts here is how little code and data an answer touches.
    """
    schema, slot, plan = serving.schema, serving.slots[code], serving.schema.levels[code]
    if not plan.leading:
        return lambda row: None
    width, classes, default = len(plan.columns), schema.classes, serving.default
    several, first = itemgetter(*schema.names[:width]), schema.names[0]
    pick: Callable[[dict[Any, Any]], tuple[Any, ...]] = several if width > 1 else lambda row: (row[first],)
    pack = struct.Struct(f"={width}f").pack_into  # "=": what becomes infinity raises
    are_plain, isfinite, hypot, tolerance = PLAIN_NUMBERS.issuperset, math.isfinite, math.hypot, SUM_TOLERANCE
    others_of = _others(schema, width) if width < len(schema.names) else None
    better = tuple(zip((p.mask for p in schema.levels), serving.slots, strict=True))[:code]
    indices = range(len(classes))

    def answer(row: dict[Any, Any]) -> Decision | None:
        session = slot.session
        if session is None:
            return None
        idle = session.idle
        try:
            cell = idle.pop()
        except IndexError as e:
            let_signals_through(e)
            return None  # more threads than before: the careful way makes another buffer
        try:
            try:
                values = pick(row)
                total = sum(values, 0.0) if type(values[0]) is float else None
                usual = type(total) is float and isfinite(total)  # else there are other than Python's numbers
                if not usual and not (are_plain(map(type, values)) and isfinite(hypot(*values))):
                    return None
                pack(cell.bytes, 0, *values)
            except Exception as e:  # absent, too large, or of a class that raises anything
                let_signals_through(e)
                return None
            lacking, others = 0, b""
            if others_of is not None:
                lacking, others = others_of(row)
                for mask, other in better:
                    if not lacking & mask and not other.blocked:
                        return None
            try:
                probabilities = cell.run()
            except FAILURES as e:
                slot.fail(e, session)
                return None
            given = cell.bytes.tobytes()
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
        return finish(default, label, confidence, by_class, lacking, 0, given + others)

    return answer


def _others(schema: Schema, width: int) -> Callable[[dict[Any, Any]], tuple[int, bytes]]:
    """Return what reads the features after the first `width`: which are lacking, and their float32 bytes."""
    others = [(1 << i, name) for i, name in enumerate(schema.names) if i >= width]
    pack = struct.Struct(f"{len(others)}f").pack

    def read(row: dict[Any, Any]) -> tuple[int, bytes]:
        lacking, values = 0, []
        for bit, name in others:
            value = read_value(row.get(name))
            if value != value:
                lacking |= bit
            values.append(value)
        return lacking, pack(*values)

    return read


def _run(
    slot: LevelSlot, session: LevelSession, pack: Callable[..., None], values: Sequence[float]
) -> tuple[float, ...] | None:
    """Score a row. None if the session fails (then the level is out of service), or for this row alone."""
    try:
        cell = session.borrow()
        pack(cell.bytes, 0, *values)
        probabilities = cell.run()
    except FAILURES as e:
        slot.fail(e, session)
        return None
    session.give_back(cell)
    slot.used = True
    low = min(probabilities)
    if not (abs(sum(probabilities) - 1.0) <= SUM_TOLERANCE and low >= -SUM_TOLERANCE):
        return None
    if low < 0.0 or max(probabilities) > 1.0:
        return tuple(min(1.0, max(0.0, p)) for p in probabilities)
    return probabilities
