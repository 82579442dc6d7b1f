"""From named expressions to one graph of shared nodes: names are resolved, types checked, places kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from gradus_runtime.candles import COLUMNS
from gradus_runtime.errors import ConfigError
from gradus_runtime.wording import counted
from gradus_train.features.language.builder import Builder, LongHistoryError, MixedDomainsError, OpenWeek
from gradus_train.features.language.functions import FUNCTIONS, NO_FINITE_HISTORY, signature
from gradus_train.features.language.nodes import (
    BARS,
    BarClock,
    Clock,
    Dates,
    Domain,
    Longer,
    Node,
    RowsNeeded,
    Since,
)
from gradus_train.features.language.parser import MAX_DEPTH, parse
from gradus_train.features.language.source_text import Source
from gradus_train.features.language.syntax import Call, Name, Number, Operation, Syntax, Text
from gradus_train.features.language.units import Unit

__all__ = ["CALENDAR", "Program"]

CALENDAR: Mapping[str, int] = {"hour": 23, "minute": 59, "day_of_week": 6, "month": 12}
"""Calendar fields of a bar's open in the market's zone, with their largest value."""
_DAY_MS = 86_400_000
_LENGTHS = {"m": 60_000, "h": 3_600_000, "d": _DAY_MS}
_ARITHMETIC = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}
_COMPARISON = {"<": "Less", "<=": "LessOrEqual", ">": "Greater", ">=": "GreaterOrEqual", "==": "Equal"}
_DEEPEST = 3 * MAX_DEPTH
_LONGEST = 20_000


class Program:
    """Expressions by name, and the nodes that they mean.

    Args:
        expressions: Features and terms, by name. Each may use the others, in any order, but not itself.
        bar_ms: Length of a bar; it divides a day.
        daily: Names of the daily series.
        week: Of a market with closing hours; None where it never closes.
        place: The file that they stand in, as errors show it.
    """

    def __init__(
        self,
        expressions: Mapping[str, str],
        *,
        bar_ms: int,
        daily: Sequence[str] = (),
        week: OpenWeek | None = None,
        place: str = "features",
    ) -> None:
        self.builder = Builder(bar_ms, week)
        self._sources = {name: Source(f"{place}: {name}", text) for name, text in expressions.items()}
        self._trees: dict[str, Syntax] = {}
        self._daily = tuple(daily)
        self._done: dict[tuple[str, Domain], Node] = {}
        self._open: list[str] = []
        self._depth = 0

    def node(self, name: str) -> Node:
        """Return the node of a feature or a term, as a number on bars.

        Raises:
            ConfigError: The expression, or one that it uses, breaks a rule; the message names the place.
        """
        node = self._defined(name, BARS)
        if node.domain is None:
            raise ConfigError(
                "a feature must depend on the bar",
                place=self._sources[name].name,
                value=self._sources[name].text,
            )
        return node

    def check(self, name: str) -> None:
        """Check a term on bars, unless it was used in another place.

        Raises:
            ConfigError: It breaks a rule.
        """
        if all(name != done for done, _ in self._done):
            self._defined(name, BARS)

    def _defined(self, name: str, domain: Domain) -> Node:
        key = (name, domain)
        if key in self._done:
            return self._done[key]
        source = self._sources[name]
        if name in self._open:
            raise ConfigError(
                "an expression must not use itself",
                place=source.name,
                value=" -> ".join([*self._open[self._open.index(name) :], name]),
            )
        self._open.append(name)
        node = self.builder.number(self._value(self._tree(name), domain, source))
        self._open.pop()
        self._done[key] = node
        return node

    def _tree(self, name: str) -> Syntax:
        if name not in self._trees:
            self._trees[name] = parse(self._sources[name])
        return self._trees[name]

    # Each of these takes the syntax, the rows that it is asked for on, and where it stands.

    def _value(self, tree: Syntax, domain: Domain, source: Source) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise source.error(
                f"an expression must nest at most {_DEEPEST} deep", tree.span, "Name a part of it: terms."
            )
        try:
            return self._of_kind(tree, domain, source)
        except MixedDomainsError:
            raise source.error(
                "values of bars, of longer bars and of dates must not be mixed",
                tree.span,
                'Bring each to the bars first: resample("4h", x), daily(x).',
            ) from None
        finally:
            self._depth -= 1

    def _of_kind(self, tree: Syntax, domain: Domain, source: Source) -> Node:
        match tree:
            case Number():
                return self.builder.constant(tree.value)
            case Name():
                return self._name(tree, domain, source)
            case Operation():
                return self._operation(tree, domain, source)
            case Call():
                return self._call(tree, domain, source)
            case Text():
                raise source.error("a value must be a number", tree.span)

    def _number(self, tree: Syntax, domain: Domain, source: Source) -> Node:
        return self.builder.number(self._value(tree, domain, source))

    def _flag(self, tree: Syntax, domain: Domain, source: Source) -> Node:
        node = self._value(tree, domain, source)
        if not node.flag:
            raise source.error("a comparison was expected", tree.span, "For example: x > 0.")
        return node

    def _operation(self, tree: Operation, domain: Domain, source: Source) -> Node:
        make, operator = self.builder.make, tree.operator
        if operator in ("and", "or", "not"):
            flags = [self._flag(t, domain, source) for t in tree.operands]
            return make(operator.capitalize(), flags, flag=True)
        values = [self._number(t, domain, source) for t in tree.operands]
        if len(values) == 1:
            return self.builder.negated(values[0])
        if operator in _ARITHMETIC:
            return self.builder.arithmetic(_ARITHMETIC[operator], values[0], values[1])
        if operator == "!=":
            return make("Not", (make("Equal", values, flag=True),), flag=True)
        return make(_COMPARISON[operator], values, flag=True)

    # Names

    def _name(self, tree: Name, domain: Domain, source: Source) -> Node:
        name = tree.value
        match domain:
            case BarClock() if name in COLUMNS:
                return self._column(name, domain)
            case BarClock() if name in CALENDAR:
                return self.builder.make(
                    "calendar", (), (name,), domain=BARS, needs={BARS: RowsNeeded(1, 1)}, source="calendar"
                )
            case Longer() if name in COLUMNS:
                return self._longer_column(name, domain)
            case Dates() if name == "close" or name in self._daily:
                return self._column(name, domain)
        if name in self._sources and name not in COLUMNS and name not in CALENDAR:
            return self._defined(name, domain)
        raise source.error(f"a name must be known {_inside(domain)}", tree.span, self._known(name, domain))

    def _column(self, name: str, domain: Domain) -> Node:
        unit = Unit.base("volume" if name == "volume" else "price" if name in COLUMNS else name)
        needs: dict[Clock, RowsNeeded] = {domain: RowsNeeded(1, 1)}
        return self.builder.make("column", (), (name,), domain=domain, unit=unit, needs=needs, source=name)

    def _longer_column(self, name: str, domain: Longer) -> Node:
        """A column of the longer bars, from the bars that each consists of."""
        b, column = self.builder, self._column(name, BARS)
        rows = domain.ms // b.bar_ms
        if name == "open":
            column = b.lag(column, rows - 1)
        elif name != "close":
            op = {"high": "Max", "low": "Min", "volume": "Add"}[name]
            column = b.by_doubling(op, column, rows)
        return b.make(
            "at_end",
            (column,),
            domain=domain,
            unit=column.unit,
            needs={domain: RowsNeeded(1, 1)},
            history=1,
        )

    def _known(self, name: str, domain: Domain) -> str:
        match domain:
            case BarClock():
                inputs = [*COLUMNS, *CALENDAR]
            case Longer():
                inputs = [*COLUMNS]
            case Dates():
                inputs = ["close", *self._daily]
        if isinstance(domain, BarClock) and name in self._daily:
            return f"A daily series is used as daily({name})."
        near = get_close_matches(name, [*dict.fromkeys([*inputs, *self._sources])], 3)
        near = [n for n in near if n != name]
        return f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(inputs)}."

    # Functions

    def _call(self, tree: Call, domain: Domain, source: Source) -> Node:
        name = tree.function
        if name in ("resample", "daily"):
            if domain != BARS:
                raise source.error(f"{name}() must not stand inside of resample() or daily()", tree.span)
            self._check_count(tree, source)
            return (self._resample if name == "resample" else self._as_of)(tree, source)
        if name in NO_FINITE_HISTORY:
            raise source.error(
                f"{name} has no finite history: it depends on every bar since the first",
                tree.span,
                NO_FINITE_HISTORY[name],
            )
        if name not in FUNCTIONS:
            near = get_close_matches(name, [*FUNCTIONS, "resample", "daily"], 3)
            known = near or sorted([*FUNCTIONS, "resample", "daily"])
            raise source.error("a function must be known", tree.span, f"Known: {', '.join(known)}.")
        self._check_count(tree, source)
        function = FUNCTIONS[name]
        values: list[Node] = []
        numbers: list[int] = []
        for parameter, argument in zip(function.parameters, tree.arguments, strict=True):
            if parameter in ("bars", "window", "period"):
                least = function.least if parameter != "window" else numbers[0]
                numbers.append(_whole(argument, least, parameter, source))
            elif parameter == "condition":
                values.append(self._flag(argument, domain, source))
            else:
                values.append(self._number(argument, domain, source))
        if "period" in function.parameters:
            _check_angle(values[0], numbers[0], tree, source)
        return function.build(self.builder, values, numbers)

    def _check_count(self, tree: Call, source: Source) -> None:
        form = signature(tree.function)
        count = form.count(",") + 1
        if len(tree.arguments) != count:
            hint = None
            if form.endswith("window)") and len(tree.arguments) == count - 1:
                hint = "`window` says over how many bars the smoothing runs, for example 640."
            raise source.error(f"{form} takes {counted(count, 'argument')}", tree.span, hint)

    def _resample(self, tree: Call, source: Source) -> Node:
        length, bar_ms = tree.arguments[0], self.builder.bar_ms
        ms = _length_ms(length.value) if isinstance(length, Text) else 0
        if ms < bar_ms or ms % bar_ms or _DAY_MS % ms:
            raise source.error(
                f"a length was expected: a multiple of {counted(bar_ms // 60_000, 'minute')} "
                "that divides a day",
                length.span,
                'For example: "4h".',
            )
        if ms == bar_ms:
            return self._number(tree.arguments[1], BARS, source)
        inner = self._number(tree.arguments[1], Longer(ms), source)
        if inner.domain is None:
            return inner
        try:
            history = self.builder.bars_of(Longer(ms), inner.history)
        except LongHistoryError:
            rule = "the market's closing hours must leave enough complete longer bars"
            raise source.error(rule, tree.span, "Use a shorter length.") from None
        return self.builder.make(
            "from_longer",
            (inner,),
            domain=BARS,
            unit=inner.unit,
            needs={Since(inner): RowsNeeded(1, 1)},
            history=history,
        )

    def _as_of(self, tree: Call, source: Source) -> Node:
        series = self._series(tree.arguments[0], set())
        inner = self._number(tree.arguments[0], Dates(tuple(sorted(series))), source)
        if not series:
            raise source.error(
                "a daily series was expected inside of daily()", tree.span, self._known("", Dates(()))
            )
        return self.builder.make(
            "from_dates",
            (inner,),
            domain=BARS,
            unit=inner.unit,
            needs={Since(inner): RowsNeeded(1, 1)},
            history=1,
            dates=inner.history,
        )

    def _series(self, tree: Syntax, seen: set[str]) -> set[str]:
        """The daily series that an expression names, through the terms that it uses."""
        match tree:
            case Name(value=name):
                if name == "close" or name in self._daily:
                    return {name}
                if name in self._sources and name not in seen:
                    return self._series(self._tree(name), seen | {name})
                return set()
            case Operation(operands=parts) | Call(arguments=parts):
                return {name for part in parts for name in self._series(part, seen)}
        return set()


def _inside(domain: Domain) -> str:
    match domain:
        case BarClock():
            return "on bars"
        case Longer():
            return "inside of resample()"
        case Dates():
            return "inside of daily()"


def _length_ms(text: str) -> int:
    """Milliseconds of a text such as "4h"; 0 where it is none."""
    count, unit = text[:-1], text[-1:]
    return int(count) * _LENGTHS[unit] if re.fullmatch("[0-9]{1,5}", count) and unit in _LENGTHS else 0


def _whole(tree: Syntax, least: int, parameter: str, source: Source) -> int:
    if not isinstance(tree, Number) or not tree.whole or tree.value < least:
        raise source.error(f"{parameter} must be a whole number of {least} or more", tree.span)
    if tree.value > _LONGEST:
        raise source.error(f"{parameter} must be at most {_LONGEST:,}", tree.span)
    return int(tree.value)


def _check_angle(x: Node, period: int, tree: Call, source: Source) -> None:
    if x.op != "calendar":
        raise source.error(f"{tree.function}() takes a calendar field: {', '.join(CALENDAR)}", tree.span)
    if CALENDAR[str(x.parameters[0])] > period:
        raise source.error("a period must not be below the largest value of the field", tree.span)
