"""The verdict: what a run's probabilities are worth, in one word and two sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradus_live.costs import Costs
from gradus_live.labels import Meta
from gradus_live.money import Money
from gradus_runtime.wording import counted, plural
from gradus_train.evaluation.evidence import Evidence
from gradus_train.evaluation.policy_report import PolicyLine, PolicyReport
from gradus_train.evaluation.value import (
    MIN_HELD_TRADES,
    MIN_TRADES,
    ThresholdLine,
    ValueTest,
    direction_test,
    moves_test,
    threshold_lines,
)

__all__ = ["ReachedVerdict", "judge"]

_POINT = 1e-4


@dataclass(frozen=True, slots=True)
class ReachedVerdict:
    """What was found.

    Attributes:
        name: "tradable"; "direction" (knows which way, no money is proved); "moves" (knows whether, not
            which way); or "none".
        sentences: Two, for people.
        moves: Log loss against the best constant in hindsight.
        direction: What the tilt between the sides earns; None where it is not asked, see `no_direction`.
        no_direction: Why direction is not asked.
        thresholds: Money by fixed threshold, to look at: the verdict is of the policy's money. Empty without
            costs, prices or sides.
        best: Index into `thresholds` of that with the smallest p out of fold; None where none has 30 trades.
        no_money: Why there is no money.
        per_side: Basis points that a side costs; None without costs.
    """

    name: str
    sentences: tuple[str, ...]
    moves: ValueTest
    direction: ValueTest | None
    no_direction: str | None
    thresholds: tuple[ThresholdLine, ...]
    best: int | None
    no_money: str | None
    per_side: float | None


def judge(evidence: Evidence, costs: Costs | None, policy: PolicyReport) -> ReachedVerdict:
    """Judge rows that no model was fitted on.

    Args:
        evidence: Rows of folds and holdout, with what was served.
        costs: What a trade costs; without them the verdict is at most "direction".
        policy: What makes calls of the probabilities: the one that is shipped.

    Returns:
        "tradable" where direction holds (or, for labels without two sides, moves) and the trades that the
        policy made out of fold, at least 30, earn money at 5 % divided by the number of lines that it was
        chosen from, and the holdout's, at least 10, are net positive.
    """
    moves, direction = moves_test(evidence), direction_test(evidence)
    no_direction = _why_no_direction(evidence) if direction is None else None
    no_money = _why_no_money(evidence, costs)
    lines = threshold_lines(evidence, costs) if costs is not None and no_money is None else ()
    best = _best(lines)
    skill = moves if direction is None else direction
    shipped = policy.shipped if no_money is None else None
    if skill.holds and shipped is not None and _pays(shipped):
        name = "tradable"
    elif direction is not None and direction.holds:
        name = "direction"
    else:
        name = "moves" if moves.holds else "none"
    verdict = ReachedVerdict(
        name=name,
        sentences=(),
        moves=moves,
        direction=direction,
        no_direction=no_direction,
        thresholds=lines,
        best=best,
        no_money=no_money,
        per_side=None if costs is None else costs.per_side,
    )
    return replace(verdict, sentences=(_skill(verdict), _money(verdict, policy)))


def _why_no_direction(evidence: Evidence) -> str:
    if evidence.rule.sides is None:
        return "the classes have no two sides"
    return "there are no prices"


def _why_no_money(evidence: Evidence, costs: Costs | None) -> str | None:
    if costs is None:
        return "no costs given"
    if evidence.trades is None:
        return "there are no prices"
    if evidence.rule.sides is None and not isinstance(evidence.rule, Meta):
        return "the classes have no two sides"
    return None


def _best(lines: tuple[ThresholdLine, ...]) -> int | None:
    """Return the threshold with the smallest p out of fold among those with enough trades."""
    enough = [i for i, line in enumerate(lines) if line.out_of_fold.trades >= MIN_TRADES]
    return min(enough, key=lambda i: (lines[i].out_of_fold.test.p, i), default=None)


def _pays(line: PolicyLine) -> bool:
    out, held = line.out_of_fold, line.holdout
    proved = out.trades >= MIN_TRADES and out.test.p < out.level
    return proved and held.trades >= MIN_HELD_TRADES and held.net > 0


_WORDS = {
    "tradable": "The model knows which way the price will move, and trading it earned money after costs",
    "direction": "The model knows something about which way the price will move, but no profit is proved",
    "moves": "The model knows something about whether the price will move, not which way",
    "none": "The model knows nothing that a constant guess does not",
}
_WITHOUT_SIDES = {
    "tradable": "The model knows which trades come off, and taking them earned money after costs",
    "moves": "The model knows something about the outcome, but no profit is proved",
}


def _skill(verdict: ReachedVerdict) -> str:
    """The first sentence: what is known, with the test that says so."""
    words = _WORDS[verdict.name]
    if verdict.direction is None:
        words = _WITHOUT_SIDES.get(verdict.name, words)
    m = verdict.moves
    parts = [f"{words}.", f"Log loss gain over the best constant guess: {_figure(m, 'nats')}."]
    if verdict.direction is not None:
        figure = _figure(verdict.direction, "of the volatility")
        parts.append(f"Leaning to the side that is more probable earns {figure}.")
    elif verdict.name != "none":
        parts.append(f"Direction is not judged: {verdict.no_direction}.")
    parts.append(f"Judged on {counted(m.rows, 'row')} of folds and holdout.")
    return " ".join(parts)


def _figure(test: ValueTest, unit: str) -> str:
    interval = "" if test.low is None else f"95 % {test.low:+.4f} to {test.high:+.4f}, "
    return f"{test.mean:+.4f} {unit} ({interval}p {test.p:.3f}, {test.holdout:+.4f} on the holdout)"


def _money(verdict: ReachedVerdict, policy: PolicyReport) -> str:
    """The second sentence: money, calls, hit rate beside break-even, interval, smallest visible edge."""
    if verdict.no_money is not None:
        return f"Money: {verdict.no_money}."
    line = policy.shipped
    if line is None:
        return f"Money: {policy.why or 'no trade can be judged'}."
    place = f"Money of the policy ({policy.rule}), after costs of {verdict.per_side:g} basis points a side"
    out = line.out_of_fold
    trades = plural(out.trades, "trade")
    if out.trades < MIN_TRADES:
        return (
            f"{place}: {out.trades or 'no'} {trades} out of fold, {_held(line.holdout)}; with fewer than "
            f"{MIN_TRADES} nothing can be said."
        )
    low, high = out.test.bounds(0.95)
    even = "" if out.break_even is None else f" ({100 * out.break_even:.1f} % break even)"
    return (
        f"{place}: {out.trades:,} {trades} out of fold, {100 * out.hit_rate:.1f} % of them right{even}, "
        f"earn {_points(out.net)} basis points each (95 % {_points(low)} to {_points(high)}); "
        f"{_held(line.holdout)}. "
        f"So many trades show an edge of {out.smallest / _POINT:.1f} basis points in 9 of 10 cases."
    )


def _held(held: Money) -> str:
    if held.trades == 0:
        return "none on the holdout"
    return f"{held.trades:,} on the holdout {plural(held.trades, 'earns', 'earn')} {_points(held.net)} each"


def _points(value: float) -> str:
    return f"{value / _POINT:+.1f}"
