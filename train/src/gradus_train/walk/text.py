"""A walk as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gradus_live.bootstrap import Interval
from gradus_runtime.wording import counted, plural
from gradus_train.walk.chance import Chance
from gradus_train.walk.result import WalkResult

__all__ = [
    "chance_sentences",
    "first_level_sentences",
    "interval_text",
    "percent",
    "walk_headline",
    "walk_text",
]

_SURE = 0.95


def walk_headline(result: WalkResult) -> str:
    """Say in one sentence whether the procedure was worth running."""
    week, hold = result.money.week, "HOLD, which earns nothing and costs nothing"
    if not result.money.trades:
        return "Nothing was traded: no version was pinned, or none called for a trade."
    if week.low is None or week.high is None:
        return f"Too few days to tell the procedure from {hold}."
    if week.low > 0:
        return "The procedure earned money after costs, more than chance explains."
    if week.high < 0:
        return f"The procedure lost money after costs: {hold}, was better."
    return f"The procedure is not shown to be better than {hold}."


def percent(value: float) -> str:
    """A log return in percent."""
    return f"{100 * value:+.2f} %"


def interval_text(interval: Interval, scale: float = 100.0, unit: str = " %", digits: int = 2) -> str:
    """A figure with its interval."""
    value = f"{scale * interval.value:+.{digits}f}{unit}"
    if interval.low is None or interval.high is None:
        return f"{value} (too little to say how sure)"
    return f"{value} (95 % {scale * interval.low:+.{digits}f} to {scale * interval.high:+.{digits}f})"


def chance_sentences(chance: Chance) -> tuple[str, ...]:
    """Say what tuning does to the figures, and what that means."""
    tried = (
        f"Tuned each week: {counted(chance.trials, 'trial')} in all, "
        f"at most {chance.trials_a_week:,} a week. "
        "Each week's parameters were the best of these on the rows known then."
    )
    if chance.deflated is None or chance.sharpe is None:
        deflated = "Deflated Sharpe ratio: unknown, as too little was traded."
    else:
        shown = "it is" if chance.deflated >= _SURE else "it is not"
        deflated = (
            f"Deflated Sharpe ratio {chance.deflated:.2f}: the probability that the walk's Sharpe ratio of "
            f"{chance.sharpe:+.3f} a day is truly above {chance.best_of_luck:.3f}, which the best of so many "
            f"trials shows by luck alone. From {_SURE:g} on that counts as shown: here {shown}."
        )
    if chance.overfitting is None:
        overfitted = "Probability of backtest overfitting: unknown, with one trial or too few days."
    else:
        overfitted = (
            f"Probability of backtest overfitting {chance.overfitting:.2f}: so often the parameters that "
            "were best on one half of the days were no better than the median trial on the other half. At "
            "0.5 the choice says nothing; near 0 it carries over."
        )
    return tried, deflated, overfitted


def first_level_sentences(result: WalkResult) -> tuple[str, ...]:
    """Say which level is asked first, in how many weeks, and why; nothing where no version served."""
    service = {week.version.version: week.version.service for week in result.weeks}
    orders = [service[week.served] for week in result.weeks if week.served in service]
    if not orders:
        return ()
    first = Counter(order[0] if order else "none" for order in orders)
    of = f"of {counted(len(orders), 'week')}"
    told = ", ".join(
        f"{name} in {n} {of if i == 0 else ''}".rstrip()
        for i, (name, n) in enumerate(first.most_common())
        if name != "none"
    )
    said = []
    if told:
        said.append(
            f"Asked first: {told}. The version's training sets the order of service: as it was measured, a "
            "level stands before a lower one only where it proved itself better on the same rows, unless the "
            "configuration declares the order. The first level serves every bar whose features it has, so it "
            "may serve all of them; its reasons are on the page of each version's training."
        )
    if first["none"]:
        said.append(
            f"No level had proved itself in {first['none']} {of}: the levels were then asked in the order of "
            "the feature order."
        )
    return tuple(said)


def walk_text(result: WalkResult) -> str:
    """Return what `gradus walk` prints."""
    m = result.money
    count, trades, bars = len(result.weeks), m.trades, result.bar_by_bar
    weeks = f"{counted(count, 'week')}"
    simulated = ", simulated" if result.simulated else ""
    lines = [
        f"{walk_headline(result)}",
        f"{weeks}, {result.first} to {result.last}, {result.market}{simulated}; "
        f"{counted(result.train_days, 'day')} of training a week; pinned by: {result.require}",
        f"net {percent(m.net)} as log return: gross {percent(m.gross)}, costs {percent(-m.costs)} at "
        f"{result.per_side:g} basis points a side (of {result.costs_of})",
        f"a week {interval_text(m.week)}; a trade {interval_text(m.trade, 1e4, ' bp', 1)}",
        f"{counted(trades, 'trade')}, {m.trades_a_day:.1f} a day, {100 * m.hit_rate:.1f} % left something; "
        f"in the market {100 * m.time_in_market:.0f} % of the time; deepest fall {percent(m.drawdown)}",
        f"random calls with the same turnover: {percent(m.random[1])}, 5 to 95 %: {percent(m.random[0])} to "
        f"{percent(m.random[2])}; the walk is better than {100 * m.beats_random:.0f} % of them",
        "",
        f"{'procedure':<22}{'net':>10}{'trades':>8}{'fall':>10}   a week",
    ]
    for line in result.lines:
        lines.append(
            f"{line.name:<22}{percent(line.net):>10}{line.trades:>8,}{percent(line.drawdown):>10}   "
            f"{interval_text(line.week)}"
        )
    lines += ["", "Brier skill a bar (above 0: better than the class shares)"]
    lines += _skill("level", result.skill) + _skill("volatility", result.regimes)
    served = ", ".join(f"{name} {n:,}" for name, n in result.levels.items())
    lines += ["", f"bars by level: {served}; {result.stepped_down:,} stepped down"]
    if result.outage_cost is not None:
        skill = 0.0 if result.outage_skill is None else result.outage_skill
        lines.append(
            f"outages took {percent(result.outage_cost)}, and {skill:+.5f} Brier skill a bar that they hit"
        )
    pinned = sum(w.version.may_serve(result.require) for w in result.weeks)
    lines.append(f"{pinned} of {counted(count, 'version')} {plural(pinned, 'was', 'were')} pinned")
    lines += [
        f"  {r.week} refused ({r.why[0]}): it would have left {percent(r.refused)}, what served left "
        f"{percent(r.served)}: {'right' if r.right else 'wrong'}"
        for r in result.refusals
    ]
    if result.chance is not None:
        lines += ["", *chance_sentences(result.chance)]
    if bars:
        what = f"{counted(bars, 'bar')} had the same {plural(bars, 'answer')}"
        lines.append(f"the last week's {what} one by one, bit for bit")
    return "\n".join(lines)


def _skill(what: str, skill: Mapping[str, Interval]) -> list[str]:
    return [f"  {what} {name:<10} {interval_text(i, 1.0, '', 5)}" for name, i in skill.items()]
