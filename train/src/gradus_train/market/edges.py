"""The edges of the simulated market: what a model can know of it, by the groups of features that show it."""

from __future__ import annotations

from dataclasses import dataclass

from gradus_runtime.errors import UsageError

__all__ = ["Edges"]


@dataclass(frozen=True, slots=True)
class Edges:
    """Sizes of the three edges, in units of sigma, the deviation of a bar's log return.

    Each lies where one part of the features sees it, so that each level knows more than the one below.

    Attributes:
        price: Shocks of a mispricing, of which a quarter is taken back with every bar: the features of
            level 3 see where the price stands in its latest range.
        strategy: Drift of a bar along the side of `strategy_signal_MultiTimeframe`, where that has one, in
            the first 5 hours of a UTC day, and against it in the other 19: trends that both time frames show
            go on, or are taken back. Level 3 sees 12 of the signal's 80 hours.
        external: Drift of a bar for each unit of the market's appetite for risk, a daily value with a
            deviation of 1, which all daily series of the day before show, each with noise of its own.
    """

    price: float = 0.9
    strategy: float = 0.9
    external: float = 0.35

    def __post_init__(self) -> None:
        for name in ("price", "strategy", "external"):
            value = getattr(self, name)
            if not 0 <= value < 100:
                raise UsageError("an edge must be in [0, 100)", place=name, value=value)

    def times(self, signal: float) -> Edges:
        """Return all three, larger or smaller by this factor."""
        return Edges(self.price * signal, self.strategy * signal, self.external * signal)
