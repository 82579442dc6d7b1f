"""The answer for one row, with as little of our own time as may be."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from gradus_runtime.decision import Decision
from gradus_runtime.explain import explain
from gradus_runtime.levels import LevelSlot
from gradus_runtime.routing import FALLBACK, LevelPlan, Request, Schema
from gradus_runtime.rows import read_mapping
from gradus_runtime.rows.values import FLOAT32_BOUND, PLAIN_NUMBERS, read_value
from gradus_runtime.serving import SUM_TOLERANCE, Serving
from gradus_runtime.session import OneRow

__all__ = ["Decider"]


class Decider:
    """Answers single rows from one version. Safe for any number of threads."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        schema = serving.schema
        self._slots = serving.slots
        self._packers = tuple(struct.Struct(f"{len(plan.columns)}f").pack_into for plan in schema.levels)
        self._pack_all = struct.Struct(f"{len(schema.names)}f").pack
        self._quick = tuple(_QuickLevel(schema, plan) if plan.leading else None for plan in schema.levels)
        self._expected = 0
        self._remembered: tuple[object, tuple[str, ...]] = (None, ())

    def decide(self, row: Any, request: Request) -> Decision:
        """Answer one row; never raises for what the row holds."""
        halted = self._serving.begin()
        if halted is not None:
            return self._fallback(request, 0, 0, halted)
        if type(row) is dict and request is self._serving.default:
            decision = self._as_before(row, request)
            if decision is not None:
                return decision
        return self._step_down(row, request)

    def _as_before(self, row: dict[Any, Any], request: Request) -> Decision | None:
        """The quick way: the level of the last row serves this one too, and its values are plain numbers."""
        code = self._expected
        quick, slot = self._quick[code], self._slots[code]
        session = slot.session
        if quick is None or session is None:
            return None
        cell = session.borrow()
        try:
            values = quick.values_of(row)
            if not PLAIN_NUMBERS.issuperset(map(type, values)):
                return None
            if not math.hypot(*values) < FLOAT32_BOUND:  # NaN, infinity, or perhaps too large for float32
                return None
            self._packers[code](cell.bytes, 0, *values)
            lacking, others = quick.others_of(row) if quick.others else (0, b"")
            for i in range(code):
                if not lacking & self._serving.schema.levels[i].mask and self._slots[i].problem is None:
                    return None
            probabilities = _run(slot, cell)
            if probabilities is None:
                return None
            given = cell.bytes.tobytes() + others
            return self._decision(request, code, probabilities, lacking, 0, given)
        except (KeyError, OverflowError):  # absent, or an int too large for a float
            return None
        finally:
            session.give_back(cell)

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
            cell = session.borrow()
            self._packers[i](cell.bytes, 0, *plan.pick(values))
            probabilities = _run(slot, cell)
            session.give_back(cell)
            if probabilities is not None:
                vector = self._pack_all(*given)
                return self._decision(request, i, probabilities, lacking, refused, vector)
            refused |= (slot.problem is None) << i
        if self._serving.counts is not None:
            self._serving.counts.row(self._pack_all(*given), len(self._slots), 0, 0.0)
        return self._fallback(request, lacking, refused, None)

    def _decision(
        self,
        request: Request,
        code: int,
        probabilities: list[float],
        lacking: int,
        refused: int,
        given: bytes,
    ) -> Decision:
        serving = self._serving
        schema = serving.schema
        confidence = max(probabilities)
        label = probabilities.index(confidence)
        action = schema.classes[label]
        weak = None
        if request.threshold is not None and confidence < request.threshold:
            weak = (action, confidence)
            action = serving.manifest.decision.fallback_action
        self._expected = code
        reasons: tuple[str, ...] = ()
        if code or lacking or weak or request.unavailable:
            reasons = self._reasons(request, code, lacking, refused, weak)
        if code != serving.last:
            serving.last = code
            serving.changes.level(schema.level_names[code], reasons if code else ())
        if serving.counts is not None:
            serving.counts.row(given, code, label, confidence)
        return Decision(
            action,
            confidence,
            schema.level_names[code],
            reasons,
            dict(zip(schema.classes, probabilities, strict=True)),
            serving.manifest.version,
        )

    def _reasons(
        self, request: Request, code: int, lacking: int, refused: int, weak: tuple[str, float] | None
    ) -> tuple[str, ...]:
        """Word the reasons; the last ones are remembered, as the next row mostly lacks the same."""
        serving = self._serving
        usual = request is serving.default and not refused and weak is None
        key = (code, lacking, len(serving.troubles))
        remembered, reasons = self._remembered
        if usual and remembered == key:
            return reasons
        reasons = explain(serving.context(request, None), code, lacking, refused, weak)
        if usual:
            self._remembered = (key, reasons)
        return reasons

    def _fallback(self, request: Request, lacking: int, refused: int, halted: str | None) -> Decision:
        serving = self._serving
        decision = serving.manifest.decision
        code = len(self._slots)
        reasons = explain(serving.context(request, halted), code, lacking, refused, None)
        if serving.last != code:
            serving.last = code
            serving.changes.level(FALLBACK, reasons)
        return Decision(
            decision.fallback_action,
            decision.fallback_confidence,
            FALLBACK,
            reasons,
            dict(zip(serving.schema.classes, decision.fallback_probabilities, strict=True)),
            serving.manifest.version,
        )


class _QuickLevel:
    """A level whose features lead the full vector: how to take them, and the others, from a plain dict."""

    def __init__(self, schema: Schema, plan: LevelPlan) -> None:
        width = len(plan.columns)
        pick = itemgetter(*schema.names[:width])
        self.values_of: Callable[[dict[Any, Any]], tuple[Any, ...]] = (
            pick if width > 1 else lambda row: (pick(row),)
        )
        self.others = [(1 << i, name) for i, name in enumerate(schema.names) if i >= width]
        self._pack = struct.Struct(f"{len(self.others)}f").pack

    def others_of(self, row: dict[Any, Any]) -> tuple[int, bytes]:
        """Return which other features are lacking, as a mask, and their values as float32 bytes."""
        lacking, values = 0, []
        for bit, name in self.others:
            value = read_value(row.get(name))
            if value != value:
                lacking |= bit
            values.append(value)
        return lacking, self._pack(*values)


def _run(slot: LevelSlot, cell: OneRow) -> list[float] | None:
    """Score what the cell holds. None if the session fails (then the level is out) or the row."""
    try:
        probabilities = cell.run()
    except Exception as e:  # whatever fails in there, the next level serves
        slot.fail(e)
        return None
    slot.used = True
    low = min(probabilities)
    if not (abs(sum(probabilities) - 1.0) <= SUM_TOLERANCE and low >= -SUM_TOLERANCE):
        return None
    if low < 0.0 or max(probabilities) > 1.0:
        return [min(1.0, max(0.0, p)) for p in probabilities]
    return probabilities
