"""What a bot tells Prometheus, as OpenMetrics text or as the older text that node_exporter reads.

The names are the same whether a running process tells them or a journal does. Source of the format:
https://prometheus.io/docs/specs/om/open_metrics_spec/.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from gradus_runtime.lock import SafeLock
from gradus_runtime.records import dataclass, field

__all__ = ["BUCKETS", "CONTENT_TYPE", "DecisionCounts", "Snapshot", "reason_kind", "render_metrics"]

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0)
"""Upper bounds of the latency histogram, seconds."""

_KINDS = (
    ("gave no valid probabilities", "invalid probabilities"),
    ("used because no level in service can serve this row", "not in service"),
    ("not in service, but asked for by name", "not in service"),
    ("out of service", "out of service"),
    ("not tried", "not tried"),
    ("missing ", "missing"),
    ("declared unavailable", "declared unavailable"),
)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_STATES = ("ok", "degraded", "failed")


def reason_kind(reason: str, levels: Container[str]) -> tuple[str, str] | None:
    """Return the level that a reason speaks of and the kind of its trouble; None for other reasons.

    >>> reason_kind("level1: missing usd_jpy", ("level1", "level2"))
    ('level1', 'missing')
    """
    level, _, rest = reason.partition(": ")
    if level not in levels:
        return None
    return next(((level, kind) for start, kind in _KINDS if start in rest), (level, "other"))


class DecisionCounts:
    """Counts of decisions. Safe for any number of threads."""

    def __init__(self) -> None:
        self.decisions: Counter[tuple[str, str, str]] = Counter()  # version, level, action
        self.held: Counter[tuple[str, str, str]] = Counter()  # level, call, action
        self.step_downs: Counter[tuple[str, str]] = Counter()  # level, kind of reason
        self.refused = 0
        self.latency = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.newest_bar: float | None = None
        self._lock = SafeLock()

    def count(
        self,
        version: str,
        level: str,
        action: str,
        call: str | None,
        reasons: Sequence[str],
        levels: Container[str],
        seconds: float,
        bar: float | None,
    ) -> None:
        """Count a decision.

        Args:
            version: That served.
            level: That served.
            action: The answer.
            call: As `Decision.call`.
            reasons: As `Decision.reasons`.
            levels: Names of all levels.
            seconds: That the answer took.
            bar: Opening of its bar, seconds since 1970 UTC.
        """
        kinds = [kind for reason in reasons if (kind := reason_kind(reason, levels)) is not None]
        with self._lock:
            self.decisions[version, level, action] += 1
            if call is not None and call != action:
                self.held[level, call, action] += 1
            self.step_downs.update(kinds)
            self.refused += any(kind == "invalid probabilities" for _, kind in kinds)
            self.latency[bisect_left(BUCKETS, seconds)] += 1
            self.seconds += seconds
            if bar is not None and (self.newest_bar is None or bar > self.newest_bar):
                self.newest_bar = bar

    def after_fork(self) -> None:
        """In a forked child: a lock of its own."""
        self._lock = SafeLock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is rendered.

    Attributes:
        artifact: Name of the artifact.
        version: That serves now.
        digest: Of this version.
        counts: Of decisions.
        now: Seconds since 1970 UTC.
        status: "ok", "degraded" or "failed"; None where it is not known.
        generation: Of the pin; None without a store.
        expires: When the version will be too old, seconds since 1970 UTC; None for never.
        journal: Whether the last line was written; None without a journal.
        lost: Decisions without a line.
        drift: By feature, how far its shift is of the alarm level: above 1 it drifted.
    """

    artifact: str
    version: str
    digest: str
    counts: DecisionCounts
    now: float
    status: str | None = None
    generation: int | None = None
    expires: float | None = None
    journal: bool | None = None
    lost: int = 0
    drift: Mapping[str, float] = field(default_factory=dict)


class _Text:
    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._lines: list[str] = []

    def family(self, name: str, kind: str, text: str, samples: Iterable[_Sample]) -> None:
        """Write a family; without a sample nothing is written, but for counters, which begin at nothing."""
        found = [sample for sample in samples if sample.value is not None]
        if not found and kind != "counter":
            return
        full = f"{name}_total" if kind == "counter" and not self._openmetrics else name
        self._lines += [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
        for sample in found:
            inner = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sample.labels.items())
            end = "_total" if kind == "counter" else sample.suffix
            self._lines.append(f"{name}{end}{{{inner}}} {_number(sample.value or 0)}")

    def end(self) -> str:
        return "\n".join([*self._lines, *(["# EOF"] if self._openmetrics else [])]) + "\n"


