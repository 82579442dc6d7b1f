"""`Predictor`: what a bot holds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.decision import Decision, Predictions
from gradus_runtime.errors import UsageError, let_signals_through
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.monitoring.drift import DriftReport, report
from gradus_runtime.monitoring.health import Health, Info
from gradus_runtime.monitoring.model_info import ModelInfo, PredictionSummary, model_info, summarise
from gradus_runtime.routing.request import Request
from gradus_runtime.rows import adapt, one_row
from gradus_runtime.rows.moments import read_moment
from gradus_runtime.serving import batch
from gradus_runtime.serving.candle_calls import CandleCalls
from gradus_runtime.serving.candle_features import BarFeatures
from gradus_runtime.serving.reload import PinnedSource
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings, check_arguments
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.serving.status import examine
from gradus_runtime.sessions import forking
from gradus_runtime.sessions.level_session import DEFAULT_MEMORY_BUDGET
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.sessions.memory import trim

if TYPE_CHECKING:  # what a bot without a journal does not load
    from gradus_runtime.journal.stream import Stream
    from gradus_runtime.serving.recorder import Recorder

__all__ = ["Predictor"]

Active = tuple[ServedVersion, Decider]


class Predictor(CandleCalls):
    """Serves an artifact: an answer for every row, from the best level the row has features for.

    Make one by `Predictor.open`. It may be used by any number of threads, and as a context manager.

    Attributes:
        classes_: Names of the classes, in the order of the probabilities: text [C].
        feature_names_in_: Names of the features of the full vector, in order: text [F].
    """

    def __init__(
        self,
        source: PinnedSource,
        serving: ServedVersion,
        changes: Changes,
        recorder: Recorder | None = None,
        records: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._records = dict(records or {})
        self._changes = changes
        self._recorder = recorder
        self._serve(serving)
        forking.tell_after_fork(self)

    def _serve(self, serving: ServedVersion) -> None:
        self._active: Active = (serving, Decider(serving))
        self._seen = 0

    @classmethod
    def open(
        cls,
        source: str | Path,
        version: str | None = None,
        *,
        preload: bool = False,
        threads: int = 1,
        memory_budget: int = DEFAULT_MEMORY_BUDGET,
        confidence_threshold: float | None = None,
        max_age_days: float | None = None,
        release_after: float | None = 600.0,
        drift: bool = True,
        require: str | None = None,
        guard: str = "step_down",
        journal: str | Path | Stream | None = None,
        journal_rows: bool = True,
        sync: str = "decision",
        health_file: str | Path | None = None,
        metrics: bool | None = None,
        strict: bool = False,
        kernels: str = "auto",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
    ) -> Predictor:
        """Open an artifact for serving.

        Args:
            source: A store folder (its pin is honoured), a version folder, an exported .zip, or the name of
                an installed artifact wheel.
            version: A version of the store instead of the pinned one; then `reload_if_changed` does nothing.
            preload: Load and prove every level now, and keep all: if the first prediction must not be slow.
            threads: Threads for a batch.
            memory_budget: Bytes of intermediate results while a batch is scored: it sets the rows scored at
                once. 3 MiB are 88 rows of 1,400 trees (34 KB a row).
            confidence_threshold: Overrides the artifact's: calls below it become the fallback action.
            max_age_days: Overrides the artifact's expiry: days after the end of the training data.
            release_after: Seconds after which a level that served nothing is released; None for never.
            drift: Count what `drift()` reports.
            require: The least verdict that a version must have: "moves", "direction" or "tradable". A version
                below it, or of unknown verdict, is refused here; at a reload the old version stays.
            guard: What comes of a value that is so far from training that it is likely in another unit:
                "step_down": it counts as missing, and the reasons say so; "warn": the reasons say so; "off".
            journal: Where every decision of `decide` is written, a line each: a folder, which any number of
                processes may share; "-" for standard error; or a stream of text. See docs/journal.md.
            journal_rows: Write the rows, too; False for their digests only.
            sync: "decision": `decide` returns when its line is on disk; "second": lines are on disk within a
                second; "never": when the system likes.
            health_file: A file that is written anew at each decision and reload, for `gradus health --file`.
            metrics: Count what `metrics()` reports; by default where there is a journal or a health file.
            strict: Serve the pinned version or none. Otherwise, where no level of it can serve now, the
                version that was pinned before it serves, and `health()` says so; `reload_if_changed` tries
                the pinned one again. A version that is asked for by name has nothing to fall back to.
            kernels: Whether the native kernel of the distribution gradus-kernels walks the trees: "auto"
                where one is installed; "off" never; "require": a level that it does not walk is out of
                service. The answers have the same bits. See docs/kernels.md.
            clock: Seconds since 1970 UTC; for tests.
            monotonic: Seconds that never go back, `time.monotonic` by default; for tests.

        Raises:
            UsageError: An argument is out of range, or of another type.
            StoreError: There is no such artifact or version.
            IntegrityError: Its manifest is not what the pin says.
            ManifestError: Its manifest breaks the contract.
            EnvironmentFailedError: It cannot be read, this onnxruntime may not serve it, or a kernel is
                required and none is installed.
            CheckError: Its verdict is below what is required.
        """
        check_arguments(source, version, clock, monotonic)
        settings = Settings(
            preload,
            threads,
            memory_budget,
            confidence_threshold,
            max_age_days,
            release_after,
            drift,
            strict,
            require,
            guard,
            kernels,
        )
        recorder, records = None, {}
        if journal is not None or health_file is not None or metrics:
            from gradus_runtime.serving.recorder import open_recorder, records_of

            records = records_of(journal, journal_rows, sync, health_file, metrics)
            recorder = open_recorder(
                records["journal"],
                rows=journal_rows,
                sync=sync,
                health_file=records["health_file"],
                metrics=metrics,
                clock=clock,
            )
        changes = Changes()
        origin = PinnedSource(source, version, settings, clock, monotonic, changes)
        serving = origin.open()
        predictor = cls(origin, serving, changes, recorder, records)
        if preload:
            for slot in serving.slots:
                slot.load()
        predictor._began("opened")
        return predictor

    def decide(
        self,
        row: Mapping[str, Any],
        *,
        at: Any = None,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        level: str | None = None,
        min_level: str | None = None,
        use_confidence: bool = True,
        confidence_threshold: float | None = None,
    ) -> Decision:
        """Answer one row.

        Args:
            row: Names to values, in any order; other names are ignored. docs/rows.md says what comes of each
                kind of value.
            at: The bar that the row is of, by its opening: milliseconds since 1970 UTC, an aware datetime, or
                ISO 8601 text with its offset. The decision and the journal name it; the answer is the same,
                unless the policy's threshold moves with the scores of the bars before (docs/policy.md).
            fill: Groups (or features) whose missing values are replaced, and by what; the reasons say so.
            unavailable: Groups (or features) to treat as missing, whatever the row holds.
            level: The only level that may serve, in service or not; a row that it cannot serve gets the
                fallback.
            min_level: The lowest level that may serve; rows for a lower one get the fallback.
            use_confidence: False for the class of the largest probability, however weak, whatever the policy.
            confidence_threshold: Instead of the predictor's, for this call.

        Returns:
            The decision. What the row holds never raises.

        Raises:
            UsageError: The row is no mapping; an unknown group, feature or level; `at` is no moment.
        """
        return self._decide(
            self._active, row, at, fill, unavailable, min_level, use_confidence, confidence_threshold, level
        )

    def _decide(
        self,
        active: Active,
        row: Mapping[str, Any],
        at: Any = None,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        min_level: str | None = None,
        use_confidence: bool = True,
        confidence_threshold: float | None = None,
        level: str | None = None,
    ) -> Decision:
        """Answer one row by a version."""
        serving, decider = active
        request = serving.default
        special = min_level is not None or confidence_threshold is not None or not use_confidence
        if special or fill or unavailable or level is not None:
            request = serving.request(
                fill, unavailable, min_level, confidence_threshold, use_confidence, level
            )
        more: tuple[str, ...] = ()
        if type(row) is dict:
            plain = row
        else:
            plain = one_row(row, serving.schema.names)
            if isinstance(row, BarFeatures):
                more = row.reasons
                if row.held:  # nothing may serve it, so nothing is filled
                    request = serving.default
        recorder, window = self._recorder, serving.window
        if recorder is None and at is None and window is None and not more:
            decision = decider.decide(plain, request)
        else:
            bar = None if at is None else read_moment(at)
            if window is not None:
                request = serving.at_bar(request, bar)
            if recorder is None:
                decision = decider.decide(plain, request)
                decision = dataclasses.replace(decision, bar_time=bar, reasons=(*decision.reasons, *more))
            else:
                decision = self._recorded(recorder, serving, decider, plain, request, bar, more)
            if window is not None:
                serving.scored([(bar, decision)])
        if serving.events.count != self._seen:
            self._look(serving)
        return decision

    def predict(
        self,
        table: Any,
        *,
        names: Sequence[str] | None = None,
        ordered: bool = False,
        journal: bool = False,
        at: Sequence[Any] | None = None,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        level: str | None = None,
        min_level: str | None = None,
        use_confidence: bool = True,
        confidence_threshold: float | None = None,
    ) -> Predictions:
        """Answer every row of a table, each from the best level it has features for.

        Args:
            table: A dataframe (pandas, polars, pyarrow), a list of mappings, a mapping of names to columns, a
                structured array, or an array [N, columns] with `names` or `ordered`. Columns may be in any
                order, others are ignored. A float32 array, C order, its features in order, is not copied.
            names: Names of an array's columns.
            ordered: The array's columns are the features of the full vector, or of a level, in order.
            journal: Write a line for each row, too.
            at: The bars of the rows, as in `decide`: for the journal, and for a threshold that moves. Rows
                are taken one after another, in the order of the table.
            fill: As in `decide`.
            unavailable: As in `decide`.
            level: As in `decide`.
            min_level: As in `decide`.
            use_confidence: As in `decide`.
            confidence_threshold: As in `decide`.

        Raises:
            UsageError: The table is of no such kind or has no names; an unknown group, feature or level; a
                journal was asked for, but there is none.
        """
        serving, _ = self._active
        request = _request(serving, fill, unavailable, min_level, use_confidence, confidence_threshold, level)
        schema = serving.schema
        rows = adapt(table, schema.names, names=names, ordered=ordered, widths=schema.widths)
        self._changes.ignored(rows.ignored, len(rows.ignored))
        recorder = self._journalling() if journal else None
        known = recorder is not None or serving.window is not None
        bars = _bars(at, rows.count) if known or at is not None else ()
        began = time.perf_counter()
        predictions = batch.predict(serving, rows, request, bars)
        if recorder is not None:
            recorder.batch(serving, predictions, rows, request, bars, time.perf_counter() - began)
            serving.scored(zip(bars, predictions, strict=True))
        if serving.events.count != self._seen:
            self._look(serving)
        return predictions

    def predict_proba(
        self, table: Any, *, names: Sequence[str] | None = None, ordered: bool = False
    ) -> NDArray[np.float32]:
        """Return the probabilities of every row of a table, float32 [N, C], in the order of `classes_`.

        Arguments and errors are those of `predict`.
        """
        return self.predict(table, names=names, ordered=ordered).probabilities

    def info(self) -> Info:
        """Describe the artifact that serves."""
        return self._active[0].info()

    def health(self) -> Health:
        """Say what serves, what does not, and why. Cheap; loads nothing."""
        return self._health(self._active[0])

    def drift(self, *, alpha: float = 0.01, rows_per_observation: float = 1.0) -> DriftReport:
        """Compare the rows served by this version with those it was trained on; see docs/drift.md.

        Args:
            alpha: The chance of a false alarm about the predicted classes, for all levels together. Alarm
                levels of features come with the artifact.
            rows_per_observation: How many successive rows carry the information of one independent row, for
                the classes: 1 if rows are independent; more for bars whose features move slowly.

        Raises:
            UsageError: Counting was switched off, or an argument is out of range.
        """
        serving, _ = self._active
        if serving.counts is None:
            raise UsageError("drift must be counted", hint="Open with drift=True.")
        return report(
            serving.manifest,
            serving.schema,
            serving.counts,
            alpha=alpha,
            rows_per_observation=rows_per_observation,
        )

    def reload_if_changed(self) -> bool:
        """Serve the version that is pinned now; cheap enough for every bar: one look at the pin's file.

        A new version is opened and every level of it proved beside the old one, which serves meanwhile; then
        they are exchanged. A call that is under way ends with the version it began with. If the new version
        fails, the old one keeps serving, `health()` says why, and it is tried again after a minute. While
        another thread reloads, this returns at once. A level that is out of service is tried again at once,
        without waiting for its pause.

        Returns:
            Whether another version serves now.
        """
        source, turn = self._source, object()
        if not source.changed():
            if any(slot.problem is not None for slot in self._active[0].slots):
                self._try_again()
            return False
        try:
            if not source.lock.take(turn):
                return False
            return self._reload()
        finally:
            if source.lock.owner is turn:  # no call: nothing can get in between
                source.lock.owner = None

    def _reload(self) -> bool:
        old, _ = self._active
        try:
            new = self._source.next(old.digest, old.loaded())
        except FAULTS as e:
            let_signals_through(e)
            self._look(old)  # the old version serves on: `health()` says what went wrong
            return False
        if new is None:
            self._try_again()
            return False
        self._serve(new)
        self._source.followed()
        self._changes.version(old.manifest.version, new.manifest.version)
        self._began("version")
        del old, _
        trim()
        return True

    def _try_again(self) -> None:
        serving, _ = self._active
        serving.try_again()
        self._look(serving)

    def get_model_info(self, level: str | None = None) -> ModelInfo:
        """Summarise the model, as ensemble objects do; by default its best level.

        Raises:
            UsageError: There is no such level.
        """
        serving, _ = self._active
        names = serving.schema.level_names
        if level is not None and level not in names:
            raise UsageError(
                "a level must be known", place="level", value=level, hint=f"Levels: {', '.join(names)}."
            )
        slot = serving.slots[0 if level is None else names.index(level)]
        return model_info(serving.manifest, slot.level)

    def validate_predictions(
        self, table: Any, *, names: Sequence[str] | None = None, ordered: bool = False
    ) -> PredictionSummary:
        """Predict a table and summarise: ranges, shares of actions, mean confidence.

        Arguments and errors are those of `predict`.
        """
        return summarise(self.predict(table, names=names, ordered=ordered))

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Names of the classes, in the order of the probabilities."""
        return np.array(self._active[0].manifest.classes)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the features of the full vector, in order."""
        return np.array(self._active[0].schema.names, object)

    def metrics(self, path: str | Path | None = None) -> str:
        """Return what the bot tells Prometheus, as OpenMetrics text; see docs/journal.md.

        Args:
            path: Write it to this file as well, whole by rename, in the form that node_exporter's textfile
                collector reads; its name ends with .prom.

        Raises:
            UsageError: Counting was not switched on.
            EnvironmentFailedError: The file cannot be written.
        """
        recorder = self._recorder
        if recorder is None or recorder.counts is None:
            raise UsageError("metrics must be counted", hint="Open with metrics=True.")
        return recorder.metrics(
            self._active[0], self.health(), self._drift_ratios(), None if path is None else Path(path)
        )

    def _drift_ratios(self) -> dict[str, float]:
        if self._active[0].counts is None:
            return {}
        ratios = {shift.name: shift.ratio for shift in self.drift().features}
        return {name: ratio for name, ratio in ratios.items() if ratio is not None}

    def close(self) -> None:
        """Release sessions and files; calls that are under way end well."""
        self._active[0].close()
        if self._recorder is not None:
            self._recorder.close()

    def after_fork(self) -> None:
        """In a forked child: forget the threads that are not there. Python calls it; nobody else need."""
        self._source.after_fork()
        self._active[0].after_fork()
        if self._recorder is not None:
            self._recorder.after_fork()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy: opens the source anew with the same settings, and follows its pin."""
        source = self._source
        options = asdict(source.settings) | self._records
        return _open_again, (source.source, source.version, options, source.clock, source.monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        manifest = self._active[0].manifest
        return f"<Predictor {manifest.name} {manifest.version} from {self._source.source!r}>"

    def _health(self, serving: ServedVersion) -> Health:
        return examine(
            serving.manifest,
            serving.slots,
            halted=serving.halted(),
            reload_problem=self._source.problem,
            expires=serving.expires,
            journal=None if self._recorder is None else self._recorder.health,
            now=serving.clock(),
        )

    def _look(self, serving: ServedVersion) -> None:
        """Say in the log what changed in health."""
        self._seen = serving.events.count
        health = self._health(serving)
        self._changes.health(health)
        if self._recorder is not None:
            self._recorder.looked(serving, health)

    def _began(self, event: str) -> None:
        """Say that the version that serves now begins to."""
        serving, _ = self._active
        if self._recorder is not None:
            self._recorder.serves(serving, self._health(serving), self._source.generation(), event)
        self._look(serving)

    def _recorded(
        self,
        recorder: Recorder,
        serving: ServedVersion,
        decider: Decider,
        row: dict[Any, Any],
        request: Request,
        bar: datetime | None,
        more: tuple[str, ...],
    ) -> Decision:
        before = None if recorder.journal is None else recorder.journal.problem
        decision = recorder.decide(serving, decider, row, request, bar, more)
        after = None if recorder.journal is None else recorder.journal.problem
        if recorder.writes_health or before != after:
            self._look(serving)
        return decision

    def _journalling(self) -> Recorder:
        if self._recorder is None or self._recorder.journal is None:
            raise UsageError("a journal must be kept", hint='Open with journal="journal/".')
        return self._recorder


def _open_again(
    source: str,
    version: str | None,
    options: Mapping[str, Any],
    clock: Callable[[], float],
    monotonic: Callable[[], float] | None,
) -> Predictor:
    """Open a predictor as another one was opened."""
    return Predictor.open(source, version, clock=clock, monotonic=monotonic, **options)


def _request(
    serving: ServedVersion,
    fill: Mapping[str, float] | None,
    unavailable: Iterable[str],
    min_level: str | None,
    use_confidence: bool,
    threshold: float | None,
    level: str | None,
) -> Request:
    plain = min_level is None and use_confidence and threshold is None and level is None
    if plain and not fill and not unavailable:
        return serving.default
    return serving.request(fill, unavailable, min_level, threshold, use_confidence, level)


def _bars(at: Sequence[Any] | None, count: int) -> list[datetime | None]:
    if at is None:
        return [None] * count
    if len(at) != count:
        raise UsageError(f"{count} rows need {count} bars", place="at", value=len(at))
    return [read_moment(value, place=f"at[{i}]") for i, value in enumerate(at)]
