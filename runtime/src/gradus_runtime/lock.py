"""A lock that neither an exception of a signal handler nor a fork leaves locked."""

from __future__ import annotations

import sys
import time
from _thread import get_ident
from types import FrameType, TracebackType

__all__ = ["SafeLock"]

PAUSE = 0.0005
PATIENCE = 0.02
"""Seconds between two looks, and before a waiting thread asks whether the lock was abandoned."""


class SafeLock:
    """A re-entrant lock, for `with` alone.

    From Python 3.14 on, a signal handler may raise between the call of `__enter__` and the block of `with`.
    Then a `threading.RLock` stays locked, for every other thread and for good. This one remembers which frame
    took it: where that frame has been left, or its thread is gone, as in a forked child, the lock is free.

    Here a check and the store after it have no call between them, so that neither a signal handler nor
    another thread gets in.
    """

    __slots__ = ("_depth", "_owner", "_thread")

    def __init__(self) -> None:
        self._owner: FrameType | None = None
        self._thread = 0
        self._depth = 0

    def __enter__(self) -> None:
        frame, me = sys._getframe(1), get_ident()
        waited = 0.0
        while True:
            owner, thread = self._owner, self._thread
            if owner is None:
                if self._owner is None:
                    self._owner, self._thread, self._depth = frame, me, 0
                    return
                continue
            if thread == me and _runs(owner, frame):
                self._depth += 1  # a signal handler within the block, or a block within it
                return
            if (thread == me or waited >= PATIENCE) and not _runs(owner, sys._current_frames().get(thread)):
                if self._owner is owner and self._thread == thread:  # it was abandoned
                    self._owner, self._thread, self._depth = frame, me, 0
                    return
                continue
            time.sleep(PAUSE)
            waited += PAUSE

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._depth:
            self._depth -= 1
        else:
            self._owner = None


def _runs(frame: FrameType, top: FrameType | None) -> bool:
    """Whether a frame is on the stack whose top is given."""
    while top is not None:
        if top is frame:
            return True
        top = top.f_back
    return False
