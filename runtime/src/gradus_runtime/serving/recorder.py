"""Takes down what a Predictor decides: in the journal, in the health file, in the metrics.

Whatever fails here, the answer and its bits are the same. The row is read once, and what was read is both
answered and written down.
"""

from __future__ import annotations

import base64
import hashlib
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gradus_runtime.decision import Decision, Predictions, completed
from gradus_runtime.errors import EnvironmentFailedError
from gradus_runtime.journal.line import NO_BIN, bits_of, iso_moment, pack_row
from gradus_runtime.journal.stream import Stream
from gradus_runtime.journal.writer import Journal, open_journal
from gradus_runtime.monitoring.health import Health, JournalHealth
from gradus_runtime.monitoring.health_file import HealthFile, exchange_text
from gradus_runtime.monitoring.metrics import DecisionCounts, Snapshot, render_metrics
from gradus_runtime.routing.request import Request
from gradus_runtime.rows import CHUNK_ROWS, Rows
from gradus_runtime.serving.drift_history import restore_counts
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.serving.window_history import restore_window

__all__ = ["Recorder", "open_recorder", "records_of"]


class Recorder:
    """Records for one Predictor. Safe for any number of threads.

    Args:
        journal: Where decisions are written; None for nowhere.
        rows: Whether rows are written, or only their digests.
        health_file: Where health is written; None for nowhere.
        counts: Where decisions are counted; None for nowhere.
    """

    def __init__(
        self,
        journal: Journal | None,
        *,
        rows: bool,
        health_file: HealthFile | None,
        counts: DecisionCounts | None,
    ) -> None:
        self.journal = journal
        self.counts = counts
        self._rows = rows
        self._health_file = health_file
        self._about: dict[str, Any] = {}

    def decide(
        self,
        serving: ServedVersion,
        decider: Decider,
        row: dict[Any, Any],
        request: Request,
        bar: datetime | None,
        more: tuple[str, ...] = (),
    ) -> Decision:
        """Answer one row as `decider` does, and take the answer down, with `more` reasons."""
        began = time.perf_counter()
        names = serving.schema.names
        values, texts = decider.read(row)
        more = (*decider.near(row, values), *more)
        if texts:
            decision = decider.decide_values(values, texts, request)
        else:
            decision = decider.decide(dict(zip(names, values, strict=True)), request)
        took = time.perf_counter() - began
        journal = self.journal
        chosen = None if journal is None else journal.new_ids(1)[0]
        decision = completed(decision, line=chosen, bar=bar, more=more)
        self._count(serving, decision, took)
        if journal is not None:
            body = self._body(serving, decision, values, request, took, request.cutoff)
            journal.decisions([body], self._about)
        if self._health_file is not None:
            self._health_file.decided(serving.clock(), bar)
        return decision

    def batch(
        self,
        serving: ServedVersion,
        predictions: Predictions,
        rows: Rows,
        request: Request,
        bars: Sequence[datetime | None],
        seconds: float,
    ) -> None:
        """Write a line for every row of a table."""
        journal = self.journal
        if journal is None:
            return
        took = seconds / max(1, rows.count)
        for start in range(0, rows.count, CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, rows.count)
            block = rows.block(start, stop)
            values = np.where(np.isfinite(block), block, np.float32(math.nan)).tolist()
            bodies = []
            for i, chosen in enumerate(journal.new_ids(stop - start)):
                decision = predictions[start + i]
                decision = completed(decision, line=chosen, bar=bars[start + i])
                self._count(serving, decision, took)
                cutoffs = predictions.cutoffs
                cutoff = None if cutoffs is None else float(cutoffs[start + i])
                bodies.append(self._body(serving, decision, values[i], request, took, cutoff))
            journal.decisions(bodies, self._about)

    def _count(self, serving: ServedVersion, decision: Decision, took: float) -> None:
        if self.counts is not None:
            bar = decision.bar_time
            self.counts.count(
                decision.version,
                decision.level,
                decision.action,
                decision.call,
                decision.reasons,
                serving.schema.level_names,
                took,
                None if bar is None else bar.timestamp(),
            )

    def _body(
        self,
        serving: ServedVersion,
        decision: Decision,
        values: list[float],
        request: Request,
        took: float,
        cutoff: float | None,
    ) -> dict[str, Any]:
        if request.unavailable:
            values = [math.nan if request.unavailable >> i & 1 else v for i, v in enumerate(values)]
        probabilities = list(decision.probabilities.values())
        names, bar, row = serving.schema.names, decision.bar_time, pack_row(values)
        return {
            "id": decision.id,
            "bar": None if bar is None else iso_moment(bar.timestamp()),
            "artifact": serving.manifest.name,
            "version": serving.manifest.version,
            "digest": serving.digest,
            "level": decision.level,
            "action": decision.action,
            "call": decision.call,
            "held": decision.held,
            "bits": bits_of(probabilities),
            "threshold": request.threshold,
            "cutoff": cutoff,
            "reasons": decision.reasons,
            "fill": {names[i]: value for i, value in request.fill.items()} or None,
            "took": round(took * 1e6),
            "row": base64.b64encode(row).decode() if self._rows else None,
            "row_sha256": None if self._rows else hashlib.sha256(row).hexdigest(),
            "bins": None if self._rows else base64.b64encode(bins_of(serving, values)).decode(),
        }

    def serves(self, serving: ServedVersion, health: Health, generation: int | None, event: str) -> None:
        """Say that a version serves from now on: "opened" or "version"."""
        if self.journal is not None:
            restore_counts(serving, self.journal)
            restore_window(serving, self.journal)
        self._about = _about(serving, health, generation)
        if self.journal is not None:
            self.journal.event(event, self._about)

    def looked(self, serving: ServedVersion, health: Health) -> None:
        """Say in the journal if health is another, and write the health file."""
        about = _about(serving, health, self._about.get("generation"))
        before, self._about = self._about, about
        keys = ("status", "problems", "kernels")
        if self.journal is not None and before and any(before[key] != about[key] for key in keys):
            self.journal.event("health", about)
        if self._health_file is not None:
            self._health_file.write(serving.clock(), health)

    def metrics(
        self, serving: ServedVersion, health: Health, drift: Mapping[str, float], path: Path | None
    ) -> str:
        """Return what `Predictor.metrics` does, and write it to a file.

        Raises:
            EnvironmentFailedError: The file cannot be written.
        """
        journal = self.journal
        snapshot = Snapshot(
            serving.manifest.name,
            serving.manifest.version,
            serving.digest,
            self.counts or DecisionCounts(),
            serving.clock(),
            status=health.status,
            generation=self._about.get("generation"),
            expires=None if math.isinf(serving.expires) else serving.expires,
            journal=None if journal is None else journal.problem is None,
            lost=0 if journal is None else journal.lost,
            drift=drift,
        )
        if path is not None:
            try:
                exchange_text(path, render_metrics(snapshot, openmetrics=False))
            except OSError as e:
                raise EnvironmentFailedError(
                    "metrics must be writable", place=str(path), cause=e.strerror
                ) from None
        return render_metrics(snapshot)

    @property
    def health(self) -> JournalHealth | None:
        """How the journal is."""
        journal = self.journal
        if journal is None:
            return None
        return JournalHealth(journal.place, journal.problem, journal.written, journal.lost)

    @property
    def writes_health(self) -> bool:
        """Whether there is a health file."""
        return self._health_file is not None

    def after_fork(self) -> None:
        """In a forked child: locks of its own; the journal sees to itself."""
        if self._health_file is not None:
            self._health_file.after_fork()
        if self.counts is not None:
            self.counts.after_fork()

    def close(self) -> None:
        """Say so in the journal, and let it go."""
        if self.journal is not None:
            self.journal.event("closed", self._about)
            self.journal.close()


