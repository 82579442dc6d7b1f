"""What a validation finds: subjects, the checks made on each, and their findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from gradus_runtime.errors import GradusError

__all__ = ["Check", "Finding", "Severity", "attempt", "errors_in", "from_error"]

Severity = Literal["error", "warning"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be (error), or worth a look (warning).

    Attributes:
        severity: "error" or "warning".
        message: Rule, place, value and way out, as one text.
        file: The file it is about, for annotations.
        line: Its line from 1, None if not known.
    """

    severity: Severity
    message: str
    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check on one subject.

    Attributes:
        subject: The file, folder or store.
        name: What was checked.
        findings: What was found; empty if all is well.
        skipped: Why it was not made; None if it was.
    """

    subject: str
    name: str
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it was made and found no error."""
        return self.skipped is None and not errors_in([self])


def errors_in(checks: list[Check]) -> int:
    """Number of errors in checks."""
    return sum(f.severity == "error" for c in checks for f in c.findings)


def from_error(error: GradusError, file: str, line: int | None = None) -> Finding:
    """Return an error of gradus as a finding."""
    return Finding("error", str(error), file, line)


def attempt(subject: str, name: str, file: str, action: Callable[[], T]) -> tuple[Check, T | None]:
    """Make a check that raises when it fails; return it, and the result of the action if it passed."""
    try:
        return Check(subject, name), action()
    except GradusError as e:
        return Check(subject, name, (from_error(e, file),)), None
