"""The kinds of labels, as values that check themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradus_runtime.errors import ConfigError

__all__ = ["Column", "FixedHorizon", "LabelRule", "Meta", "TradeRule", "TripleBarrier"]

_LONGEST = 100_000
SIDES = ("SELL", "HOLD", "BUY")


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """A bar is labelled from r = close[t + horizon] / close[t] - 1.

    Attributes:
        horizon: Bars ahead, at least 1.
        threshold: With unit "fraction" in [0, 1): 0.005 is half a percent. With unit "volatility" a multiple
            of s sqrt(horizon), where s is `recent_volatility` over `window` bars up to t.
        classes: Three names, lowest first: the first where r < -threshold, the last where r > threshold, else
            the middle. Or two: the last where r > threshold, else the first. A label is an index into them.
        unit: "fraction" or "volatility".
        window: Bars that the volatility is measured over; unused with "fraction".
    """

    horizon: int = 4
    threshold: float = 0.005
    classes: tuple[str, ...] = SIDES
    unit: str = "fraction"
    window: int = 96

    def __post_init__(self) -> None:
        _bars("horizon", self.horizon)
        _choice("unit", self.unit, ("fraction", "volatility"))
        if self.unit == "fraction" and not 0 <= self.threshold < 1:
            raise ConfigError("a threshold must be in [0, 1)", place="threshold", value=self.threshold)
        if not 0 <= self.threshold < 100:
            raise ConfigError("a threshold must be in [0, 100)", place="threshold", value=self.threshold)
        _window(self.window)
        _classes(self.classes, (2, 3))

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return "fixed_horizon"

    @property
    def reach(self) -> int:
        """Bars after t that the label looks at."""
        return self.horizon

    @property
    def sides(self) -> tuple[int, int] | None:
        """Indices of the classes that mean down and up."""
        return 0, len(self.classes) - 1


@dataclass(frozen=True, slots=True)
class TripleBarrier:
    """Which of two trades, opened at the next bar's open, reaches its take-profit before its stop-loss.

    The long trade takes its profit at entry * (1 + take_profit) and stops at entry * (1 - stop_loss); the
    short trade is its mirror image. Within a bar the stop comes first. The last class: the long trade came
    off; the first: the short one did; the middle: neither within `horizon` bars, or both in the same bar.
    Where both come off, the earlier one counts (Lopez de Prado, Advances in Financial Machine Learning, 2018,
    chapter 3, has one trade and the sign of the barrier that is touched first).

    Attributes:
        take_profit: Above 0; a fraction of the entry price, or with unit "atr" a multiple of
            `average_true_range` over `window` bars up to t.
        stop_loss: Likewise.
        horizon: Bars until the trade is closed at the close, at least 1.
        classes: Three names, in the order short, neither, long.
        unit: "fraction" or "atr".
        window: Bars that the average true range is measured over; unused with "fraction".
    """

    take_profit: float
    stop_loss: float
    horizon: int
    classes: tuple[str, ...] = SIDES
    unit: str = "fraction"
    window: int = 14

    def __post_init__(self) -> None:
        _bars("horizon", self.horizon)
        _choice("unit", self.unit, ("fraction", "atr"))
        limit = 1 if self.unit == "fraction" else 100
        for name in ("take_profit", "stop_loss"):
            value = getattr(self, name)
            if not 0 < value < limit:
                raise ConfigError(f"{name} must be in (0, {limit})", place=name, value=value)
        _window(self.window)
        _classes(self.classes, (3,))

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return "triple_barrier"

    @property
    def reach(self) -> int:
        """Bars after t that the label looks at."""
        return self.horizon

    @property
    def sides(self) -> tuple[int, int] | None:
        """Indices of the classes that mean down and up."""
        return 0, 2


TradeRule = FixedHorizon | TripleBarrier


@dataclass(frozen=True, slots=True)
class Meta:
    """Whether a trade that something else proposes came off; the side comes from a column.

    A bar is labelled where the column `side` is above 0 (long) or below 0 (short). The trade came off where
    `trade` says so for that side: a fixed horizon where the return in the side's direction is beyond the
    threshold; barriers where the take-profit is reached before the stop-loss.

    Attributes:
        side: Name of the column: a feature, or a column of the table.
        trade: How the trade is judged; its classes are not used.
        classes: Two names: it did not come off, it did.
    """

    side: str
    trade: TradeRule = field(default_factory=FixedHorizon)
    classes: tuple[str, ...] = ("LOSS", "WIN")

    def __post_init__(self) -> None:
        if not self.side:
            raise ConfigError(
                "a meta label needs the column that the side comes from",
                place="side",
                value=self.side,
                hint='Write side = "my_signal": above 0 is long, below 0 is short, 0 is no trade.',
            )
        _classes(self.classes, (2,))

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return "meta"

    @property
    def reach(self) -> int:
        """Bars after t that the label looks at."""
        return self.trade.reach

    @property
    def sides(self) -> tuple[int, int] | None:
        """None: the classes have no side of their own."""
        return None


@dataclass(frozen=True, slots=True)
class Column:
    """The labels are in a column of the table, made elsewhere.

    Attributes:
        reach: Bars after t that whoever made the labels looked at; a trade is judged over as many.
        classes: Names that occur in the column, at least two.
        column: Name of the column.
        down: The class that means a fall of the price, or "" where none does.
        up: The class that means a rise, or "".
    """

    reach: int
    classes: tuple[str, ...] = SIDES
    column: str = "label"
    down: str = ""
    up: str = ""

    def __post_init__(self) -> None:
        _bars("reach", self.reach)
        if not self.column:
            raise ConfigError("a column must have a name", place="column", value=self.column)
        _classes(self.classes, ())
        if bool(self.down) != bool(self.up) or (self.down and self.down == self.up):
            raise ConfigError(
                "down and up must be given both, and differ, or neither",
                place="down, up",
                value=(self.down, self.up),
            )
        for name in ("down", "up"):
            value = getattr(self, name)
            if value and value not in self.classes:
                raise ConfigError(f"{name} must be one of the classes", place=name, value=value)

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return "column"

    @property
    def sides(self) -> tuple[int, int] | None:
        """Indices of the classes that mean down and up; None where none were named."""
        return (self.classes.index(self.down), self.classes.index(self.up)) if self.down else None


LabelRule = FixedHorizon | TripleBarrier | Meta | Column


def _bars(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"a {name} must be at least 1 bar", place=name, value=value)
    if value > _LONGEST:
        raise ConfigError(f"a {name} must be at most {_LONGEST:,} bars", place=name, value=value)


def _window(value: int) -> None:
    if not 2 <= value <= _LONGEST:
        raise ConfigError(f"a window must be in [2, {_LONGEST:,}] bars", place="window", value=value)


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} must be one of {', '.join(known)}", place=name, value=value)


def _classes(classes: tuple[str, ...], counts: tuple[int, ...]) -> None:
    """Check the classes; no counts: at least two."""
    words = " or ".join(("two", "three")[n - 2] for n in counts) if counts else "at least two"
    fits = len(classes) in counts if counts else len(classes) >= 2
    if not fits or len(set(classes)) != len(classes) or not all(classes):
        raise ConfigError(f"{words} different classes are needed", place="classes", value=classes)
