"""The answer for a table: routed row by row, scored in blocks, so that memory does not grow with the table.

Beyond its result (some 40 bytes a row) a batch takes what a chunk of 2,048 rows (8,192 for several threads,
65,536 for a GPU) and a block of scoring a thread take.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.decision import Predictions
from gradus_runtime.monitoring.bins import Parts
from gradus_runtime.policy import HELD, PolicyRules
from gradus_runtime.routing.reasons import Trace
from gradus_runtime.routing.request import Request
from gradus_runtime.rows.base import Float32, Rows
from gradus_runtime.serving.level_slot import LevelSlot
from gradus_runtime.serving.served_version import SERVED_SUM_TOLERANCE, ServedVersion, ms_of
from gradus_runtime.sessions.level_session import Also
from gradus_runtime.sessions.library import FAULTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["predict"]

Mask: TypeAlias = "NDArray[np.bool_]"


def predict(
    serving: ServedVersion, rows: Rows, request: Request, bars: Sequence[datetime | None]
) -> Predictions:
    """Answer every row of a table; never raises for what the rows hold.

    Args:
        serving: Which version.
        rows: Of the table.
        request: What the caller asks for.
        bars: Opening of each row's bar, which a threshold that moves depends on; None where it is not known.
            Empty where the version has no window of scores.
    """
    with np.errstate(all="ignore"):  # whatever the program set: rows may hold anything
        job = _Job(serving, rows.count, request)
        halted = serving.begin()
        if halted is None:
            chunks = -(-rows.count // serving.chunk_rows) or 1
            step = -(-rows.count // chunks) or 1  # of like size, so that none has too few rows to share
            for start in range(0, rows.count, step):
                stop = min(start + step, rows.count)
                job.chunk(rows.block(start, stop), start)
        predictions = job.result(rows, halted, bars)
    if rows.count:
        _say_level(serving, predictions)
    return predictions


def _say_level(serving: ServedVersion, predictions: Predictions) -> None:
    """Say a change of the level that served most rows of the batch."""
    codes = predictions._trace.codes
    code = int(np.bincount(codes).argmax())
    if code != serving.last:
        names = (*serving.schema.level_names, FALLBACK)
        row = int((codes == code).argmax())
        serving.changes.level(names[code], predictions.reasons[row] if code else ())
        serving.last = code


def _largest(probabilities: Float32) -> tuple[NDArray[np.intp], Float32]:
    """Return the most probable class of each row, and its probability."""
    top = probabilities[:, 0].copy()
    for column in probabilities.T[1:]:  # a maximum along rows this short costs ten times as much
        np.maximum(top, column, out=top)
    return probabilities.argmax(axis=1), top


class _Job:
    """One batch under way: the arrays of its result, filled chunk by chunk."""

    def __init__(self, serving: ServedVersion, count: int, request: Request) -> None:
        self._serving = serving
        self._request = request
        schema = serving.schema
        self._bottom = len(schema.levels)
        fallback = serving.manifest.decision.fallback_probabilities
        self._probabilities = np.empty((count, len(schema.classes)), np.float32)
        self._probabilities[:] = fallback
        self._codes = np.full(count, self._bottom, np.uint8)
        self._missing = np.zeros((count, -(-len(schema.names) // 8)), np.uint8)
        self._rejected: NDArray[np.uint16] | None = None
        self._odd: NDArray[np.uint8] | None = None
        self._proposed: Float32 | None = None
        self._given = np.empty((0, len(schema.names)), np.float32)
        self._parts: Parts | None = None
        if serving.sides is not None:
            self._proposed = np.full(count, np.nan, np.float32)

    def chunk(self, block: Float32, start: int) -> None:
        """Serve the rows `block` [n, F], which stand at `start` in the table."""
        schema, request = self._serving.schema, self._request
        missing = ~np.isfinite(block)
        incomplete = bool(missing.any())
        if incomplete:
            self._missing[start : start + len(block)] = np.packbits(missing, axis=1, bitorder="little")
        if request.unavailable:
            missing[:, schema.columns_of(request.unavailable)] = True
            incomplete = True
        given = np.where(missing, np.float32(np.nan), block) if request.unavailable else block
        if self._proposed is not None and self._serving.sides is not None:
            column = self._serving.sides.column
            proposed = np.where(missing[:, column], np.float32(np.nan), given[:, column])
            self._proposed[start : start + len(block)] = proposed
        odd = self._guarded(block, missing, start)
        if incomplete and request.fillable:
            block = block.copy()
            for i, value in request.fill.items():
                block[missing[:, i], i] = value
                missing[:, i] = False
        if odd is not None:
            missing |= odd
            incomplete = True
        if incomplete and schema.learned:
            block = np.where(missing, np.float32(np.nan), block)
        left = np.ones(len(block), bool)
        self._given, self._parts = given, None
        for i in range(request.first_level, request.last_level + 1):
            plan = schema.levels[i]
            able = left & ~missing[:, plan.needed_columns].any(axis=1) if incomplete else left
            if able.any():
                left = left & ~self._serve(i, block, able, start)
                if not left.any():
                    break
        counts = self._serving.counts
        if counts is not None:
            stop = start + len(given)
            labels, confidences = _largest(self._probabilities[start:stop])
            counts.block(given, self._codes[start:stop], labels, confidences, self._parts)

    def _guarded(self, block: Float32, missing: Mask, start: int) -> Mask | None:
        """Note what the guard finds, and return what it takes for missing; None for nothing."""
        guard = self._serving.guard
        if guard is None:
            return None
        odd = block < guard.low
        odd |= block > guard.high
        if not odd.any():
            return None
        odd &= ~missing
        if not odd.any():
            return None
        if self._odd is None:
            self._odd = np.zeros_like(self._missing)
        self._odd[start : start + len(block)] = np.packbits(odd, axis=1, bitorder="little")
        return odd if guard.takes_for_missing else None

    def _serve(self, i: int, block: Float32, able: Mask, start: int) -> Mask:
        """Score the rows `able` by level `i`; return those that it served."""
        slot = self._serving.slots[i]
        session = slot.session or slot.load()
        if session is None:
            return np.zeros_like(able)
        columns = self._serving.schema.levels[i].columns
        chosen = None if able.all() else np.flatnonzero(able)
        features = block if chosen is None else block[chosen]
        if len(columns) != block.shape[1]:
            features = np.ascontiguousarray(features[:, columns])
        out = np.empty((len(features), self._probabilities.shape[1]), np.float32)
        try:
            session.score(features, out, self._counting(len(features)))
        except FAULTS as e:
            slot.fail(e, session)
            return np.zeros_like(able)
        slot.used = True
        sums = out[:, 0].copy()
        for column in out.T[1:]:  # a sum along rows this short costs five times as much
            sums += column
        valid = np.abs(sums - 1.0) <= SERVED_SUM_TOLERANCE
        if not out.min() >= -SERVED_SUM_TOLERANCE:  # of all first: a minimum a row costs more than the sum
            valid &= out.min(axis=1) >= -SERVED_SUM_TOLERANCE
        np.clip(out, 0.0, 1.0, out=out)
        if chosen is None and valid.all():
            self._probabilities[start : start + len(out)] = out
            self._codes[start : start + len(out)] = i
            return able
        places = np.arange(len(block)) if chosen is None else chosen
        if not valid.all():
            self._refuse(slot, i, start + places[~valid])
            places, out = places[valid], out[valid]
        self._probabilities[start + places] = out
        self._codes[start + places] = i
        served = np.zeros_like(able)
        served[places] = True
        return served

    def _counting(self, rows: int) -> Also | None:
        """Return what counts a chunk by bin where its rows lie, if a level is to score all of them."""
        counts = self._serving.counts
        if counts is None or rows != len(self._given):
            return None
        self._parts = counts.parts_of(self._given)  # those of a level that failed are not whole
        return self._parts.count

    def _refuse(self, slot: LevelSlot, i: int, rows: NDArray[np.intp]) -> None:
        if self._rejected is None:
            self._rejected = np.zeros(len(self._codes), np.uint16)
        self._rejected[rows] |= np.uint16(1 << i)

    def result(self, rows: Rows, halted: str | None, bars: Sequence[datetime | None]) -> Predictions:
        """Turn probabilities into actions."""
        serving, request = self._serving, self._request
        decision = serving.manifest.decision
        schema = serving.schema
        names = np.array([*schema.classes, decision.fallback_action], object)
        fallback = self._codes == self._bottom
        choice, confidences = _largest(self._probabilities)
        cutoffs = None
        if request.threshold is not None:
            if serving.rules is not None:
                choice, cutoffs = self._by_rules(serving.rules, fallback, bars)
            choice[confidences < np.float32(request.threshold)] = HELD
        choice[fallback] = HELD
        confidences[fallback] = decision.fallback_confidence
        actions, unproposed = names[choice], None
        if request.threshold is not None and serving.sides is not None and self._proposed is not None:
            answer, taken = decision.fallback_action, actions == serving.sides.taken
            actions = np.where(taken, serving.sides.actions(self._proposed, answer), answer)
            unproposed = taken & (actions == answer), serving.sides.unproposed(answer)
        return Predictions(
            actions=actions,
            probabilities=self._probabilities,
            levels=np.array([*schema.level_names, FALLBACK], object)[self._codes],
            confidences=confidences,
            classes=schema.classes,
            version=serving.manifest.version,
            ignored=rows.ignored,
            cutoffs=cutoffs,
            _trace=Trace(
                serving.context(request, halted),
                self._codes,
                self._missing,
                self._rejected,
                rows.texts.found,
                self._odd,
            ),
            _rules=serving.rules,
            _unproposed=unproposed,
        )

    def _by_rules(
        self, rules: PolicyRules, fallback: Mask, bars: Sequence[datetime | None]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64] | None]:
        """Return what the policy answers, and the scores that rows had to reach where a window says so."""
        scores, window = rules.scores(self._probabilities), self._serving.window
        if window is None:
            return rules.choose_all(scores), None
        top = np.where(fallback, np.nan, scores.max(axis=1))
        cutoffs = window.walk([ms_of(bar) for bar in bars], top)
        return rules.choose_all(scores, cutoffs), cutoffs
