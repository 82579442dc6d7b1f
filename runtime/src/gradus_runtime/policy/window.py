"""A threshold that moves with the scores: the last bars, and the score that a share of them is above.

The window is what decisions before it left: those of this process, those of the journal, and before them what
training shipped. So the threshold of a bar is a function of the bars that were decided before it, and it is
the same for a table of these rows and for the rows one by one. A bar that is decided twice counts once.
"""

from __future__ import annotations

import binascii
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import TrailingWindow
from gradus_runtime.lock import SafeLock

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ScoreWindow", "count_of", "shipped_scores", "shipped_window"]

AGAIN = 96
"""So many of the last bars get the same threshold when they are decided again."""
_FEWEST = 2
_BEFORE = -(1 << 62)
"""The bar of a score that training shipped: before every other."""


def count_of(share: float, bars: int) -> int:
    """Return how many of `bars` scores the threshold lets through: share times bars, at least 1.

    >>> count_of(0.05, 2880), count_of(0.001, 10)
    (144, 1)
    """
    return max(1, int(share * bars + 1e-9))


class _State:
    """The scores of the last bars with their times, and those of the window sorted."""

    __slots__ = ("bars", "ranks", "scores", "share", "times")

    def __init__(self, scores: list[float], share: float) -> None:
        self.bars = len(scores)
        self.share = share
        self.scores = scores
        self.times = [_BEFORE] * len(scores)
        self.ranks = sorted(scores)

    def copy(self) -> _State:
        other = object.__new__(_State)
        other.bars, other.share = self.bars, self.share
        other.scores, other.times, other.ranks = self.scores.copy(), self.times.copy(), self.ranks.copy()
        return other

    def cutoff(self, bar: int | None) -> float:
        if bar is None or bar > self.times[-1]:
            return self.ranks[self.bars - 1 - count_of(self.share, self.bars)]
        end = bisect_left(self.times, bar)
        before = sorted(self.scores[max(0, end - self.bars) : end])
        if len(before) < _FEWEST:  # older than all that is known
            before = self.ranks
        return before[len(before) - 1 - count_of(self.share, len(before))]

    def push(self, bar: int, score: float) -> None:
        if bar <= self.times[-1]:
            return
        value = float(np.float32(score))
        del self.ranks[bisect_left(self.ranks, self.scores[-self.bars])]
        insort(self.ranks, value)
        self.times.append(bar)
        self.scores.append(value)
        if len(self.scores) >= self.bars + 2 * AGAIN:
            del self.times[:AGAIN], self.scores[:AGAIN]


class ScoreWindow:
    """The scores of the last bars. Safe for any number of threads; an alarm leaves it as it was before.

    Args:
        scores: float32 [bars], what the window holds at first, the newest last.
        share: Of the window, to be let through.
    """

    def __init__(self, scores: Sequence[float] | NDArray[np.floating], share: float) -> None:
        self._state = _State(np.asarray(scores, np.float32).tolist(), share)
        self._lock = SafeLock()

    def cutoff(self, bar: int | None) -> float:
        """Return the score that a bar must be above: the (k+1)-th largest of the window.

        Args:
            bar: Opening of the bar, ms since 1970 UTC: only bars before it count. None: all count.
        """
        return self._state.cutoff(bar)

    def add(self, scores: Iterable[tuple[int, float]]) -> None:
        """Take in the scores of bars; one that is no later than the newest is passed over.

        Args:
            scores: Opening of each bar, ms since 1970 UTC, and the largest score among the rules; it is
                rounded to float32, as shipped ones are.
        """
        with self._lock:
            new = self._state.copy()
            for bar, score in scores:
                new.push(bar, score)
            self._state = new

    def walk(self, bars: Sequence[int | None], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score that each row of a table must be above, as if its rows were decided one by one.

        Nothing is added to the window.

        Args:
            bars: Opening of each row's bar, ms since 1970 UTC; None where it is not known.
            scores: float64 [n], the largest among the rules; NaN for a row that no level serves.

        Returns:
            float64 [n].
        """
        state = self._state.copy()
        found = np.empty(len(scores))
        for at, (bar, score) in enumerate(zip(bars, scores.tolist(), strict=True)):
            found[at] = state.cutoff(bar)
            if bar is not None and score == score:
                state.push(bar, score)
        return found

    def after_fork(self) -> None:
        """In a forked child: a lock of its own."""
        self._lock = SafeLock()


def shipped_scores(text: str) -> NDArray[np.float32]:
    """Read what `TrailingWindow.scores` holds."""
    return np.frombuffer(binascii.a2b_base64(text), "<f4").astype(np.float32)


def shipped_window(trailing: TrailingWindow) -> ScoreWindow:
    """Return the window of a policy as training shipped it."""
    return ScoreWindow(shipped_scores(trailing.scores), trailing.share)
