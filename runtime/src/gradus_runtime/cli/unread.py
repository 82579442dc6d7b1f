"""What commands that answer lines say of those that they could not read, and what they end with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from gradus_runtime.errors import ExitCode

__all__ = ["SAID", "Unread", "decimal_comma"]

SAID = 5
"""Number of lines that could not be read which are named one by one."""
_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


class Unread:
    """Counts lines, and names those that could not be read: the first ones when they come, all at the end.

    Args:
        command: Name of the command.
        outcome: What comes of such a line, such as "left out".
        what: What a line is: "row", or "line".
        path: The file, for messages; None where it need not be named.
    """

    def __init__(self, command: str, outcome: str, *, what: str = "row", path: str | None = None) -> None:
        self._command = command
        self._outcome = outcome
        self._what = what
        self._before = "" if path is None else f"{path}: "
        self.lines = 0
        self.broken = 0

    def take(self, problem: str | None) -> None:
        """Count a line; `problem` says, place and all, why it could not be read."""
        self.lines += 1
        if problem is None:
            return
        self.broken += 1
        if self.broken <= SAID:
            self.say(f"{self._before}{problem}: {self._outcome}")

    def end(self) -> ExitCode:
        """Say how many lines could not be read, where not all were named; return what to end with."""
        if self.broken > SAID:
            share = "all of them" if self.broken == self.lines else f"of {self.lines}"
            many = f"{self.broken} {self._what}s could not be read"
            self.say(f"{self._before}{many} and were {self._outcome}, {share}")
        return ExitCode.CHECK_FAILED if self.broken else ExitCode.DONE

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        print(f"gradus {self._command}: {text}", file=sys.stderr)


def decimal_comma(values: Iterable[object]) -> str:
    """Return what to say of the first text that is a number with a decimal comma; "" if there is none."""
    for value in values:
        if isinstance(value, str) and _COMMA.fullmatch(value):
            point = value.strip().replace(",", ".")
            return f"numbers must have a decimal point: write {point}, not {value.strip()}"
    return ""
