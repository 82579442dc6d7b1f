"""The inert values a pickle is read into, and the errors of reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from gradus_runtime.errors import CheckError, DataError, ExitCode

__all__ = ["BrokenPickleError", "Global", "Inert", "UnsafePickleError", "UnsupportedPickleError"]


class UnsafePickleError(CheckError):
    """A pickle asks for something that is not on the list of what models need: nothing of it was run."""


class UnsupportedPickleError(UnsafePickleError):
    """A pickle needs a function of a model library that gradus does not know; the file may be harmless."""


class BrokenPickleError(DataError):
    """A file is not a whole pickle or joblib file."""

    exit_code: ClassVar[ExitCode] = ExitCode.WRONG_USE


@dataclass(frozen=True, slots=True)
class Global:
    """A name in a module, as written in a pickle: never imported, never called."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False, repr=False)
class Inert:
    """An object of a pickle as data.

    Attributes:
        kind: The class (or the function that would rebuild it).
        args: What it would have been created with.
        state: What it would have been given as its state; None if nothing.
        entries: Items (of a list) and pairs (of a mapping) it would have been given.
    """

    kind: Global
    args: tuple[Any, ...] = ()
    state: Any = None
    entries: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.kind} object>"

    @property
    def attributes(self) -> dict[str, Any]:
        """Instance attributes by name, of `__dict__` and of slots; empty if the state is something else."""
        parts = self.state if isinstance(self.state, tuple) and len(self.state) == 2 else (self.state,)
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, dict):
                found.update({k: v for k, v in part.items() if isinstance(k, str)})
        return found
