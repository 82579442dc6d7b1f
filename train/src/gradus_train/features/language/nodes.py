"""The nodes that expressions mean: shared sub-expressions with type, unit, history and availability.

A node lives in a domain, that is on rows of one kind: the bars, the complete bars of a longer length, or the
dates on which some daily series are all known. What it needs is stated by clock: a domain's rows since the
start of a segment, or the bars since a value of another domain was last unavailable. It is available where
every clock has run `first` rows, and either `full` rows or since a start that is in sight.

In windows of fixed length both numbers are equal. They differ in smoothing alone, whose weights are
normalised over the rows since the start where that is seen. So a tail that is too short says "unavailable"
where it would otherwise give another value than the whole history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_train.features.language.units import Unit

__all__ = ["BARS", "BarClock", "Clock", "Dates", "Domain", "Longer", "Node", "RowsNeeded", "Since", "Value"]


@dataclass(frozen=True, slots=True)
class BarClock:
    """The bars of the history."""


@dataclass(frozen=True, slots=True)
class Longer:
    """The complete bars of a longer length, aligned to UTC."""

    ms: int


@dataclass(frozen=True, slots=True)
class Dates:
    """The dates on which all of these daily series are known; `close` is the close of a date's last bar."""

    series: tuple[str, ...]


Domain = BarClock | Longer | Dates
BARS = BarClock()


@dataclass(frozen=True, slots=True)
class RowsNeeded:
    """Rows since the start of a segment: fewest, and from which on the start need not be seen."""

    first: int
    full: int

    def further(self, first: int, full: int | None = None) -> RowsNeeded:
        """So many rows more."""
        return RowsNeeded(self.first + first, self.full + (first if full is None else full))

    def joined(self, other: RowsNeeded) -> RowsNeeded:
        """What satisfies both."""
        return RowsNeeded(max(self.first, other.first), max(self.full, other.full))


Value = float | int | str
"""A parameter of a node."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A shared sub-expression.

    Attributes:
        op: An elementwise operator of ONNX by its name (Add, Where, ...), or one of `const`, `column`,
            `calendar`, `lag`, `table`, `log`, `mean_offset`, `deviation`, `mean_deviation`,
            `rank_correlation`, `correlation`, `smooth`, `at_end` (a value on bars, at the end of each longer
            bar), `from_longer`, `from_dates` (the value of another domain as of each bar).
        args: The nodes that it is computed from.
        parameters: What else it depends on.
        domain: Its rows; None for a constant.
        flag: True where its values are truth values, not numbers.
        unit: Of its values.
        needs: By clock, the rows that it needs; what is not named needs nothing.
        history: Rows of its own domain that its value depends on, its own included.
        dates: Known dates that its value depends on; 0 where it needs no daily series.
        sources: Names of the inputs that it depends on.
        depth: How many smoothings lie on the longest way down from it.
        number: Its place in the order of making.
    """

    op: str
    args: tuple[Node, ...]
    parameters: tuple[Value, ...]
    domain: Domain | None
    flag: bool
    unit: Unit
    needs: Mapping[Clock, RowsNeeded]
    history: int
    dates: int
    sources: frozenset[str]
    depth: int
    number: int


@dataclass(frozen=True, slots=True)
class Since:
    """The bars since a value of another domain was last unavailable."""

    node: Node


Clock = Domain | Since
