"""Makes nodes, each once: equal sub-expressions are one node, constants are folded, lags are joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gradus_train.features.language.nodes import (
    BARS,
    BarClock,
    Clock,
    Domain,
    Longer,
    Node,
    RowsNeeded,
    Value,
)
from gradus_train.features.language.units import LITERAL, NUMBER, Unit

__all__ = ["Builder", "LongHistoryError", "MixedDomainsError", "OpenWeek"]

_FOLDED: Mapping[str, Callable[[float, float], float]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b if b else math.nan,
    "Max": max,
    "Min": min,
}
_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_MOST_BARS = 1_000_000
_PRICES = ("open", "high", "low", "close")


class LongHistoryError(Exception):
    """Closing hours leave too few complete longer bars; whoever knows the place makes a ConfigError of it."""


class MixedDomainsError(Exception):
    """Two values on rows of different kinds meet; whoever knows the place turns it into a ConfigError."""


@dataclass(frozen=True, slots=True)
class OpenWeek:
    """A week of the market: how many bars it has, and how often it closes in it."""

    bars: int
    closings: int


class Builder:
    """The nodes of a program, in the order of making: arguments come before what uses them."""

    def __init__(self, bar_ms: int, week: OpenWeek | None = None) -> None:
        self.bar_ms = bar_ms
        self._week = week or OpenWeek(_WEEK_MS // bar_ms, 0)
        self.nodes: list[Node] = []
        self._shared: dict[tuple[object, ...], Node] = {}

    def make(
        self,
        op: str,
        args: Sequence[Node] = (),
        parameters: tuple[Value, ...] = (),
        *,
        domain: Domain | None = None,
        flag: bool = False,
        unit: Unit = NUMBER,
        needs: Mapping[Clock, RowsNeeded] | None = None,
        history: int | None = None,
        dates: int | None = None,
        source: str | None = None,
    ) -> Node:
        """Return the node, which may exist already.

        Args:
            op: See `Node`; also for the others.
            args: Its arguments.
            parameters: Its parameters.
            domain: By default that of the arguments.
            flag: Whether it is a truth value.
            unit: Of its values.
            needs: By default what the arguments need together.
            history: By default the longest of the arguments.
            dates: By default the most of the arguments.
            source: The input that it reads.

        Raises:
            MixedDomainsError: The arguments live on rows of different kinds.
        """
        if domain is None:
            domain = common_domain(args)
        key = (op, tuple(a.number for a in args), parameters, domain)
        if key not in self._shared:
            sources = frozenset() if source is None else frozenset({source})
            node = Node(
                op=op,
                args=tuple(args),
                parameters=parameters,
                domain=domain,
                flag=flag,
                unit=unit,
                needs=joined_needs(args) if needs is None else needs,
                history=max((a.history for a in args), default=1) if history is None else history,
                dates=max((a.dates for a in args), default=0) if dates is None else dates,
                sources=sources.union(*(a.sources for a in args)),
                depth=max((a.depth for a in args), default=0) + (op == "smooth"),
                number=len(self.nodes),
            )
            self.nodes.append(node)
            self._shared[key] = node
        return self._shared[key]

    def constant(self, value: float) -> Node:
        """A literal."""
        return self.make("const", parameters=(float(value),), unit=LITERAL)

    def number(self, node: Node) -> Node:
        """The node as a number: a truth value is 1 or 0."""
        return self.make("Cast", (node,)) if node.flag else node

    def arithmetic(self, op: str, a: Node, b: Node) -> Node:
        """Add, Sub, Mul, Div, Max or Min of two values."""
        a, b = self.number(a), self.number(b)
        if a.op == b.op == "const":
            value = _FOLDED[op](float(a.parameters[0]), float(b.parameters[0]))
            if math.isfinite(value):
                return self.constant(value)
        unit = {"Mul": a.unit * b.unit, "Div": a.unit / b.unit}.get(op, a.unit.joined(b.unit))
        return self.make(op, (a, b), unit=unit.at(_level(op, a, b)))

    def negated(self, x: Node) -> Node:
        """-x."""
        if x.op == "const":
            return self.constant(-float(x.parameters[0]))
        return self.make("Neg", (self.number(x),), unit=x.unit.at(-x.unit.level))

    def larger(self, a: Node, b: Node) -> Node:
        """The larger of two values."""
        return self.settled(self.arithmetic("Max", a, b), a, b)

    def smaller(self, a: Node, b: Node) -> Node:
        """The smaller of two values."""
        return self.settled(self.arithmetic("Min", a, b), a, b)

    def settled(self, x: Node, *inputs: Node) -> Node:
        """Make a zero of Max or Min +0: which one they answer for +0 and -0 is open. Prices are not 0."""
        prices = all(i.op == "column" and i.parameters[0] in _PRICES for i in inputs)
        return x if x.op == "const" or prices else self.make("Add", (x, self.constant(0.0)), unit=x.unit)

    def lag(self, x: Node, rows: int) -> Node:
        """The value so many rows before."""
        if rows == 0 or x.op == "const":
            return x
        needs = {clock: need.further(rows) for clock, need in x.needs.items()}
        total, base = (rows + int(x.parameters[0]), x.args) if x.op == "lag" else (rows, (x,))
        return self.make(
            "lag",
            base,
            (total,),
            flag=x.flag,
            unit=x.unit,
            needs=needs,
            history=x.history + rows,
            dates=self.dates_before(x, rows),
        )

    def window(self, op: str, xs: Sequence[Node], rows: int, unit: Unit, *parameters: Value) -> Node:
        """A function of the last `rows` values of each argument."""
        xs = [self.number(x) for x in xs]
        needs = {clock: need.further(rows - 1) for clock, need in joined_needs(xs).items()}
        return self.make(
            op,
            xs,
            (rows, *parameters),
            unit=unit,
            needs=needs,
            history=max(x.history for x in xs) + rows - 1,
            dates=max(self.dates_before(x, rows - 1) for x in xs),
        )

    def by_doubling(self, op: str, x: Node, rows: int) -> Node:
        """Add, Max or Min over the last `rows` values, in one order: from windows of 1, 2, 4, ... values."""
        x = self.number(x)
        powers, k = {1: x}, 1
        while 2 * k <= rows:
            powers[2 * k] = self.arithmetic(op, powers[k], self.lag(powers[k], k))
            k *= 2
        result, have = powers[k], k
        if op != "Add" and k < rows:  # the two windows may overlap
            result, have = self.arithmetic(op, result, self.lag(powers[k], rows - k)), rows
        while have < rows:
            while have + k > rows:
                k //= 2
            result = self.arithmetic(op, result, self.lag(powers[k], have))
            have += k
        return result if op == "Add" else self.settled(result, x)

    def smooth(self, x: Node, decay: tuple[int, int], rows: int, window: int) -> Node:
        """The mean of the last `window` values, each row before weighing `decay` (a fraction) times as much.

        Where the start of the segment is seen, it is there from `rows` values on, its weights normalised over
        the rows since then. Over values of another domain it needs its whole window.
        """
        x = self.number(x)
        normalised = all(isinstance(clock, BarClock | Longer) for clock in x.needs)
        first = rows - 1 if normalised else window - 1
        needs = {
            clock: need.further(first, window - 1)
            if normalised
            else RowsNeeded(*[need.full + window - 1] * 2)
            for clock, need in x.needs.items()
        }
        return self.make(
            "smooth",
            (x,),
            (*decay, window),
            unit=x.unit,
            needs=needs,
            history=x.history + window - 1,
            dates=self.dates_before(x, window - 1),
        )

    def dates_before(self, x: Node, rows: int) -> int:
        """Known dates that x depends on where it is asked for so many rows back."""
        if x.dates == 0 or x.domain != BARS:
            return x.dates
        days = -(-rows * self.bar_ms // _DAY_MS)
        if self._week.closings:
            days = 7 * (rows // self._week.bars + 2)
        return x.dates + days

    def bars_of(self, longer: Longer, rows: int) -> int:
        """Bars of a tail that holds so many complete longer bars, wherever it ends.

        A closing interrupts two longer bars at most, of which no bar counts.
        """
        size = longer.ms // self.bar_ms
        least = bars = size * rows + size - 1
        while True:
            closings = (bars // self._week.bars + 1) * self._week.closings
            needed = least + closings * 2 * (size - 1)
            if needed <= bars:
                return bars
            bars = needed
            if bars > _MOST_BARS:
                raise LongHistoryError


def joined_needs(args: Sequence[Node]) -> dict[Clock, RowsNeeded]:
    """What all of these nodes need together."""
    needs: dict[Clock, RowsNeeded] = {}
    for node in args:
        for clock, need in node.needs.items():
            needs[clock] = need.joined(needs.get(clock, need))
    return needs


def common_domain(args: Sequence[Node]) -> Domain | None:
    """The rows that these nodes live on; None where all are constants.

    Raises:
        MixedDomainsError: They live on rows of different kinds.
    """
    domains = [a.domain for a in args if a.domain is not None]
    if any(d != domains[0] for d in domains):
        raise MixedDomainsError
    return domains[0] if domains else None


def _level(op: str, a: Node, b: Node) -> float:
    """How many times the column itself is in the result of an operator."""
    one, other = (float(x.parameters[0]) if x.op == "const" else x.unit.level for x in (a, b))
    if op in ("Mul", "Div"):
        by = other if op == "Mul" else 1 / other if other else 0.0
        return one * by
    one, other = (0.0 if x.op == "const" else x.unit.level for x in (a, b))
    return {"Add": one + other, "Sub": one - other}.get(op, min(one, other))
