"""When something that failed is tried again: after 60 s, then 2, 4, 8, 16 and 30 minutes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "Retry"]

FIRST_PAUSE = 60.0
LONGEST_PAUSE = 1800.0
"""Seconds. What worked for so long starts with the first pause again."""


class Retry:
    """The failures of one thing, and when it is tried again.

    Args:
        monotonic: Seconds that never go back.

    Attributes:
        tries: Failures since it last worked for `LONGEST_PAUSE`.
    """

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic
        self.tries = 0
        self._next = -math.inf
        self._worked_since = math.inf

    def failed(self) -> None:
        """Note a failure: the next try comes after a pause."""
        now = self._now()
        tries = 1 if now - self._worked_since >= LONGEST_PAUSE else self.tries + 1
        pause = min(FIRST_PAUSE * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE)
        self._worked_since = math.inf
        self.tries, self._next = tries, now + pause

    def worked(self) -> None:
        """Note that it works now."""
        self._worked_since = self._now()

    def now(self) -> None:
        """Let the next try come at once."""
        self._next = -math.inf

    @property
    def due(self) -> bool:
        """Whether the next try may come now."""
        return self._now() >= self._next

    @property
    def seconds_left(self) -> float:
        """Seconds to the next try; 0.0 if it may come now."""
        return max(0.0, self._next - self._now())

    def _now(self) -> float:
        return (self._monotonic or time.monotonic)()
