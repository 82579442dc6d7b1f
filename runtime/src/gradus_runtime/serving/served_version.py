"""One version of an artifact in service: its levels, its expiry, its counts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from gradus_runtime.contracts.manifest import VERDICTS, Manifest
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.decision import Decision
from gradus_runtime.errors import CheckError, EnvironmentFailedError, UsageError
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.monitoring.drift_counts import DriftCounts
from gradus_runtime.monitoring.health import Info
from gradus_runtime.policy import rules_of, sides_of
from gradus_runtime.records import replace
from gradus_runtime.routing.guard import guard_of
from gradus_runtime.routing.reasons import Context
from gradus_runtime.routing.request import Request, resolve
from gradus_runtime.routing.schema import Schema, served_levels
from gradus_runtime.rows.base import CHUNK_ROWS, SHARED_CHUNK_ROWS
from gradus_runtime.serving.candle_features import CandleFeatures
from gradus_runtime.serving.golden_replay import check_onnxruntime
from gradus_runtime.serving.level_slot import Events, LevelSlot
from gradus_runtime.serving.settings import Settings
from gradus_runtime.serving.status import describe
from gradus_runtime.serving.version_files import VersionFiles
from gradus_runtime.sessions.kernels import Kernel, find_kernel
from gradus_runtime.sessions.level_session import MAX_DEVICE_BLOCK
from gradus_runtime.sessions.providers import CPU
from gradus_runtime.store import Artifact

if TYPE_CHECKING:
    from gradus_runtime.policy.window import ScoreWindow

__all__ = ["SERVED_SUM_TOLERANCE", "ServedVersion", "ms_of"]

SECONDS_PER_DAY = 86_400.0
SERVED_SUM_TOLERANCE = 1e-5
"""A graph whose probabilities sum to 1 no closer than this has failed on that row."""


class ServedVersion:
    """An opened artifact. Safe for any number of threads.

    A call uses one `ServedVersion` to its end; what is replaced by a reload is released by the
    last call that holds it. So nothing here may refer back to it: its memory returns without a collector.

    Args:
        artifact: Opened; it goes when this object goes.
        settings: How to serve.
        clock: Seconds since 1970 UTC.
        monotonic: Seconds that never go back; those of the process by default.
        changes: Where to say what changes.

    Attributes:
        clock: As given.
        deadline: When `begin` has something to look at; a call before may go without it.
        manifest: The contract of this version.
        digest: The digest of this version.
        schema: Names, groups and levels as masks.
        slots: The levels, in the order of service.
        default: What a call asks for that asks for nothing special.
        provider: What runs the graphs, "cpu" or "cuda".
        chunk_rows: Rows of a table that are routed and scored together.
        counts: For `drift()`; None if switched off.
        changes: As given.
        expires: When it is too old to serve, in seconds since 1970 UTC; infinity for never.
        events: Counts when a level goes out of service or returns, and when the artifact expires.
        last: Index of the level that served last.
        candles: Computes features of candles.
        rules: Of its policy; None for the most probable class.
        window: Scores of the last bars; None where no threshold moves.
        sides: Where the side of a trade comes from; None where the classes are the actions.
        guard: Judges whether rows are in the units of training; None where they are not judged.

    Raises:
        EnvironmentFailedError: This onnxruntime may not serve it.
        CheckError: Its verdict is below what is required.
    """

    def __init__(
        self,
        artifact: Artifact,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._files = VersionFiles(artifact)
        self.manifest = manifest = artifact.manifest
        self.digest = artifact.digest
        check_onnxruntime(manifest)
        _check_verdict(manifest, settings.require)
        kernel, self._kernel = _kernel(settings)
        self.provider = settings.provider
        self.chunk_rows = _chunk_rows(settings)
        self.clock = clock
        self.changes = changes or Changes()
        self.schema = schema = Schema(manifest, artifact.first_level)
        self.rules = rules_of(manifest)
        self.window = _window(manifest)
        self.sides = sides_of(manifest)
        self.guard = guard_of(manifest, settings.guard)
        self.events = Events()
        self._halt_said: str | None = None
        self.slots = tuple(
            LevelSlot(
                manifest,
                level,
                files=self._files,
                threads=settings.threads,
                memory_budget=settings.memory_budget,
                events=self.events,
                monotonic=monotonic,
                kernel=kernel,
                kernel_required=settings.kernels == "require",
                provider=settings.provider,
            )
            for level in served_levels(manifest, artifact.first_level)
        )
        self._max_age_days = settings.max_age_days or manifest.decision.max_age_days
        self.expires = _expiry(manifest, self._max_age_days)
        self._idle_seconds = None if settings.preload else settings.release_after
        self.deadline = self._next_deadline()
        threshold = settings.confidence_threshold
        self._threshold = manifest.decision.confidence_threshold if threshold is None else threshold
        self.default = self.request()
        self.counts = DriftCounts(manifest, schema) if settings.drift else None
        self.last: int | None = None
        if manifest.features_graph is not None:
            import gradus_runtime.serving.feed  # noqa: F401  here and not at the first call, which may be a child's
        self.candles = CandleFeatures(self._files, manifest.features_graph)

    def prove(self, keep: Mapping[str, bool]) -> None:
        """Load and prove every level, one after the other, for single rows and for tables.

        Args:
            keep: Levels to keep loaded, and whether for tables as well; the others are released.

        Raises:
            CheckError: A level cannot serve.
        """
        for slot in self.slots:
            if not slot.prepare(tables=keep.get(slot.level.name, False)):
                raise CheckError(
                    f"every level must load and give its golden rows; {slot.level.name}: {slot.problem}",
                    place=f"{self.manifest.name} {self.manifest.version}",
                )
            if slot.level.name not in keep:
                slot.release()
        self.candles.prove()

    def try_again(self) -> bool:
        """Try the levels that are out of service at once, whatever their pauses; whether one serves again."""
        back = False
        for slot in self.slots:
            if slot.problem is not None:
                slot.retry.now()
                back = slot.load() is not None or back
        return back

    def loaded(self) -> dict[str, bool]:
        """Names of the levels that are loaded, and whether tables have a session of their own there."""
        loaded = [(slot.level.name, slot.session) for slot in self.slots]
        return {name: session.has_table_session for name, session in loaded if session is not None}

    def request(
        self,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        min_level: str | None = None,
        threshold: float | None = None,
        use_confidence: bool = True,
        level: str | None = None,
        cutoff: float | None = None,
    ) -> Request:
        """Return what the caller asks for, resolved against this version; errors as `routing.resolve`."""
        limit = self._threshold if threshold is None else threshold
        request = resolve(
            self.schema,
            fill=fill,
            unavailable=unavailable,
            min_level=min_level,
            threshold=limit,
            use_confidence=use_confidence,
            level=level,
        )
        return request if cutoff is None else replace(request, cutoff=cutoff)

    def at_bar(self, request: Request, bar: datetime | None) -> Request:
        """Return a request with the score that this bar must reach; only where there is a window."""
        if self.window is None or request.threshold is None:
            return request
        return replace(request, cutoff=self.window.cutoff(ms_of(bar)))

    def scored(self, decisions: Iterable[tuple[datetime | None, Decision]]) -> None:
        """Take the scores of decided bars into the window; those of rows that no level served have none."""
        if self.window is None or self.rules is None:
            return
        found = []
        for bar, decision in decisions:
            ms = ms_of(bar)
            if ms is not None and decision.level != FALLBACK:
                found.append((ms, self.rules.choose((*decision.probabilities.values(),))[1]))
        if found:
            self.window.add(found)

    def begin(self) -> str | None:
        """Begin a call: say why no level may serve at all, or None; release levels that idle."""
        if self.clock() < self.deadline:
            return None
        halted = self.halted()
        if halted is None:
            for slot in self.slots:
                slot.release_if_idle()
            self.deadline = self._next_deadline()
        elif halted != self._halt_said:
            self._halt_said = halted
            self.events.count += 1
        return halted

    def _next_deadline(self) -> float:
        if self._idle_seconds is None:
            return self.expires
        return min(self.expires, self.clock() + self._idle_seconds)

    def halted(self) -> str | None:
        """Say why no level may serve at all; None if they may."""
        if self._files.closed:
            return "the predictor is closed: open another one"
        if self.clock() < self.expires:
            return None
        from gradus_runtime.wording import plural  # only now: no decision needs it

        days = self._max_age_days or 0.0
        return (
            f"artifact {self.manifest.version} has expired: its data ends at "
            f"{self.manifest.provenance.data_end}, and it may serve for {days:g} {plural(days, 'day')}"
        )

    def context(self, request: Request, halted: str | None) -> Context:
        """Return what the reasons of a call need to know."""
        blocked = {i: slot.problem for i, slot in enumerate(self.slots) if slot.problem is not None}
        fallback = self.manifest.decision.fallback_action
        return Context(self.schema, request, blocked, halted, fallback, self.guard)

    def info(self) -> Info:
        """Describe the artifact."""
        return describe(
            self.manifest,
            digest=self.digest,
            origin=self._files.origin,
            threshold=self._threshold,
            kernel=self._kernel,
            provider=self.provider,
        )

    def close(self) -> None:
        """Release sessions and files; calls that are under way end well, later ones get the fallback."""
        self._files.close()
        self.deadline = -math.inf
        for slot in self.slots:
            slot.release()

    def after_fork(self) -> None:
        """In a forked child: forget the threads that are not there."""
        for slot in self.slots:
            slot.after_fork()
        if self.counts is not None:
            self.counts.after_fork()
        if self.window is not None:
            self.window.after_fork()


def ms_of(bar: datetime | None) -> int | None:
    """Return the opening of a bar in ms since 1970 UTC; None where it is not known."""
    return None if bar is None else round(bar.timestamp() * 1000)


def _check_verdict(manifest: Manifest, require: str | None) -> None:
    """Refuse a version whose verdict is below what was required, or unknown."""
    if require is None:
        return
    found = None if manifest.verdict is None else manifest.verdict.name
    if found is None or VERDICTS.index(found) < VERDICTS.index(require):
        raise CheckError(
            f"the verdict of a version must be {require} or better",
            place=f"{manifest.name} {manifest.version}",
            value=found or "unknown",
            hint="Pin a version that is, or open it without require.",
        )


def _expiry(manifest: Manifest, days: float | None) -> float:
    """When an artifact is too old to serve, in seconds since 1970 UTC."""
    if days is None:
        return math.inf
    if manifest.provenance.data_end is None:
        raise UsageError(
            "the end of the training data must be known where a version may serve for a number of days",
            place=f"{manifest.name} {manifest.version}: max_age_days",
            value=days,
            hint="Import it again with --data-end, or leave max_age_days out.",
        )
    return datetime.fromisoformat(manifest.provenance.data_end).timestamp() + days * SECONDS_PER_DAY


def _window(manifest: Manifest) -> ScoreWindow | None:
    if manifest.policy is None or manifest.policy.trailing is None:
        return None
    from gradus_runtime.policy.window import shipped_window

    return shipped_window(manifest.policy.trailing)


def _chunk_rows(settings: Settings) -> int:
    if settings.provider != CPU:
        return MAX_DEVICE_BLOCK
    return CHUNK_ROWS if settings.threads == 1 else SHARED_CHUNK_ROWS


def _kernel(settings: Settings) -> tuple[Kernel | None, str]:
    """Return the kernel that shall walk trees, and what `info()` says of it.

    Raises:
        EnvironmentFailedError: One is required, and none is installed or it is damaged.
    """
    asked = settings.kernels
    if asked == "off":
        return None, "off"
    if settings.provider != CPU:
        return None, f"not used: the provider is {settings.provider}"
    try:
        found = find_kernel()
    except EnvironmentFailedError as e:
        if asked == "require":
            raise
        return None, f"not used: {e}"
    if found is not None:
        return found, f"gradus-kernels {found.version}"
    if asked == "require":
        raise EnvironmentFailedError("gradus-kernels must be installed", hint="pip install gradus-kernels.")
    return None, "none installed"
