"""What journals tell Prometheus, under the names that a running process uses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.journal import DecisionLine, EventLine, Follower
from gradus_runtime.monitoring.metrics import DecisionCounts, Snapshot, render_metrics
from gradus_runtime.serving.drift_history import JournalDrift

__all__ = ["JournalMetrics"]


class _LevelNames:
    """Every text that may be the name of a level: reasons begin with one, or with a sentence."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and " " not in name


_LEVELS = _LevelNames()


class JournalMetrics:
    """Counts what journals hold; each scrape reads what is new. Safe for any number of threads.

    Args:
        sources: Journals.
        manifests: By digest, for drift; empty to leave it out.
        clock: Seconds since 1970 UTC.
    """

    def __init__(
        self,
        sources: Iterable[str | Path],
        manifests: Mapping[str, Manifest],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._follower = Follower(sources)
        self._manifests = manifests
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, DecisionCounts] = {}
        self._newest: dict[str, DecisionLine] = {}
        self._events: dict[str, EventLine] = {}
        self._lost: dict[str, int] = {}
        self._drift: dict[str, JournalDrift] = {}

    def text(self) -> str:
        """Return OpenMetrics text.

        Raises:
            EnvironmentFailedError: A journal cannot be read.
        """
        with self._lock:
            new = self._follower.new()
            for entry in new:
                if isinstance(entry, DecisionLine):
                    self._decision(entry)
                else:
                    self._events[entry.artifact] = entry
                    if entry.event == "lost":
                        self._lost[entry.artifact] = self._lost.get(entry.artifact, 0) + entry.lost
            self._count_drift([entry for entry in new if isinstance(entry, DecisionLine)])
            names = sorted(self._newest.keys() | self._events.keys())
            return render_metrics(*(self._snapshot(name) for name in names))

    def _decision(self, line: DecisionLine) -> None:
        counts = self._counts.setdefault(line.artifact, DecisionCounts())
        bar = None if line.bar_ms is None else line.bar_ms / 1000
        took = line.took / 1e6
        counts.count(line.version, line.level, line.action, line.call, line.reasons, _LEVELS, took, bar)
        self._newest[line.artifact] = line

    def _count_drift(self, lines: list[DecisionLine]) -> None:
        for digest in {line.digest for line in lines} & self._manifests.keys():
            if digest not in self._drift:
                self._drift[digest] = JournalDrift(self._manifests[digest])
            self._drift[digest].add([line for line in lines if line.digest == digest])

    def _snapshot(self, name: str) -> Snapshot:
        newest, event = self._newest.get(name), self._events.get(name)
        said = event or newest
        if said is None:
            raise AssertionError("a name comes from a decision or an event")
        last = newest if newest is not None and newest.decided >= said.decided else said
        drift = self._drift.get(last.digest)
        shifts = () if drift is None else drift.report().features
        return Snapshot(
            name,
            last.version,
            last.digest,
            self._counts.get(name, DecisionCounts()),
            self._clock(),
            status=None if event is None else event.status,
            generation=None if event is None else event.generation,
            expires=None
            if event is None or event.expires is None
            else datetime.fromisoformat(event.expires).timestamp(),
            lost=self._lost.get(name, 0),
            drift={s.name: s.ratio for s in shifts if s.ratio is not None},
        )