@dataclass(frozen=True, slots=True)
class _Sample:
    value: float | None
    labels: Mapping[str, str]
    suffix: str = ""


def render_metrics(*snapshots: Snapshot, openmetrics: bool = True) -> str:
    """Return snapshots as text: OpenMetrics, or the text format 0.0.4 of Prometheus."""
    text = _Text(openmetrics=openmetrics)
    each = [(snapshot, {"artifact": snapshot.artifact}) for snapshot in snapshots]

    def gauge(name: str, help_: str, value: Callable[[Snapshot], float | None]) -> None:
        text.family(name, "gauge", help_, [_Sample(value(s), own) for s, own in each])

    _decisions(text, each)
    text.family(
        "gradus_decision_seconds", "histogram", "Time that an answer took.",
        [sample for s, own in each for sample in _latency(s.counts, own)],
    )  # fmt: skip
    gauge("gradus_newest_bar_timestamp_seconds", "Opening of the newest bar.", lambda s: s.counts.newest_bar)
    gauge("gradus_newest_bar_age_seconds", "Time since the newest bar opened.", _age)
    text.family(
        "gradus_version_info", "gauge", "The version that serves.",
        [_Sample(1, {**own, "version": s.version, "digest": s.digest}) for s, own in each],
    )  # fmt: skip
    gauge("gradus_pin_generation", "Generation of the pin.", lambda s: s.generation)
    gauge("gradus_expires_timestamp_seconds", "When the version is too old.", lambda s: s.expires)
    text.family(
        "gradus_health", "gauge", "1 for the state that health() is in.",
        [_Sample(int(state == s.status), {**own, "state": state})
         for s, own in each if s.status is not None for state in _STATES],
    )  # fmt: skip
    gauge(
        "gradus_journal_ok",
        "Whether the last line of the journal was written.",
        lambda s: None if s.journal is None else int(s.journal),
    )
    text.family(
        "gradus_journal_lost", "counter", "Decisions without a line in the journal.",
        [_Sample(s.lost, own) for s, own in each],
    )  # fmt: skip
    text.family(
        "gradus_drift_ratio", "gauge", "Shift of a feature, 1 at its alarm level.",
        [_Sample(value, {**own, "feature": name}) for s, own in each for name, value in s.drift.items()],
    )  # fmt: skip
    return text.end()


_Each = Sequence[tuple[Snapshot, dict[str, str]]]


def _age(snapshot: Snapshot) -> float | None:
    bar = snapshot.counts.newest_bar
    return None if bar is None else snapshot.now - bar


def _decisions(text: _Text, each: _Each) -> None:
    text.family(
        "gradus_decisions", "counter", "Decisions by version, level and action.",
        [_Sample(n, {**own, "version": version, "level": level, "action": action})
         for s, own in each for (version, level, action), n in sorted(s.counts.decisions.items())],
    )  # fmt: skip
    text.family(
        "gradus_held", "counter", "Decisions that are not the most probable class, as the policy says.",
        [_Sample(n, {**own, "level": level, "call": call, "action": action})
         for s, own in each for (level, call, action), n in sorted(s.counts.held.items())],
    )  # fmt: skip
    text.family(
        "gradus_step_downs", "counter", "Levels that did not serve a row, by reason.",
        [_Sample(n, {**own, "level": level, "reason": reason})
         for s, own in each for (level, reason), n in sorted(s.counts.step_downs.items())],
    )  # fmt: skip
    text.family(
        "gradus_refused_rows", "counter", "Rows for which a level gave no valid probabilities.",
        [_Sample(s.counts.refused, own) for s, own in each],
    )  # fmt: skip


def _latency(counts: DecisionCounts, own: Mapping[str, str]) -> Iterator[_Sample]:
    below = 0
    for bound, n in zip((*map(_number, BUCKETS), "+Inf"), counts.latency, strict=True):
        below += n
        yield _Sample(below, {**own, "le": bound}, "_bucket")
    yield _Sample(counts.seconds, own, "_sum")
    yield _Sample(below, own, "_count")


def _number(value: float) -> str:
    return re.sub(r"\.0$", "", repr(float(value)))
