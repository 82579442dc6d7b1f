"""The side of the trend, as `strategy_signal_MultiTimeframe` sees it, bar by bar as the market moves."""

from __future__ import annotations

__all__ = ["Trend"]

_FAST_BARS = 50
_SLOW_BARS = 20
_BARS_OF_SLOW = 16  # 4 hours


class _Average:
    """An exponential average whose weights are normalised over what it has seen."""

    def __init__(self, bars: int) -> None:
        self._keep = 1.0 - 2.0 / (bars + 1)
        self._sum = 0.0
        self._weight = 0.0

    def add(self, value: float) -> float:
        """Take a value in, and return the average."""
        self._sum = self._keep * self._sum + value
        self._weight = self._keep * self._weight + 1.0
        return self._sum / self._weight


class Trend:
    """Follows a price from the first bar of a UTC day on.

    >>> trend = Trend()
    >>> [trend.add(float(i)) for i in range(32)][-1]
    1
    """

    def __init__(self) -> None:
        self._fast = _Average(_FAST_BARS)
        self._slow = _Average(_SLOW_BARS)
        self._slow_gap = 0.0
        self._bars = 0

    def add(self, price: float) -> int:
        """Take the close of a bar in, and return 1 or -1 where both time frames have one side, else 0."""
        self._bars += 1
        if self._bars % _BARS_OF_SLOW == 0:
            self._slow_gap = price - self._slow.add(price)
        fast_gap = price - self._fast.add(price)
        if self._slow_gap > 0 and fast_gap > 0:
            return 1
        return -1 if self._slow_gap < 0 and fast_gap < 0 else 0
