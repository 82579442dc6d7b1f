"""`Predictor`: what a bot holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gradus_runtime.decision import Decision, Predictions, completed
from gradus_runtime.errors import UsageError
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.routing.request import Request
from gradus_runtime.rows.moments import read_moment, read_moments
from gradus_runtime.serving.candle_calls import CandleCalls
from gradus_runtime.serving.candle_features import BarFeatures
from gradus_runtime.serving.reload import PinnedSource
from gradus_runtime.serving.reload_calls import ReloadCalls
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings, check_arguments
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.sessions import forking
from gradus_runtime.sessions.level_session import DEFAULT_MEMORY_BUDGET
from gradus_runtime.sessions.providers import check_provider

if TYPE_CHECKING:  # what a bot without a journal does not load
    from pathlib import Path

    from numpy.typing import NDArray

    from gradus_runtime.journal.stream import Stream
    from gradus_runtime.monitoring.model_info import PredictionSummary
    from gradus_runtime.serving.recorder import Recorder

__all__ = ["Predictor"]


class Predictor(ReloadCalls, CandleCalls):
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
        provider: str = "cpu",
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
            provider: What runs the graphs: "cpu", or "cuda" for large tables on an Nvidia GPU, which needs
                onnxruntime-gpu. Golden rows are replayed on the GPU itself. See docs/gpu.md.
            clock: Seconds since 1970 UTC; for tests.
            monotonic: Seconds that never go back, `time.monotonic` by default; for tests.

        Raises:
            UsageError: An argument is out of range, or of another type.
            StoreError: There is no such artifact or version.
            IntegrityError: Its manifest is not what the pin says.
            ManifestError: Its manifest breaks the contract.
            EnvironmentFailedError: It cannot be read, this onnxruntime may not serve it, or a kernel is
                required and none is installed, or onnxruntime has no such provider here.
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
            provider,
        )
        check_provider(settings.provider)
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
            row: Names to values, in any order; other names are ignored. docs/rows.md says how each kind of
                value is read.
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
        active: tuple[ServedVersion, Decider],
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
            asked = (fill, unavailable, min_level, confidence_threshold, use_confidence, level)
            request = serving.request(*asked)
        more: tuple[str, ...] = ()
        if type(row) is dict:
            plain = row
        else:
            from gradus_runtime.rows.one_row import one_row  # a bot has dicts

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
                decision = completed(decision, bar=bar, more=more)
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
        from gradus_runtime.rows.adapt import adapt  # what answers single rows alone does not load them
        from gradus_runtime.serving import batch

        serving, _ = self._active
        request = serving.request(fill, unavailable, min_level, confidence_threshold, use_confidence, level)
        schema = serving.schema
        rows = adapt(table, schema.names, names=names, ordered=ordered, widths=schema.widths)
        self._changes.ignored(rows.ignored, len(rows.ignored))
        recorder = self._journalling() if journal else None
        known = recorder is not None or serving.window is not None
        bars = read_moments(at, rows.count) if known or at is not None else ()
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

    def validate_predictions(
        self, table: Any, *, names: Sequence[str] | None = None, ordered: bool = False
    ) -> PredictionSummary:
        """Predict a table and summarise: ranges, shares of actions, mean confidence.

        Arguments and errors are those of `predict`.
        """
        from gradus_runtime.monitoring.model_info import summarise

        return summarise(self.predict(table, names=names, ordered=ordered))

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
        from dataclasses import asdict

        source = self._source
        options = asdict(source.settings) | self._records
        return _open_again, (source.source, source.version, options, source.clock, source.monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        manifest = self._active[0].manifest
        return f"<Predictor {manifest.name} {manifest.version} from {self._source.source!r}>"

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
