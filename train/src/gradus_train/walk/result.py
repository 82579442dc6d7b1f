"""What a walk found, as values: for `--json`, for the page, and for whoever reads `walk.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_live.bootstrap import Interval
from gradus_train.walk.chance import Chance, StudyFigures
from gradus_train.walk.versions import WeekVersion

__all__ = [
    "FORMAT",
    "ProcedureFigures",
    "Refusal",
    "Skill",
    "WalkMoney",
    "WalkResult",
    "WeekMoney",
    "WeekResult",
]

FORMAT = "gradus-walk/1"


@dataclass(frozen=True, slots=True)
class Skill:
    """Bars with a known label, and their Brier skill in all: score of the class shares less the answer's."""

    bars: int
    total: float


@dataclass(frozen=True, slots=True)
class WeekMoney:
    """What a week's calls left.

    Attributes:
        days: Net log return of each of the seven days, by the day on which a position was closed.
        trades: Positions closed on each of them.
        gross: Sum before costs.
        costs: Sum of costs.
        won: Positions that left something.
        longs: Long positions.
        bars_held: Bars with an open position.
        reasons: Why positions were closed, how many each.
    """

    days: tuple[float, ...]
    trades: tuple[int, ...]
    gross: float
    costs: float
    won: int
    longs: int
    bars_held: int
    reasons: Mapping[str, int]

    @property
    def net(self) -> float:
        """Sum after costs."""
        return sum(self.days)


@dataclass(frozen=True, slots=True)
class WeekResult:
    """A week.

    Attributes:
        name: The day that it begins on.
        version: What was trained for it.
        served: The version that served it; None where none was pinned.
        bars: That it has.
        levels: Bars by the level that served; "fallback" for none.
        missing: Bars for which some group of features was missing, by outages or in the data.
        stepped_down: Bars served by a lower level than the version's first.
        skill: By level.
        regimes: Skill by how much the price moved lately: "calm", "usual", "wild", thirds of training rows.
        money: Of what served.
        without_outages: And of the same version with every group there; None without outages.
        skill_lost: Skill of the bars with outages, and what the same version has there with every group;
            None without outages.
        others: Money of other procedures: "direction", "integrity", "monthly", "never", and "refused": that
            of the week's own version, where it was refused.
        refused_skill: Skill of the week's own version where it was refused; None where it was not.
        hold: Log return of the market on each day, for buy-and-hold; funding is taken off.
        random: Net log returns of random calls with the same turnover, drawn again and again.
        tuning: What the week's search of parameters tried; empty without one.
    """

    name: str
    version: WeekVersion
    served: str | None
    bars: int
    levels: Mapping[str, int]
    missing: int
    stepped_down: int
    skill: Mapping[str, Skill]
    regimes: Mapping[str, Skill]
    money: WeekMoney
    without_outages: WeekMoney | None
    skill_lost: tuple[Skill, ...] | None
    others: Mapping[str, WeekMoney]
    refused_skill: Skill | None
    hold: tuple[float, ...]
    random: tuple[float, ...]
    tuning: tuple[StudyFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcedureFigures:
    """A procedure beside others: what it left, in all and a week; trades; the deepest fall."""

    name: str
    net: float
    week: Interval
    trades: int
    drawdown: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A week whose version was refused.

    Attributes:
        week: Its name.
        why: What the gates said.
        refused: Net log return that its version would have left in its week.
        served: And what was left by what served instead.
        right: Whether refusing was better.
    """

    week: str
    why: tuple[str, ...]
    refused: float
    served: float
    right: bool


@dataclass(frozen=True, slots=True)
class WalkMoney:
    """The money of the walk, as log returns.

    Attributes:
        net: In all.
        gross: Before costs.
        costs: That were paid.
        trade: Net a trade, with its interval.
        week: Net a week, with its interval.
        trades: Positions.
        trades_a_day: Turnover: positions a day, each bought and sold.
        hit_rate: Share of positions that left something.
        drawdown: The deepest fall of the sum from a high, over days.
        time_in_market: Share of bars with an open position.
        random: Net of random calls with the same turnover: 5 %, 50 % and 95 % of the draws.
        beats_random: Share of the draws that left less.
    """

    net: float
    gross: float
    costs: float
    trade: Interval
    week: Interval
    trades: int
    trades_a_day: float
    hit_rate: float
    drawdown: float
    time_in_market: float
    random: tuple[float, ...]
    beats_random: float


@dataclass(frozen=True, slots=True)
class WalkResult:
    """A walk.

    Attributes:
        market: Its name.
        costs_of: The market that the costs are of, as their file names it.
        simulated: Whether the data says that it is of no real market.
        first: First day.
        last: Last day.
        require: The rule that pinned: "integrity" or "direction".
        train_days: Days that each week's training saw.
        label: What a label means.
        per_side: Basis points that a side costs.
        rules: How positions are opened and closed, as sentences.
        weeks: One by one.
        money: In all.
        lines: Other procedures beside it, the walk's own first.
        levels: Bars by level.
        stepped_down: Bars served by a lower level than the version's first.
        skill: By level, mean a bar with its interval.
        regimes: Likewise by volatility.
        outage_cost: Net log return that outages took; None without outages.
        outage_skill: Skill a bar that outages took, on the bars that they touched; None without.
        refusals: What was refused, and whether that was right.
        quick_proof: Whether only the last version was proved on every threshold.
        chance: What tuning does to the figures; None without.
        bar_by_bar: Bars of the last week that were answered one by one, with the bits of the table.
    """

    market: str
    costs_of: str
    simulated: bool
    first: str
    last: str
    require: str
    train_days: int
    label: str
    per_side: float
    rules: tuple[str, ...]
    weeks: tuple[WeekResult, ...]
    money: WalkMoney
    lines: tuple[ProcedureFigures, ...]
    levels: Mapping[str, int]
    stepped_down: int
    skill: Mapping[str, Interval]
    regimes: Mapping[str, Interval]
    outage_cost: float | None
    outage_skill: float | None
    refusals: tuple[Refusal, ...]
    quick_proof: bool
    chance: Chance | None
    bar_by_bar: int
