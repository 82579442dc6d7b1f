"""One version of an artifact in service: its levels, its expiry, and the answer for one row."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import numpy as np

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.decision import Decision
from gradus_runtime.explain import Context, explain
from gradus_runtime.health import Info, describe
from gradus_runtime.levels import LevelSlot
from gradus_runtime.opening import GoldenRows, check_onnxruntime, read_golden
from gradus_runtime.routing import FALLBACK, Request, Schema, resolve
from gradus_runtime.rows.values import read_mapping
from gradus_runtime.session import LevelSession
from gradus_runtime.settings import Settings
from gradus_runtime.store import Artifact

__all__ = ["SECONDS_PER_DAY", "SUM_TOLERANCE", "Serving", "data_end"]

SECONDS_PER_DAY = 86_400.0
SUM_TOLERANCE = 1e-5
"""A graph whose probabilities sum to 1 no closer than this has failed on that row."""


def data_end(manifest: Manifest) -> float:
    """Return the end of the training data, in seconds since 1970 UTC."""
    moment = datetime.fromisoformat(manifest.provenance.data_end)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Serving:
    """An opened artifact that answers. Safe for any number of threads.

    Args:
        artifact: Opened; this object closes it.
        settings: How to serve.
        clock: Seconds since 1970 UTC.
        on_problem: Called when a level goes out of service.

    Attributes:
        manifest: The contract of this version.
        digest: The digest of this version.
        schema: Names, groups and levels as masks.
        slots: The levels, best first.
        expires: When it is too old to serve, in seconds since 1970 UTC; infinity for never.

    Raises:
        EnvironmentFailedError: This onnxruntime may not serve it.
    """

    def __init__(
        self,
        artifact: Artifact,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        on_problem: Callable[[LevelSlot], None] = lambda slot: None,
    ) -> None:
        self._artifact = artifact
        self.manifest = manifest = artifact.manifest
        self.digest = artifact.digest
        check_onnxruntime(manifest)
        self._clock = clock
        self._settings = settings
        self.schema = Schema(manifest, artifact.first_level)
        self._golden: GoldenRows | None = None
        self.slots = tuple(
            LevelSlot(
                manifest,
                level,
                read=artifact.read,
                golden=self._golden_rows,
                threads=settings.threads,
                memory_budget=settings.memory_budget,
                on_problem=on_problem,
            )
            for level in manifest.levels
            if level.name in self.schema.level_names
        )
        days = settings.max_age_days
        if days is None:
            days = manifest.decision.max_age_days
        self.expires = math.inf if days is None else data_end(manifest) + days * SECONDS_PER_DAY
        threshold = settings.confidence_threshold
        if threshold is None:
            threshold = manifest.decision.confidence_threshold
        self._threshold = threshold
        self.default = self.request()
        self._prepare()

    def _prepare(self) -> None:
        schema, decision = self.schema, self.manifest.decision
        self._fallback = dict(zip(schema.classes, decision.fallback_probabilities, strict=True))
        best = [schema.names[i] for i in schema.levels[0].columns.tolist()]
        single = itemgetter(*best)
        self._getter: Callable[[Any], Any] = single if len(best) > 1 else lambda row: (single(row),)
        self._packers = tuple(struct.Struct(f"{len(plan.columns)}f").pack_into for plan in schema.levels)

    def _golden_rows(self) -> GoldenRows:
        if self._golden is None:
            file = self.manifest.golden.file
            self._golden = read_golden(self._artifact.read(file), f"{self._artifact.origin}/{file}")
        return self._golden

    def request(
        self,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        min_level: str | None = None,
        threshold: float | None = None,
        use_confidence: bool = True,
    ) -> Request:
        """Return what the caller asks for, resolved against this version."""
        limit = self._threshold if threshold is None else threshold
        return resolve(
            self.schema,
            fill=fill,
            unavailable=unavailable,
            min_level=min_level,
            threshold=float(np.float32(limit)) if use_confidence else None,
        )

    def info(self) -> Info:
        """Describe the artifact."""
        return describe(
            self.manifest,
            digest=self.digest,
            origin=self._artifact.origin,
            threshold=self._threshold,
        )

    def halted(self) -> str | None:
        """Say why no level may serve at all; None if they may."""
        if self._clock() < self.expires:
            return None
        manifest = self.manifest
        days = (self.expires - data_end(manifest)) / SECONDS_PER_DAY
        return (
            f"artifact {manifest.version} has expired: its data ends at {manifest.provenance.data_end}, "
            f"and it may serve for {days:g} days"
        )

    def context(self, request: Request, halted: str | None) -> Context:
        """Return what the reasons of a call need to know."""
        blocked = {i: slot.problem for i, slot in enumerate(self.slots) if slot.problem is not None}
        return Context(self.schema, request, blocked, halted, self.manifest.decision.fallback_action)

    def decide(self, row: Any, request: Request) -> Decision:
        """Answer one row; never raises for what the row holds."""
        if self._clock() >= self.expires:
            return self._no_level(request, 0, 0, self.halted())
        slot = self.slots[0]
        if type(row) is dict and not request.unavailable:
            session = slot.session or slot.load()
            probabilities = None if session is None else self._full_row(slot, session, row)
            if probabilities is not None:
                return self._decision(request, 0, probabilities, 0, 0)
        return self._step_down(row, request)

    def _full_row(self, slot: LevelSlot, session: LevelSession, row: dict[Any, Any]) -> list[float] | None:
        """The quick way: every feature of the best level is there and a number."""
        cell = session.borrow()
        try:
            self._packers[0](cell.bytes, 0, *self._getter(row))
        except Exception:  # absent, or no number: the careful way finds out which
            session.give_back(cell)
            return None
        if not math.isfinite(sum(cell.floats)):
            session.give_back(cell)
            return None
        return self._run(slot, session, cell)

    def _run(self, slot: LevelSlot, session: LevelSession, cell: Any) -> list[float] | None:
        try:
            probabilities: list[float] = cell.run()
        except Exception as e:  # whatever fails in there, the next level serves
            slot.fail(e)
            return None
        session.give_back(cell)
        slot.used = True
        if not (abs(sum(probabilities) - 1.0) <= SUM_TOLERANCE and min(probabilities) >= -SUM_TOLERANCE):
            return None
        if min(probabilities) < 0.0 or max(probabilities) > 1.0:
            return [min(1.0, max(0.0, p)) for p in probabilities]
        return probabilities

    def _step_down(self, row: Any, request: Request) -> Decision:
        """The careful way: find what is missing, and the best level that can do without it."""
        values = read_mapping(row, self.schema.names)
        lacking = 0
        if math.isnan(sum(values)):
            lacking = sum(1 << i for i, value in enumerate(values) if value != value)
        wanting = lacking | request.unavailable
        if wanting & request.fillable:
            for i, filling in request.fill.items():
                if wanting >> i & 1:
                    values[i] = filling
        short = wanting & ~request.fillable
        refused = 0
        for i, plan in enumerate(self.schema.levels[: request.last_level + 1]):
            if short & plan.mask:
                continue
            slot = self.slots[i]
            session = slot.session or slot.load()
            if session is None:
                continue
            cell = session.borrow()
            self._packers[i](cell.bytes, 0, *plan.pick(values))
            probabilities = self._run(slot, session, cell)
            if probabilities is not None:
                return self._decision(request, i, probabilities, lacking, refused)
            refused |= (slot.problem is None) << i
        return self._no_level(request, lacking, refused, None)

    def _decision(
        self, request: Request, code: int, probabilities: list[float], lacking: int, refused: int
    ) -> Decision:
        schema = self.schema
        confidence = max(probabilities)
        action = schema.classes[probabilities.index(confidence)]
        weak = None
        if request.threshold is not None and confidence < request.threshold:
            weak = (action, confidence)
            action = self.manifest.decision.fallback_action
        reasons: tuple[str, ...] = ()
        if code or lacking or weak or request.unavailable:
            reasons = explain(self.context(request, None), code, lacking, refused, weak)
        return Decision(
            action,
            confidence,
            schema.level_names[code],
            reasons,
            dict(zip(schema.classes, probabilities, strict=True)),
            self.manifest.version,
        )

    def _no_level(self, request: Request, lacking: int, refused: int, halted: str | None) -> Decision:
        decision = self.manifest.decision
        return Decision(
            decision.fallback_action,
            decision.fallback_confidence,
            FALLBACK,
            explain(self.context(request, halted), len(self.slots), lacking, refused, None),
            dict(self._fallback),
            self.manifest.version,
        )

    def close(self) -> None:
        """Give back sessions and files; calls that are under way end well."""
        for slot in self.slots:
            slot.release()
        self._artifact.close()
