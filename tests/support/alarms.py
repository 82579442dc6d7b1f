"""Alarms in tests: where one must not raise."""

from __future__ import annotations

from types import FrameType

__all__ = ["in_coverage"]


def in_coverage(frame: FrameType) -> bool:
    """Whether a frame is one of coverage.py, which takes a lock of its own and would never release it."""
    at: FrameType | None = frame
    while at is not None and at.f_back is not None:
        if str(at.f_globals.get("__name__", "")).split(".")[0] == "coverage":
            return True
        at = at.f_back
    return False
