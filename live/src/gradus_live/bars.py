"""Bars of a market as arrays, with checks at the entrance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_runtime.errors import DataError

__all__ = ["Bars", "Floats", "Integers", "whole_windows"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bars:
    """N bars in time order, on a grid of `bar_ms`; bars may be missing between two of them.

    Attributes:
        timestamps: int64 [N], ms UTC of the bar's open, rising.
        close: float64 [N], above 0; NaN where a bar has none.
        bar_ms: Length of a bar, ms.
        open: float64 [N], or None where the source has none: a trade then fills at the close before it.
        high: float64 [N], or None.
        low: float64 [N], or None.

    Raises:
        DataError: The arrays differ in length, stamps do not rise, or a price is not above 0.
    """

    timestamps: Integers
    close: Floats
    bar_ms: int
    open: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.timestamps)
        if self.bar_ms < 1:
            raise DataError("a bar must last at least 1 ms", place="bar_ms", value=self.bar_ms)
        if n and bool((np.diff(self.timestamps) <= 0).any()):
            raise DataError("stamps of bars must rise", place="timestamps")
        for name in ("close", "open", "high", "low"):
            prices = getattr(self, name)
            if prices is None:
                continue
            if len(prices) != n:
                raise DataError(f"{n} stamps need {n} prices", place=name, value=len(prices))
            bad = np.flatnonzero(~(prices > 0) & ~np.isnan(prices))
            if len(bad):
                raise DataError(
                    "a price must be above 0", place=f"{name}[{bad[0]}]", value=float(prices[bad[0]])
                )

    @property
    def has_range(self) -> bool:
        """Whether every bar has open, high and low."""
        return self.open is not None and self.high is not None and self.low is not None


def whole_windows(bars: Bars, ahead: int) -> npt.NDArray[np.bool_]:
    """Return which bars have all of the next `ahead` bars in the data, bool [N].

    Rising stamps on a grid: `ahead` steps take exactly that many bars only where none is missing.
    """
    n = len(bars.timestamps)
    whole = np.zeros(n, dtype=np.bool_)
    if 0 < ahead < n:
        whole[:-ahead] = bars.timestamps[ahead:] - bars.timestamps[:-ahead] == ahead * bars.bar_ms
    return whole
