"""Fast path for single-row predictions."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.decision import Decision, completed
from gradus_runtime.routing.reasons import explain, first_of
from gradus_runtime.routing.request import Request
from gradus_runtime.rows import read_row
from gradus_runtime.rows.mappings import is_column
from gradus_runtime.serving.finish import Reasons, finish_for
from gradus_runtime.serving.level_slot import LevelSlot
from gradus_runtime.serving.quick_way import QuickWay
from gradus_runtime.serving.served_version import SERVED_SUM_TOLERANCE, ServedVersion
from gradus_runtime.sessions.level_session import LevelSession
from gradus_runtime.sessions.library import FAILURES

__all__ = ["Decider"]

_MOST_NAMES = 4096
"""So many names of a row are compared with those of features that it lacks."""


class Decider:
    """Answers single rows from one version. Safe for any number of threads."""

    def __init__(self, serving: ServedVersion) -> None:
        self._serving = serving
        schema = serving.schema
        self._slots = serving.slots
        self._known = frozenset(schema.names)
        self._packers = tuple(struct.Struct(f"{len(plan.columns)}f").pack_into for plan in schema.levels)
        self._masks = tuple(plan.needed for plan in schema.levels)
        self._pack_all = struct.Struct(f"{len(schema.names)}f").pack
        reasons, codes = Reasons(serving), range(len(schema.levels))
        self._finish = tuple(finish_for(serving, code, reasons) for code in codes)
        self._ways = tuple(QuickWay(serving, code, self._finish[code]) for code in codes)
        self._way = self._ways[0]

    def decide(self, row: dict[Any, Any], request: Request) -> Decision:
        """Answer one row; never raises for what the row holds."""
        serving = self._serving
        if serving.clock() >= serving.deadline:
            halted = serving.begin()
            if halted is not None:
                return self._fallback(request, 0, 0, halted)
        usual = request is serving.default
        if usual:
            decision = self._way.answer(row)
            if decision is not None:
                return decision
        values, texts = self.read(row)
        near = self.near(row, values)
        code, decision = self._step_down(values, texts, request)
        if near:  # the fast path would not say it
            return completed(decision, more=near)
        if usual and code < len(self._ways):
            self._way = self._ways[code]
            self._way.learn(row)
        return decision

    def read(self, row: dict[Any, Any]) -> tuple[list[float], int]:
        """Read a row as `read_row` does; columns of one value are values, too.

        Raises:
            UsageError: The row is a mapping of longer columns.
        """
        names = self._serving.schema.names
        if len(row) > len(names) and not self._serving.changes.ignored_said:
            known = set(names)
            others = [name for name in row if type(name) is not str or name not in known]
            self._serving.changes.ignored(others, len(others))
        values, texts = read_row(row, names)
        if math.isnan(sum(values)) and any(map(is_column, row.values())):
            from gradus_runtime.rows.one_row import row_of_columns

            columns = row_of_columns(row, names, self._masks)
            if columns is not None:
                return read_row(columns, names)
        return values, texts

    def near(self, row: dict[Any, Any], values: list[float]) -> tuple[str, ...]:
        """Say which names of a row are a missing feature's but for how they are written."""
        if not math.isnan(sum(values)):
            return ()
        there = {name for name in islice(row, _MOST_NAMES) if type(name) is str}
        others = sorted(there - self._known)
        if not others:
            return ()
        from gradus_runtime.rows.near_names import said_of_near_names  # most rows are whole

        pairs = zip(self._serving.schema.names, values, strict=True)
        absent = [name for name, value in pairs if value != value and name not in there]
        return said_of_near_names(others, absent)

    def decide_values(self, values: list[float], texts: int, request: Request) -> Decision:
        """Answer one row that was read, as `read_row` reads it."""
        halted = self._serving.begin()
        if halted is not None:
            return self._fallback(request, 0, 0, halted)
        return self._step_down(values, texts, request)[1]

    def _step_down(self, values: list[float], texts: int, request: Request) -> tuple[int, Decision]:
        """The careful way: find what is missing or too far from training, and who can do without it."""
        guard = self._serving.guard
        odd = 0 if guard is None else guard.odd(values) & ~request.unavailable
        if guard is None or not odd:
            return self._best_level(values, texts, request, 0)
        taken = odd if guard.takes_for_missing else 0
        code, decision = self._best_level(values, texts, request.without_filling(taken), taken)
        return code, completed(decision, more=(guard.reason(odd),))

    def _best_level(
        self, values: list[float], texts: int, request: Request, missing: int
    ) -> tuple[int, Decision]:
        """Answer by the best level that can do without what is `missing` and what else the row lacks."""
        schema = self._serving.schema
        given = values
        if math.isnan(sum(values)):
            missing |= sum([1 << i for i, value in enumerate(values) if value != value])
        missing_or_unavailable = missing | request.unavailable
        if request.unavailable:
            given = [math.nan if missing_or_unavailable >> i & 1 else value for i, value in enumerate(values)]
        if missing_or_unavailable & request.fillable:
            values = [
                request.fill[i] if (missing_or_unavailable & request.fillable) >> i & 1 else value
                for i, value in enumerate(values)
            ]
        unfilled = missing_or_unavailable & ~request.fillable
        if unfilled & schema.learned:
            values = [math.nan if unfilled >> i & 1 else value for i, value in enumerate(values)]
        rejected = 0
        for i in range(request.first_level, request.last_level + 1):
            plan = schema.levels[i]
            if unfilled & plan.needed:
                continue
            slot = self._slots[i]
            session = slot.session or slot.load()
            if session is None:
                continue
            probabilities = _run(slot, session, self._packers[i], plan.pick(values))
            if probabilities is not None:
                confidence = max(probabilities)
                label = probabilities.index(confidence)
                by_class = dict(zip(schema.classes, probabilities, strict=True))
                vector, text = self._pack_all(*given), first_of(texts)
                finish = self._finish[i]
                return i, finish(request, label, confidence, by_class, missing, rejected, vector, text)
            rejected |= (slot.problem is None) << i
        if self._serving.counts is not None:
            self._serving.counts.row(self._pack_all(*given), len(self._slots), 0, 0.0)
        return len(self._slots), self._fallback(request, missing, rejected, None, texts)

    def _fallback(
        self, request: Request, missing: int, rejected: int, halted: str | None, texts: int = 0
    ) -> Decision:
        serving = self._serving
        decision = serving.manifest.decision
        code = len(self._slots)
        reasons = explain(serving.context(request, halted), code, missing, rejected, None, first_of(texts))
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
    if not (abs(sum(probabilities) - 1.0) <= SERVED_SUM_TOLERANCE and low >= -SERVED_SUM_TOLERANCE):
        return None
    if low < 0.0 or max(probabilities) > 1.0:
        return tuple(min(1.0, max(0.0, p)) for p in probabilities)
    return probabilities
