"""What a `Predictor` tells: the artifact, health, drift, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.monitoring.health import Health, Info
from gradus_runtime.serving.reload import PinnedSource
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.serving.status import examine

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from gradus_runtime.monitoring.drift_report import DriftReport
    from gradus_runtime.monitoring.model_info import ModelInfo
    from gradus_runtime.serving.recorder import Recorder

__all__ = ["StatusCalls"]


class StatusCalls:
    """The calls of a `Predictor` that answer about it, and change nothing."""

    _active: tuple[ServedVersion, Decider]
    _source: PinnedSource
    _recorder: Recorder | None

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
        from gradus_runtime.monitoring.drift_report import report  # few bots ask

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

    def get_model_info(self, level: str | None = None) -> ModelInfo:
        """Summarise the model, as ensemble objects do; by default its best level.

        Raises:
            UsageError: There is no such level.
        """
        from gradus_runtime.monitoring.model_info import model_info

        serving, _ = self._active
        names = serving.schema.level_names
        if level is not None and level not in names:
            raise UsageError(
                "a level must be known", place="level", value=level, hint=f"Levels: {', '.join(names)}."
            )
        slot = serving.slots[0 if level is None else names.index(level)]
        return model_info(serving.manifest, slot.level)

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
        from pathlib import Path

        file = None if path is None else Path(path)
        return recorder.metrics(self._active[0], self.health(), self._drift_ratios(), file)

    def _drift_ratios(self) -> dict[str, float]:
        if self._active[0].counts is None:
            return {}
        ratios = {shift.name: shift.ratio for shift in self.drift().features}
        return {name: ratio for name, ratio in ratios.items() if ratio is not None}

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
