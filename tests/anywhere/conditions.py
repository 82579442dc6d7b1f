"""The machines and days that the suite must not notice: each value stands in at least one row."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["CONDITIONS", "Condition", "slice_of"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Where and when the suite runs.

    Attributes:
        clock: What the clock says at the start, with its offset.
        zone: TZ.
        locale: LANG and LC_ALL.
        root: As root; else as a user who owns the copy of the project and nothing else.
        umask: Of the process.
        home: "absent" (HOME names no folder), "read-only", or "own".
        path: Name of the project's folder.
        linked: The project is reached by a symbolic link.
        workers: Of pytest-xdist.
    """

    clock: str
    zone: str
    locale: str
    root: bool
    umask: int
    home: str
    path: str
    linked: bool
    workers: int

    @property
    def local_time(self) -> datetime:
        """The clock in the zone."""
        from zoneinfo import ZoneInfo

        return datetime.fromisoformat(self.clock).astimezone(ZoneInfo(self.zone))

    def __str__(self) -> str:
        """One line."""
        return (
            f"clock {self.clock}, TZ={self.zone}, LANG={self.locale}, {'root' if self.root else 'not root'}, "
            f"umask {self.umask:03o}, home {self.home}, folder '{self.path}'"
            f"{' by a symbolic link' if self.linked else ''}, {self.workers} workers"
        )


CONDITIONS = (
    Condition("2026-12-31T23:59:00+00:00", "UTC", "C", True, 0o077, "absent", "with a space", False, 1),
    Condition(
        "2027-01-01T00:30:00+00:00",
        "America/New_York",
        "ja_JP.UTF-8",
        False,
        0o022,
        "read-only",
        "g",
        False,
        2,
    ),
    Condition(
        "2026-12-31T23:59:00+09:00", "Asia/Tokyo", "C.UTF-8", True, 0o022, "own", "grädus 木", False, 3
    ),
    Condition("2027-01-01T00:30:00+09:00", "Asia/Tokyo", "ja_JP.UTF-8", False, 0o077, "absent", "g", True, 2),
    Condition("2028-02-29T12:00:00+00:00", "Asia/Kathmandu", "C", False, 0o022, "own", "grädus", False, 2),
    Condition(
        "2027-02-07T03:00:00+00:00", "Pacific/Kiritimati", "C", False, 0o077, "read-only", "a b", True, 1
    ),
    Condition(
        "2031-07-01T09:00:00+00:00", "Europe/London", "ja_JP.UTF-8", True, 0o022, "absent", "g", False, 2
    ),
)
"""Clocks: the end of a year and half past midnight of the next, in UTC and in Tokyo; a leap day; a Sunday."""


def slice_of(commit: str, files: list[Path], parts: int) -> tuple[int, list[Path]]:
    """Choose one condition and one part of the test files by a commit's hash.

    Args:
        commit: In hexadecimal.
        files: All test files.
        parts: How many parts the files fall into.

    Returns:
        The condition's index, and the files of the part.
    """
    number = int(commit, 16)
    part = number // len(CONDITIONS) % parts
    chosen = [f for f in files if zlib.crc32(f.as_posix().encode()) % parts == part]
    return number % len(CONDITIONS), chosen
