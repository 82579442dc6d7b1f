"""A row of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus_runtime.records import dataclass

__all__ = ["FileRow"]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row.

    Attributes:
        place: "line 3", or "row 3" where rows are no lines.
        values: By name of column: numbers and None where the column is a feature; empty if it has a problem.
        problem: Why it could not be read, place and all; None if it could.
    """

    place: str
    values: Mapping[str, Any]
    problem: str | None = None

    @classmethod
    def broken(cls, place: str, why: str) -> FileRow:
        """A row that could not be read."""
        return cls(place, {}, f"{place}: {why}")