def open_recorder(
    journal: str | Path | Stream | None,
    *,
    rows: bool,
    sync: str,
    health_file: str | Path | None,
    metrics: bool | None,
    clock: Callable[[], float],
) -> Recorder:
    """Return what the arguments of `Predictor.open` ask for.

    Raises:
        UsageError: The journal is neither a folder nor a stream; an unknown `sync`.
    """
    return Recorder(
        None if journal is None else open_journal(journal, sync, clock=clock),
        rows=rows,
        health_file=None if health_file is None else HealthFile(Path(health_file), clock()),
        counts=DecisionCounts() if metrics is not False else None,
    )


def records_of(
    journal: str | Path | Stream | None,
    journal_rows: bool,
    sync: str,
    health_file: str | Path | None,
    metrics: bool | None,
) -> dict[str, Any]:
    """Return these arguments of `Predictor.open` by name; paths mean the same after a change of directory."""
    if isinstance(journal, Path) or (isinstance(journal, str) and journal != "-"):
        journal = str(Path(journal).absolute())
    return {
        "journal": journal,
        "journal_rows": journal_rows,
        "sync": sync,
        "health_file": None if health_file is None else str(Path(health_file).absolute()),
        "metrics": metrics,
    }


def bins_of(serving: ServedVersion, values: Sequence[float]) -> bytes:
    """Return for each feature the bin of the manifest's histogram that its value is in, a byte each."""
    found = []
    for feature, value in zip(serving.manifest.features, values, strict=True):
        edges = () if feature.histogram is None else feature.histogram.edges
        known = value == value and len(edges) < NO_BIN
        found.append(bisect_left(edges, float(np.float32(value))) if known else NO_BIN)
    return bytes(found)


def _about(serving: ServedVersion, health: Health, generation: int | None) -> dict[str, Any]:
    problems = [f"{level.name}: {level.problem}" for level in health.levels if level.problem]
    problems += [health.halted] if health.halted else []
    problems += [f"reload: {health.reload_problem}"] if health.reload_problem else []
    lost = health.journal is not None and health.journal.problem is not None
    status = health.status
    if lost and status == "degraded" and not problems:
        status = "ok"  # that a journal failed is said by what is missing from it
    return {
        "artifact": serving.manifest.name,
        "version": serving.manifest.version,
        "digest": serving.digest,
        "generation": generation,
        "status": status,
        "problems": problems,
        "kernels": {level.name: level.kernel for level in health.levels if level.kernel is not None},
        "provider": serving.provider,
        "expires": None if math.isinf(serving.expires) else _utc(serving.expires),
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
