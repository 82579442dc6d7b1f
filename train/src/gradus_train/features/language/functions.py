"""The functions of the language: their parameters, and what each means in nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gradus_train.features.language.builder import Builder
from gradus_train.features.language.nodes import Node
from gradus_train.features.language.units import NUMBER

__all__ = ["FUNCTIONS", "NO_FINITE_HISTORY", "Function", "signature"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of values.

    Attributes:
        parameters: Their names in order. `x`, `y`, `low`, `high`, `otherwise` are values, `condition` is a
            comparison; `bars`, `window`, `period` are whole numbers.
        least: The fewest `bars` that make sense.
        meaning: In words, for the reference and for errors.
        build: Makes the node, from the values and the whole numbers.
    """

    parameters: tuple[str, ...]
    meaning: str
    build: Callable[[Builder, Sequence[Node], Sequence[int]], Node]
    least: int = 1


def signature(name: str) -> str:
    """How a function is called: "ema(x, bars, window)"."""
    special = {"resample": ("length", "x"), "daily": ("x",)}
    parameters = special[name] if name in special else FUNCTIONS[name].parameters
    return f"{name}({', '.join(parameters)})"


def _deviation(below: int) -> Callable[[Builder, Sequence[Node], Sequence[int]], Node]:
    def build(b: Builder, x: Sequence[Node], n: Sequence[int]) -> Node:
        return b.window("deviation", x, n[0], x[0].unit.at(0.0), n[0] - below)

    return build


def _mean(b: Builder, x: Sequence[Node], n: Sequence[int]) -> Node:
    return b.arithmetic("Add", x[0], b.window("mean_offset", x, n[0], x[0].unit.at(0.0)))


def _sign(b: Builder, x: Sequence[Node], n: Sequence[int]) -> Node:
    value, zero = b.number(x[0]), b.constant(0.0)
    above = b.make("Greater", (value, zero), flag=True)
    below = b.make("Less", (value, zero), flag=True)
    return b.arithmetic("Sub", above, below)


def _clip(b: Builder, x: Sequence[Node], n: Sequence[int]) -> Node:
    return b.settled(b.arithmetic("Min", b.arithmetic("Max", x[0], x[1]), x[2]), *x)


def _where(b: Builder, x: Sequence[Node], n: Sequence[int]) -> Node:
    yes, no = b.number(x[1]), b.number(x[2])
    unit = yes.unit.joined(no.unit).at(min(yes.unit.level, no.unit.level))
    return b.make("Where", (x[0], yes, no), unit=unit)


