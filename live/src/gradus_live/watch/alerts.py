"""What a person should know, found in what journals hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gradus_live.record.group import WORSE
from gradus_live.record.live_record import LiveRecord
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.journal import DecisionLine, EventLine, JournalContent
from gradus_runtime.serving.drift_history import JournalDrift
from gradus_runtime.wording import counted, plural

__all__ = ["Alert", "AlertLimits", "find_alerts"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to be said.

    Attributes:
        id: The same for the same event, whenever it is looked at; it stands in the text.
        kind: "version", "level", "drift", "worse", "silence", "expiry", "reload" or "lost".
        text: A sentence.
    """

    id: str
    kind: str
    text: str

    @property
    def message(self) -> str:
        """The sentence and the id."""
        return f"{self.text} [{self.id}]"


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """When something is said.

    Attributes:
        bar_seconds: Length of a bar.
        bars: A level below the first for so many decisions in a row.
        silent_bars: No decision for so many bars.
        expiry_days: The version expires within so many days.
    """

    bar_seconds: float
    bars: int = 4
    silent_bars: float = 2.0
    expiry_days: float = 3.0


def find_alerts(
    content: JournalContent,
    manifests: Mapping[str, Manifest],
    record: LiveRecord | None,
    limits: AlertLimits,
    now: float,
) -> list[Alert]:
    """Return everything that is to be said of what journals hold now.

    Args:
        content: The journals.
        manifests: Of the versions, by digest.
        record: The live record; None to leave it out.
        limits: When something is said.
        now: Seconds since 1970 UTC.
    """
    decisions = content.decisions
    found = [*_versions(decisions), *_levels(decisions, manifests, limits.bars)]
    found += _events(content.events)
    found += _silence(decisions, content.events, limits, now)
    found += _expiry(content.events, limits.expiry_days, now)
    found += _drift(decisions, manifests)
    if record is not None and record.overall.verdict == WORSE:
        bars = record.overall.bars
        text = f"{record.artifact}: {record.overall.sentence}, after {counted(bars, 'bar')}"
        found.append(Alert(_id("worse", record.artifact, record.first), "worse", text))
    return found


def _id(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]


def _versions(decisions: Sequence[DecisionLine]) -> list[Alert]:
    last: dict[str, DecisionLine] = {}
    found = []
    for line in decisions:
        before = last.get(line.artifact)
        if before is not None and before.digest != line.digest:
            text = f"{line.artifact}: version {line.version} serves since {line.decided[:19]}Z"
            text += f", before it {before.version}"
            found.append(Alert(_id("version", before.digest, line.digest, line.id), "version", text))
        last[line.artifact] = line
    return found


def _levels(decisions: Sequence[DecisionLine], manifests: Mapping[str, Manifest], bars: int) -> list[Alert]:
    """A stretch of decisions below the first level; of a version that is not known the fallback alone."""
    stretches: dict[str, list[DecisionLine]] = {}
    found = []
    for line in decisions:
        manifest = manifests.get(line.digest)
        first = line.level != "fallback" if manifest is None else line.level == manifest.service[0].name
        stretch = stretches.setdefault(line.artifact, [])
        if first:
            stretch.clear()
            continue
        stretch.append(line)
        if len(stretch) == bars:
            start = stretch[0]
            why = "; ".join(start.reasons[:2])[:300]
            text = f"{line.artifact}: {counted(bars, 'decision')} below the first level"
            text += f" since {start.decided[:19]}Z, by {line.level}{': ' + why if why else ''}"
            found.append(Alert(_id("level", start.id), "level", text))
    return found


def _events(events: Sequence[EventLine]) -> list[Alert]:
    found = []
    said: dict[str, tuple[str, ...]] = {}
    for event in events:
        if event.event == "lost":
            words = plural(event.lost, "decision"), plural(event.lost, "has", "have")
            text = (
                f"{event.artifact}: {event.lost} {words[0]} before {event.decided[:19]}Z {words[1]} no line"
            )
            found.append(Alert(_id("lost", event.id), "lost", text))
        reloads = tuple(problem for problem in event.problems if problem.startswith("reload: "))
        if reloads and said.get(event.artifact) != reloads:
            text = f"{event.artifact}: {reloads[0][:300]}; {event.version} serves on"
            found.append(Alert(_id("reload", event.id), "reload", text))
        said[event.artifact] = reloads
    return found


def _silence(
    decisions: Sequence[DecisionLine], events: Sequence[EventLine], limits: AlertLimits, now: float
) -> list[Alert]:
    """No decision for some bars: silence is an event, too, and so is a journal without any line."""
    last = max((line.decided for line in decisions), default=None)
    began = max((event.decided for event in events if event.event == "opened"), default=None)
    moment = max((text for text in (last, began) if text is not None), default=None)
    if moment is None:
        return [Alert(_id("silence", "never"), "silence", "there is no line in the journal")]
    age = now - datetime.fromisoformat(moment).timestamp()
    if age <= limits.silent_bars * limits.bar_seconds:
        return []
    what = "no decision" if last is not None else "no decision since the process began"
    bars = round(age / limits.bar_seconds)
    text = f"{what} since {moment[:19]}Z: {counted(bars, 'bar')}"
    return [Alert(_id("silence", moment), "silence", text)]


def _expiry(events: Sequence[EventLine], days: float, now: float) -> list[Alert]:
    last = {event.artifact: event for event in events}
    found = []
    for event in last.values():
        if event.expires is None:
            continue
        left = datetime.fromisoformat(event.expires).timestamp() - now
        if left < days * _DAY:
            when = datetime.fromisoformat(event.expires).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
            what = "expires" if left > 0 else "has expired and has held since"
            text = f"{event.artifact}: version {event.version} {what} {when}; train and pin a newer one"
            found.append(Alert(_id("expiry", event.digest), "expiry", text))
    return found


def _drift(decisions: Sequence[DecisionLine], manifests: Mapping[str, Manifest]) -> list[Alert]:
    """Drift of the version that decided last."""
    if not decisions or decisions[-1].digest not in manifests:
        return []
    digest = decisions[-1].digest
    drift = JournalDrift(manifests[digest])
    drift.add([line for line in decisions if line.digest == digest])
    report = drift.report()
    if not report.drifted:
        return []
    names = ", ".join(report.drifted[:5]) + (" ..." if len(report.drifted) > 5 else "")
    count = len(report.drifted)
    text = f"{decisions[-1].artifact}: {counted(count, 'feature')} drifted from training: {names}"
    return [Alert(_id("drift", digest), "drift", text)]
