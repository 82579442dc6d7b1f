"""The figures of a walk's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from matplotlib.axes import Axes

from gradus_runtime.wording import counted
from gradus_train.report.drawing import COLOURS, INK, MUTED, SOFT, canvas, to_svg
from gradus_train.walk.result import WalkResult, WeekResult

__all__ = [
    "LEVEL_COLOURS",
    "EquityLines",
    "equity_lines",
    "levels_chart",
    "money_chart",
    "walk_equity_chart",
    "weeks_chart",
]

LEVEL_COLOURS = (1, 4, 3, 5, 0)
"""Colours of levels in order; the fallback is grey."""
_FALLBACK = 2


@dataclass(frozen=True, slots=True)
class EquityLines:
    """What the equity chart draws.

    Attributes:
        lines: Name, number of the colour, width, values in percent; drawn in this order.
        covered: Lines that are left out, each with the one that has the same values and is drawn over it.
        low: Lower edge of the area of random calls by week, percent; None where the area has no width.
        high: Upper edge.
    """

    lines: tuple[tuple[str, int, float, list[float]], ...]
    covered: tuple[tuple[str, str], ...]
    low: list[float] | None
    high: list[float] | None


def equity_lines(result: WalkResult) -> EquityLines:
    """Return the lines of a walk's equity; the walk's own is the last, over the others."""
    beside = "direction" if result.require == "integrity" else "integrity"
    lines = [("buy and hold", _FALLBACK, 1.2, _sums([w.hold for w in result.weeks]))]
    for colour, name, others in (
        (0, "trained once", "never"),
        (5, "monthly training", "monthly"),
        (3, f"pinned by {beside}", beside),
    ):
        lines.append((name, colour, 1.1, _sums([w.others[others].days for w in result.weeks])))
    lines.append(("this walk", 1, 2.4, _sums([w.money.days for w in result.weeks])))
    drawn, covered = [], []
    for i, line in enumerate(lines):
        over = next((name for name, _, _, values in reversed(lines[i + 1 :]) if values == line[3]), None)
        if over is None:
            drawn.append(line)
        else:
            covered.append((line[0], over))
    low, high = (
        [0.0, *(100 * np.cumsum([np.quantile(w.random, q) for w in result.weeks])).tolist()]
        for q in (0.05, 0.95)
    )
    area = (None, None) if low == high else (low, high)
    return EquityLines(tuple(drawn), tuple(covered), *area)


def walk_equity_chart(result: WalkResult) -> str:
    """Net log return so far, day by day: the walk, other procedures, holding the market."""
    first = date.fromisoformat(result.first)
    days = [first + timedelta(days=i) for i in range(7 * len(result.weeks) + 1)]
    found = equity_lines(result)
    with canvas(9.2, 3.4) as axes:
        axes.grid(axis="y", linewidth=0.6)
        axes.set_axisbelow(True)
        if found.low is not None and found.high is not None:
            weekly = [7 * i for i in range(len(result.weeks) + 1)]
            axes.fill_between(weekly, found.low, found.high, color=SOFT, label="random calls", zorder=0)
        axes.axhline(0.0, color=MUTED, linewidth=1)
        for name, colour, width, values in found.lines:
            axes.plot(range(len(days)), values, color=COLOURS[colour], linewidth=width, label=name)
        held = _sums([w.hold for w in result.weeks])
        mine = found.lines[-1][3]
        shown = [*mine, *held, *(found.low or ()), *(found.high or ())]
        room = 0.05 * (max(shown) - min(shown)) or 1.0
        axes.set_ylim(min(shown) - room, max(shown) + room)
        ticks = list(range(0, len(days), max(7, len(days) // 7 // 7 * 7)))
        axes.set_xticks(ticks, [days[i].isoformat() for i in ticks])
        axes.set_xlim(0, len(days) - 1)
        axes.set_title("net log return so far, percent", color=MUTED, fontsize=9)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=6, handlelength=1.4)
        text = f"Net log return so far: this walk {mine[-1]:+.1f} %, buy and hold {held[-1]:+.1f} %."
        return to_svg(axes, "equity", text)


def weeks_chart(result: WalkResult) -> str:
    """Net of each week; hollow where a refused version left the one before in place."""
    with canvas(9.2, 2.5) as axes:
        values = [100 * w.money.net for w in result.weeks]
        colours = [COLOURS[1] if v >= 0 else COLOURS[0] for v in values]
        bars = axes.bar(range(len(values)), values, 0.7, color=colours)
        for bar, week, colour in zip(bars, result.weeks, colours, strict=True):
            if not week.version.may_serve(result.require):
                bar.set(facecolor="none", edgecolor=colour, linewidth=1.2)
        axes.axhline(0.0, color=INK, linewidth=0.8)
        _weeks(axes, result.weeks)
        title = "net a week, percent"
        if not all(week.version.may_serve(result.require) for week in result.weeks):
            title += " (hollow: its own version was refused, the one before served)"
        axes.set_title(title, color=MUTED, fontsize=9)
        said = ", ".join(f"{w.name} {v:+.1f} %" for w, v in zip(result.weeks, values, strict=True))
        return to_svg(axes, "weeks", f"Net by week: {said}.")


def money_chart(result: WalkResult) -> str:
    """Gross and costs of each week."""
    with canvas(9.2, 2.5) as axes:
        places = np.arange(len(result.weeks))
        gross = [100 * w.money.gross for w in result.weeks]
        costs = [-100 * w.money.costs for w in result.weeks]
        axes.bar(places - 0.2, gross, 0.38, color=COLOURS[4], label="before costs")
        axes.bar(places + 0.2, costs, 0.38, color=COLOURS[5], label="costs")
        axes.axhline(0.0, color=INK, linewidth=0.8)
        _weeks(axes, result.weeks)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        text = f"Before costs {sum(gross):+.1f} %, costs {sum(costs):+.1f} %, over all weeks."
        return to_svg(axes, "money", text)


def levels_chart(result: WalkResult) -> str:
    """Shares of the bars of each week by the level that served."""
    names = sorted(name for name in result.levels if name != "fallback")
    if any(w.levels.get("fallback") for w in result.weeks):
        names.append("fallback")
    with canvas(9.2, 2.3) as axes:
        bottom = np.zeros(len(result.weeks))
        for i, name in enumerate(names):
            shares = np.array([w.levels.get(name, 0) / max(1, w.bars) for w in result.weeks])
            colour = _FALLBACK if name == "fallback" else LEVEL_COLOURS[i % len(LEVEL_COLOURS)]
            axes.bar(range(len(shares)), shares, 0.9, bottom=bottom, color=COLOURS[colour], label=name)
            bottom += shares
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        _weeks(axes, result.weeks)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0.2)
        said = ", ".join(f"{name} {counted(n, 'bar')}" for name, n in result.levels.items())
        return to_svg(axes, "levels", f"Levels that served: {said}.")


def _sums(weeks: Sequence[tuple[float, ...]]) -> list[float]:
    return [0.0, *(100 * np.cumsum(np.concatenate(weeks))).tolist()]


def _weeks(axes: Axes, weeks: Sequence[WeekResult]) -> None:
    ticks = list(range(0, len(weeks), max(1, -(-len(weeks) // 7))))
    axes.set_xticks(ticks, [weeks[i].name for i in ticks])
    axes.set_xlim(-0.6, len(weeks) - 0.4)
