"""One log line for each change: of the level that serves, of the version, of health. Never one per row.

The logger is `gradus_runtime`. What a line says is also in its record, as `gradus_event` and other `gradus_`
fields, for handlers that write structured logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from gradus_runtime.log import INFO, WARNING, say
from gradus_runtime.monitoring.health import Health

__all__ = ["LEVEL_LINES_SECONDS", "Changes"]

LEVEL_LINES_SECONDS = 60.0
"""Minimum seconds between log lines about level changes; suppressed ones are counted in the next line."""


class Changes:
    """Remembers what was last said, and says what is new."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._level: str | None = None
        self._next_line = 0.0
        self._unsaid = 0
        self._health = "ok"
        self._problems: tuple[str, ...] = ()
        self.ignored_said = False

    def level(self, level: str, reasons: Sequence[str]) -> None:
        """Say that another level serves now."""
        before, self._level = self._level, level
        if before == level or (before is None and not reasons):
            return
        now = self._monotonic()
        if now < self._next_line:
            self._unsaid += 1
            return
        from gradus_runtime.wording import counted  # a line that says something is rare

        between = f" ({counted(self._unsaid, 'change')} in between)" if self._unsaid else ""
        self._next_line, self._unsaid = now + LEVEL_LINES_SECONDS, 0
        why = f": {'; '.join(reasons)}" if reasons else ""
        say(
            WARNING if reasons else INFO,
            f"level changed from {before or 'none'} to {level}{between}{why}",
            event="level",
            before=before,
            now=level,
        )

    def version(self, before: str, now: str) -> None:
        """Say that another version serves now."""
        say(INFO, f"version changed from {before} to {now}", event="version", before=before, now=now)

    def generation(self, before: int, now: int) -> None:
        """Say that the pin's generation fell, and the history with it."""
        say(
            WARNING,
            f"the pin's generation went back from {before} to {now}; pin and history agree: followed",
            event="generation",
            before=before,
            now=now,
        )

    def health(self, health: Health) -> None:
        """Say that health is another than before, or for other reasons."""
        problems = tuple(
            text
            for text in (
                *(f"{level.name}: {level.problem}" for level in health.levels if level.problem),
                health.halted,
                health.reload_problem and f"reload: {health.reload_problem}",
                health.journal and health.journal.problem and f"journal: {health.journal.problem}",
            )
            if text
        )
        if (health.status, problems) == (self._health, self._problems):
            return
        before, self._health, self._problems = self._health, health.status, problems
        why = f": {'; '.join(problems)}" if problems else ""
        say(
            INFO if health.status == "ok" else WARNING,
            f"health changed from {before} to {health.status}{why}",
            event="health",
            before=before,
            now=health.status,
        )

    def ignored(self, names: Sequence[Any], count: int) -> None:
        """Say once that rows hold columns that are no feature."""
        if count and not self.ignored_said:
            self.ignored_said = True
            some = ", ".join(shown(name) for name in names[:5])
            from gradus_runtime.wording import plural  # once at most

            what = plural(count, "column that is not a feature", "columns that are not features")
            say(
                INFO,
                f"ignoring {count} {what} of this artifact: {some}{' ...' if count > 5 else ''}",
                event="ignored",
                count=count,
            )


_class_name = type.__dict__["__name__"].__get__


def shown(name: Any) -> str:
    """Return a column's name for people; of what is neither text nor a number, its class alone."""
    kind = type(name)
    if issubclass(kind, str):
        return str.__str__(name)
    return repr(name) if kind is int or kind is float else f"<{_class_name(kind)}>"