FUNCTIONS: Mapping[str, Function] = {
    "lag": Function(("x", "bars"), "x that many bars earlier", lambda b, x, n: b.lag(b.number(x[0]), n[0])),
    "delta": Function(
        ("x", "bars"),
        "x minus x that many bars earlier",
        lambda b, x, n: b.arithmetic("Sub", x[0], b.lag(b.number(x[0]), n[0])),
    ),
    "sum": Function(("x", "bars"), "sum of the last bars", lambda b, x, n: b.by_doubling("Add", x[0], n[0])),
    "max": Function(
        ("x", "bars"), "largest of the last bars", lambda b, x, n: b.by_doubling("Max", x[0], n[0])
    ),
    "min": Function(
        ("x", "bars"), "smallest of the last bars", lambda b, x, n: b.by_doubling("Min", x[0], n[0])
    ),
    "mean": Function(("x", "bars"), "mean of the last bars; exactly x where they are equal", _mean, 2),
    "mean_offset": Function(
        ("x", "bars"),
        "mean of the last bars minus x; exactly 0 where they are equal",
        lambda b, x, n: b.window("mean_offset", x, n[0], x[0].unit.at(0.0)),
        2,
    ),
    "std": Function(("x", "bars"), "sample standard deviation; exactly 0 where flat", _deviation(1), 2),
    "population_std": Function(("x", "bars"), "population standard deviation", _deviation(0), 2),
    "mean_deviation": Function(
        ("x", "bars"),
        "mean of the distances from the mean of the last bars",
        lambda b, x, n: b.window("mean_deviation", x, n[0], x[0].unit.at(0.0)),
        2,
    ),
    "ema": Function(
        ("x", "bars", "window"),
        "exponential mean, each bar before weighing 1 - 2 / (bars + 1) times as much, over `window` bars",
        lambda b, x, n: b.smooth(x[0], (n[0] - 1, n[0] + 1), n[0], n[1]),
        2,
    ),
    "wilder": Function(
        ("x", "bars", "window"),
        "Wilder's mean, each bar before weighing 1 - 1 / bars times as much, over `window` bars",
        lambda b, x, n: b.smooth(x[0], (n[0] - 1, n[0]), n[0], n[1]),
        2,
    ),
    "rank_correlation": Function(
        ("x", "bars"),
        "Spearman correlation of x with time; 0 where all values are equal",
        lambda b, x, n: b.window("rank_correlation", x, n[0], NUMBER),
        2,
    ),
    "correlation": Function(
        ("x", "y", "bars"),
        "Pearson correlation of x and y; unavailable where one of them never moves",
        lambda b, x, n: b.window("correlation", x, n[0], NUMBER),
        2,
    ),
    "where": Function(("condition", "x", "otherwise"), "x where the condition holds, else otherwise", _where),
    "larger": Function(("x", "y"), "the larger of two values", lambda b, x, n: b.larger(x[0], x[1])),
    "smaller": Function(("x", "y"), "the smaller of two values", lambda b, x, n: b.smaller(x[0], x[1])),
    "clip": Function(("x", "low", "high"), "x, but at least low and at most high", _clip),
    "abs": Function(
        ("x",), "distance from 0", lambda b, x, n: b.make("Abs", (b.number(x[0]),), unit=x[0].unit)
    ),
    "sign": Function(("x",), "1 above 0, -1 below, else 0", _sign),
    "sqrt": Function(
        ("x",), "square root", lambda b, x, n: b.make("Sqrt", (b.number(x[0]),), unit=x[0].unit.root())
    ),
    "log": Function(
        ("x",),
        "natural logarithm, from a table and a polynomial; unavailable where x is not above 0",
        lambda b, x, n: b.make("log", (b.number(x[0]),), unit=x[0].unit.logarithm()),
    ),
    "sine": Function(
        ("x", "period"),
        "sine of a calendar field as an angle; one turn is period",
        lambda b, x, n: b.make("table", x, ("sine", n[0])),
        2,
    ),
    "cosine": Function(
        ("x", "period"),
        "cosine of a calendar field as an angle; one turn is period",
        lambda b, x, n: b.make("table", x, ("cosine", n[0])),
        2,
    ),
}

NO_FINITE_HISTORY: Mapping[str, str] = {
    "obv": "Use sum(sign(delta(close, 1)) * volume, 50), the volume by direction over 50 bars.",
    "cumsum": "Use sum(x, bars).",
    "cumulative": "Use sum(x, bars).",
    "cumprod": "Use sum(log(x), bars).",
    "cummax": "Use max(x, bars).",
    "cummin": "Use min(x, bars).",
    "ad": "Use sum(((close - low) - (high - close)) / (high - low) * volume, bars).",
    "adl": "Use sum(((close - low) - (high - close)) / (high - low) * volume, bars).",
    "pvt": "Use sum(delta(close, 1) / lag(close, 1) * volume, bars).",
    "nvi": "Use sum() over a stated number of bars.",
    "pvi": "Use sum() over a stated number of bars.",
    "sar": "Its state goes back to the first bar; use max(high, bars) and min(low, bars).",
    "psar": "Its state goes back to the first bar; use max(high, bars) and min(low, bars).",
    "supertrend": "Its state goes back to the first bar; use mean((high + low) / 2, bars) and wilder().",
    "expanding": "Use a window of a stated number of bars.",
    "kama": "Its weights depend on all bars before; use ema(x, bars, window).",
}
"""What is computed from all bars since the first, with what can be said instead."""
