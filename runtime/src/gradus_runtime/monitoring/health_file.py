"""The health file: what a running process last said of itself, for a check from outside."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import CheckError, UsageError, let_signals_through
from gradus_runtime.lock import SafeLock
from gradus_runtime.monitoring.health import Health
from gradus_runtime.records import dataclass

__all__ = ["FORMAT", "HealthFile", "HealthReport", "problems_of", "read_health_file"]

FORMAT = "gradus-health/1"
BARS_LATE = 2
"""A process that has decided nothing for so many bars is not well."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a health file holds.

    Attributes:
        format: `FORMAT`.
        pid: Of the process.
        opened: When it began to serve, seconds since 1970 UTC.
        written: When it wrote the file, seconds since 1970 UTC.
        decided: When it last decided, seconds since 1970 UTC; None before the first decision.
        bar: Opening of the newest bar that it decided for, ISO 8601 in UTC; None where it was not told.
        bar_seconds: The shortest distance between two bars that it decided for; None before there were two.
        health: As `health()` returns it.
    """

    format: str
    pid: int
    opened: float
    written: float
    decided: float | None
    bar: str | None
    bar_seconds: float | None
    health: Health


class HealthFile:
    """Writes a health file, whole by rename. What fails is kept in `problem`.

    Args:
        path: Where.
        opened: When the process began to serve, seconds since 1970 UTC.
    """

    def __init__(self, path: Path, opened: float) -> None:
        self.problem: str | None = None
        self._path = path
        self._opened = opened
        self._lock = SafeLock()
        self._decided: float | None = None
        self._bar: datetime | None = None
        self._bar_seconds: float | None = None

    def decided(self, moment: float, bar: datetime | None) -> None:
        """Take note of a decision."""
        with self._lock:
            self._decided = moment
            if bar is None:
                return
            if self._bar is not None and bar != self._bar:
                distance = abs((bar - self._bar).total_seconds())
                self._bar_seconds = min(distance, self._bar_seconds or distance)
            if self._bar is None or bar > self._bar:
                self._bar = bar

    def write(self, moment: float, health: Health) -> None:
        """Write the file anew; it never raises for what the disk does."""
        bar = None if self._bar is None else self._bar.isoformat()
        report = HealthReport(
            FORMAT, os.getpid(), self._opened, moment, self._decided, bar, self._bar_seconds, health
        )
        text = json.dumps(codec.encode(report), ensure_ascii=True) + "\n"
        with self._lock:
            try:
                exchange_text(self._path, text)
            except OSError as e:
                let_signals_through(e)
                self.problem = f"{self._path}: {e.strerror or e}"
            else:
                self.problem = None

    def after_fork(self) -> None:
        """In a forked child: a lock of its own."""
        self._lock = SafeLock()


def exchange_text(path: Path, text: str) -> None:
    """Write a file by rename, so that readers see the old text or the new.

    Raises:
        OSError: It cannot be written; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_health_file(path: Path) -> HealthReport:
    """Read a health file.

    Raises:
        CheckError: There is none, or it is not one.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise CheckError(
            "a health file must be readable",
            place=str(path),
            cause=e.strerror,
            hint="Open the bot with Predictor.open(..., health_file=...).",
        ) from None
    value = strict_json.parse(data, place=str(path), error=CheckError)
    _fill_in(value)
    report = codec.decode(HealthReport, value, place=str(path), error=CheckError)
    if report.format != FORMAT:
        raise CheckError(f"format must be {FORMAT!r}", place=str(path), value=report.format)
    return report


def _fill_in(value: Any) -> None:
    """Give levels of files from before there were kernels and providers the keys that say so."""
    health = value.get("health") if isinstance(value, dict) else None
    levels = health.get("levels") if isinstance(health, dict) else None
    for level in levels if isinstance(levels, list) else []:
        if isinstance(level, dict):
            level.setdefault("kernel", None)
            level.setdefault("provider", None)


def problems_of(report: HealthReport, now: float, bar_seconds: float | None) -> list[str]:
    """Say what is wrong with a process, a text each; nothing if it is well.

    Args:
        report: What it last said.
        now: Seconds since 1970 UTC.
        bar_seconds: Length of a bar; by default what the process saw.

    Raises:
        UsageError: Nobody knows the length of a bar.
    """
    length = bar_seconds if bar_seconds is not None else report.bar_seconds
    if length is None:
        raise UsageError(
            "the length of a bar must be known",
            place="--bar",
            hint="The process has not decided for two bars yet. Give it: --bar 15m.",
        )
    problems: list[str] = []
    last = report.opened if report.decided is None else report.decided
    if now - last > BARS_LATE * length:
        what = "no decision yet, and it began" if report.decided is None else "the last decision was"
        problems.append(f"{what} {_duration(now - last)} ago: more than {BARS_LATE} bars")
    if report.bar is not None:
        age = now - datetime.fromisoformat(report.bar).timestamp()
        if age > (BARS_LATE + 1) * length:  # a bar is one bar old when it can be decided for
            problems.append(f"the newest bar opened {_duration(age)} ago: its feed may have stopped")
    if report.health.status == "failed":
        problems.append("no level can serve")
    return problems


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def as_json(report: HealthReport, problems: list[str]) -> dict[str, Any]:
    """Return what `gradus health --file --json` prints."""
    return {**codec.encode(report), "problems": problems}
