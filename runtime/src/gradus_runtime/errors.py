"""Errors of gradus: each names the rule, the place, the value, and the way out.

They are named for what the caller must do. `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

__all__ = [
    "CheckError",
    "ConfigError",
    "DataError",
    "EnvironmentFailedError",
    "ExitCode",
    "GradusError",
    "IntegrityError",
    "ManifestError",
    "StoreError",
    "UsageError",
]


class ExitCode(IntEnum):
    """What every gradus command ends with."""

    DONE = 0
    CHECK_FAILED = 1
    WRONG_USE = 2
    ENVIRONMENT = 3


class GradusError(Exception):
    """Base of every error that gradus raises on purpose.

    Args:
        rule: The rule that was broken, as a sentence that is true when all is well.
        place: Where: a file, a line, a key path, a column.
        value: The value found there; shown by `repr`, shortened.
        hint: The way out, as an instruction.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ENVIRONMENT

    def __init__(
        self, rule: str, *, place: str | None = None, value: object = None, hint: str | None = None
    ) -> None:
        self.rule = rule
        self.place = place
        self.value = value
        self.hint = hint
        super().__init__(self._message())

    def _message(self) -> str:
        text = self.rule if self.place is None else f"{self.place}: {self.rule}"
        if self.value is not None:
            shown = repr(self.value)
            text += f", but got {shown if len(shown) <= 120 else shown[:117] + '...'}"
        return text if self.hint is None else f"{text}. {self.hint}"


class UsageError(GradusError):
    """The call or the command line is wrong: correct it and call again."""

    exit_code = ExitCode.WRONG_USE


class ConfigError(UsageError):
    """A configuration file breaks a rule: edit it."""


class DataError(UsageError):
    """Input data breaks a rule: correct the file."""


class CheckError(GradusError):
    """A check said no: a gate, a parity proof, a validation."""

    exit_code = ExitCode.CHECK_FAILED


class IntegrityError(CheckError):
    """Bytes are not what the manifest or the pin says: do not use them."""


class ManifestError(CheckError):
    """A manifest breaks the contract: do not use the artifact."""


class StoreError(GradusError):
    """The artifact store cannot do what was asked; it is as it was before."""


class EnvironmentFailedError(GradusError):
    """The machine failed: disk, memory, permission, a missing library."""
