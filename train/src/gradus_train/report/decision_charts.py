"""The figures that a decision rests on: equity beside chance and the market, and each question by itself."""

from __future__ import annotations

from datetime import date, timedelta

from gradus_runtime.wording import counted
from gradus_train.evaluation.equity import DRAWS, EquityPart
from gradus_train.evaluation.skill import AskedSkill
from gradus_train.report.charts import share_interval
from gradus_train.report.drawing import COLOURS, GRID, MUTED, canvas, to_svg

__all__ = ["equity_chart", "skill_chart"]

_POLICY, _MARKET = 1, 2
_QUESTION = 3
_RANDOM = "random calls, 5 to 95 %"


def equity_chart(part: EquityPart) -> str:
    """Net log return so far, day by day: the policy, random calls of the same number, the market, HOLD."""
    first = date.fromisoformat(part.start)
    places = list(range(len(part.policy)))
    with canvas(9.2, 3.0) as axes:
        axes.grid(axis="y", linewidth=0.6)
        axes.set_axisbelow(True)
        low, high, mine, market = (
            [100 * v for v in values] for values in (part.low, part.high, part.policy, part.market)
        )
        lone = len(places) == 1  # lines and areas of a single day are not seen
        marker = "o" if lone else None
        if part.trades and lone:
            axes.vlines(places, low, high, color=GRID, linewidth=8, label=_RANDOM, zorder=0)
        elif part.trades:
            axes.fill_between(places, low, high, color=GRID, label=_RANDOM, zorder=0)
        axes.axhline(0.0, color=MUTED, linewidth=1, linestyle=(0, (3, 2)), label="HOLD")
        if market:
            axes.plot(
                places, market, color=COLOURS[_MARKET], linewidth=1.2, marker=marker, label="buy and hold"
            )
        axes.plot(
            places, mine, color=COLOURS[_POLICY], linewidth=2.4, marker=marker, label="the policy's calls"
        )
        shown = [0.0, *mine, *market, *(low + high if part.trades else ())]
        room = 0.05 * (max(shown) - min(shown)) or 1.0
        axes.set_ylim(min(shown) - room, max(shown) + room)
        step = max(1, -(-len(places) // 6))
        ticks = places[::step]
        axes.set_xticks(ticks, [(first + timedelta(days=i)).isoformat() for i in ticks])
        axes.set_xlim(-1 if lone else 0, max(1, places[-1]))
        axes.set_title("net log return so far, percent", color=MUTED, fontsize=9)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, handlelength=1.4)
        words = f"Net log return {part.name}: {counted(part.trades, 'trade')} of the policy {mine[-1]:+.1f} %"
        if market:
            words += f", buy and hold {market[-1]:+.1f} %"
        if part.trades:
            words += f", nine of ten of {DRAWS} draws of random calls {low[-1]:+.1f} to {high[-1]:+.1f} %"
        return to_svg(axes, f"equity-{part.name.replace(' ', '-')}", f"{words}.")


def skill_chart(skill: AskedSkill) -> str:
    """Tenths of the rows by what was said, beside the share that came, each with its 95 % interval."""
    with canvas(4.2, 2.9) as axes:
        said = [b.said for b in skill.bins]
        ends = [share_interval(b.came, max(1.0, b.rows / skill.independent)) for b in skill.bins]
        shown = [*said, *(end for pair in ends for end in pair)]
        room = 0.08 * (max(shown) - min(shown)) or 0.1
        least, most = max(0.0, min(shown) - room), min(1.0, max(shown) + room)
        axes.plot([least, most], [least, most], color=GRID, linewidth=1)
        axes.axhline(skill.share, color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
        axes.vlines(said, [e[0] for e in ends], [e[1] for e in ends], color=COLOURS[_QUESTION], linewidth=1.2)
        axes.scatter(said, [b.came for b in skill.bins], s=26, color=COLOURS[_QUESTION])
        axes.set_xlim(least, most)
        axes.set_ylim(least, most)
        axes.set_xlabel("probability said", fontsize=9)
        axes.set_title("share that came, with 95 %, by tenth of the rows", color=MUTED, fontsize=9)
        text = (
            f"{skill.question} {len(skill.bins)} parts of the rows; the share that came goes from "
            f"{skill.bins[0].came:.0%} where least was said to {skill.bins[-1].came:.0%} where most was said."
        )
        return to_svg(axes, f"skill-{skill.name.replace(' ', '-')}", text)
