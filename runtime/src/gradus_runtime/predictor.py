"""`Predictor`: what a bot holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gradus_runtime import batch
from gradus_runtime.decision import Decision, Predictions
from gradus_runtime.health import Health, Info, examine
from gradus_runtime.routing import Request
from gradus_runtime.rows import Rows, adapt
from gradus_runtime.serving import Serving
from gradus_runtime.session import DEFAULT_MEMORY_BUDGET
from gradus_runtime.settings import Settings
from gradus_runtime.store import open_artifact

__all__ = ["Predictor"]


class Predictor:
    """Serves an artifact: an answer for every row, from the best level the row has features for.

    Make one by `Predictor.open`. It may be used by any number of threads, and as a context manager.

    Attributes:
        classes_: Names of the classes, in the order of the probabilities: text [C].
        feature_names_in_: Names of the features of the full vector, in order: text [F].
    """

    def __init__(self, source: str, settings: Settings, serving: Serving) -> None:
        self._source = source
        self._settings = settings
        self._serving = serving

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
        clock: Callable[[], float] = time.time,
    ) -> Predictor:
        """Open an artifact for serving.

        Args:
            source: A store folder (its pin is honoured), a version folder, an exported .zip, or the name of
                an installed artifact wheel.
            version: A version of the store instead of the pinned one; then `reload_if_changed` does nothing.
            preload: Load and prove every level now, and keep all: for who wants no slow first row.
            threads: Threads for a batch.
            memory_budget: Bytes of intermediate results while a batch is scored: it sets the rows scored at
                once. 3 MiB are 88 rows of 1,400 trees (34 KB a row).
            confidence_threshold: Instead of the artifact's: calls below it become the fallback action.
            max_age_days: Instead of the artifact's: so long after the end of its training data it may serve.
            release_after: Seconds after which a level that served nothing is released; None for never.
            drift: Count what `drift()` reports.
            clock: Seconds since 1970 UTC; for tests.

        Raises:
            UsageError: An argument is out of range.
            StoreError: There is no such artifact or version.
            IntegrityError: Its manifest is not what the pin says.
            ManifestError: Its manifest breaks the contract.
            EnvironmentFailedError: It cannot be read, or this onnxruntime may not serve it.
        """
        settings = Settings(
            preload, threads, memory_budget, confidence_threshold, max_age_days, release_after, drift
        )
        serving = Serving(open_artifact(source, version), settings, clock=clock)
        if preload:
            for slot in serving.slots:
                slot.load()
        return cls(str(source), settings, serving)

    def decide(
        self,
        row: Mapping[str, Any],
        *,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
        min_level: str | None = None,
        use_confidence: bool = True,
        confidence_threshold: float | None = None,
    ) -> Decision:
        """Answer one row.

        Args:
            row: Names to values, in any order; other names are ignored. docs/rows.md says what comes of each
                kind of value.
            fill: Groups (or features) whose missing values are replaced, and by what; the reasons say so.
            unavailable: Groups (or features) to treat as missing, whatever the row holds.
            min_level: The lowest level that may serve; rows for a lower one get the fallback.
            use_confidence: False for the class of the largest probability, however weak.
            confidence_threshold: Instead of the predictor's, for this call.

        Returns:
            The decision. What the row holds never raises.

        Raises:
            UsageError: An unknown group, feature or level.
        """
        serving = self._serving
        request = self._request(serving, fill, unavailable, min_level, use_confidence, confidence_threshold)
        return serving.decide(row, request)

    def predict(
        self,
        table: Any,
        *,
        names: Sequence[str] | None = None,
        ordered: bool = False,
        fill: Mapping[str, float] | None = None,
        unavailable: Iterable[str] = (),
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
            fill: As in `decide`.
            unavailable: As in `decide`.
            min_level: As in `decide`.
            use_confidence: As in `decide`.
            confidence_threshold: As in `decide`.

        Raises:
            UsageError: The table is of no such kind or has no names; an unknown group, feature or level.
        """
        serving = self._serving
        request = self._request(serving, fill, unavailable, min_level, use_confidence, confidence_threshold)
        return batch.predict(serving, self._rows(serving, table, names, ordered), request)

    def predict_proba(
        self, table: Any, *, names: Sequence[str] | None = None, ordered: bool = False
    ) -> NDArray[np.float32]:
        """Return the probabilities of every row of a table, float32 [N, C], in the order of `classes_`.

        Arguments and errors are those of `predict`.
        """
        return self.predict(table, names=names, ordered=ordered).probabilities

    def info(self) -> Info:
        """Describe the artifact that serves."""
        return self._serving.info()

    def health(self) -> Health:
        """Say what serves, what does not, and why. Cheap; loads nothing."""
        serving = self._serving
        return examine(
            serving.manifest,
            serving.slots,
            halted=serving.halted(),
            reload_problem=None,
            expires=serving.expires,
        )

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Names of the classes, in the order of the probabilities."""
        return np.array(self._serving.manifest.classes)

    @property
    def feature_names_in_(self) -> NDArray[np.str_]:
        """Names of the features of the full vector, in order."""
        return np.array(self._serving.schema.names)

    def close(self) -> None:
        """Release sessions and files; calls that are under way end well."""
        self._serving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        manifest = self._serving.manifest
        return f"<Predictor {manifest.name} {manifest.version} from {self._source!r}>"

    @staticmethod
    def _rows(serving: Serving, table: Any, names: Sequence[str] | None, ordered: bool) -> Rows:
        return adapt(table, serving.schema.names, names=names, ordered=ordered, widths=serving.schema.widths)

    @staticmethod
    def _request(
        serving: Serving,
        fill: Mapping[str, float] | None,
        unavailable: Iterable[str],
        min_level: str | None,
        use_confidence: bool,
        threshold: float | None,
    ) -> Request:
        if not fill and not unavailable and min_level is None and use_confidence and threshold is None:
            return serving.default
        return serving.request(fill, unavailable, min_level, threshold, use_confidence)
