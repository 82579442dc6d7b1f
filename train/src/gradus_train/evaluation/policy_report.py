"""What is said of the policy: the kind, why, and how many calls the holdout had beside what was expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradus_live.money import Money
from gradus_runtime.contracts import manifest as contract
from gradus_runtime.wording import counted
from gradus_train.sections import PolicySettings

__all__ = ["PolicyLine", "PolicyReport", "report_of"]

_POINT = 1e-4
_SCORES = {
    "thresholds": "the difference of the two sides' probabilities",
    "expected_value": "the mean return after costs that the probabilities stand for",
}


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What one threshold would have done.

    Attributes:
        share: Of the rows that it should let through; None for the most probable class.
        threshold: What a score must reach; None where it moves, and for the most probable class.
        expected: Share of the out-of-fold rows that became calls for a side.
        holdout_share: Share of the holdout rows that did.
        out_of_fold: Money of the trades out of fold.
        holdout: Money of those on the holdout.
        low: Lower bound of the mean net return, one-sided, at 5 % divided by the number of lines that the
            policy was chosen from (the thresholds, and the most probable class); None with fewer than three
            blocks of days.
    """

    share: float | None
    threshold: float | None
    expected: float
    holdout_share: float
    out_of_fold: Money
    holdout: Money
    low: float | None

    @property
    def carry(self) -> float | None:
        """Calls on the holdout over those expected; None where none were."""
        return self.holdout_share / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """The policy of a run, and what was tried for it.

    Attributes:
        asked: The kind that the configuration asks for.
        kind: The kind that was taken.
        why: Why that is argmax although another was asked for; None where it is the one.
        window: Bars of a threshold that moves; None where it stands still, and for argmax.
        argmax: What the most probable class would have done; None without costs, prices or sides.
        tried: What each threshold would have done.
        best: Index into `tried` of the one that was taken, or would have been; None where none has enough
            trades.
        sentence: All of it for people.
    """

    asked: str
    kind: str
    why: str | None
    window: int | None
    argmax: PolicyLine | None
    tried: tuple[PolicyLine, ...]
    best: int | None
    sentence: str

    @property
    def shipped(self) -> PolicyLine | None:
        """What the policy that was taken would have done; None without costs, prices or sides."""
        if self.kind == contract.ARGMAX or self.best is None:
            return self.argmax
        return self.tried[self.best]

    @property
    def rule(self) -> str:
        """When a row is a call, in a few words."""
        line = self.shipped
        if self.kind == contract.ARGMAX or line is None:
            return "the most probable class"
        if line.threshold is not None:
            return f"{self.kind}, from {line.threshold:.4g}"
        return f"{self.kind}, {100 * (line.share or 0.0):g} % of the last {counted(self.window or 0, 'bar')}"


def report_of(
    settings: PolicySettings,
    why: str | None,
    window: int | None,
    argmax: PolicyLine | None,
    tried: tuple[PolicyLine, ...],
    best: int | None,
    policy: contract.Policy | None,
) -> tuple[PolicyReport, contract.Policy | None]:
    """Put a report together, and the policy with its sentence.

    Arguments are as the attributes of `PolicyReport`; `policy` has no sentence yet.
    """
    kind = contract.ARGMAX if policy is None else policy.kind
    if policy is None or best is None:
        sentence = _of_argmax(settings, why, argmax, tried, best)
    else:
        sentence = _of_rules(policy, window, tried[best], len(tried))
        policy = replace(policy, sentence=sentence)
    moves = window if policy is not None else None
    return PolicyReport(settings.kind, kind, why, moves, argmax, tried, best, sentence), policy


def _of_argmax(
    settings: PolicySettings,
    why: str | None,
    argmax: PolicyLine | None,
    tried: tuple[PolicyLine, ...],
    best: int | None,
) -> str:
    parts = ["the most probable class"]
    if why is not None:
        tail = f" (the best of them: {_trades(tried[best])})" if best is not None else ""
        parts.append(f"the configuration asks for {settings.kind}, but {why}{tail}")
    if argmax is not None:
        parts.append(_calls(argmax))
    return ". ".join(part[:1].upper() + part[1:] if i else part for i, part in enumerate(parts))


def _of_rules(policy: contract.Policy, window: int | None, line: PolicyLine, tried: int) -> str:
    share = f"{100 * (line.share or 0.0):g} %"
    if window is None:
        rule = f"is at least {line.threshold:.4g}, as {share} of the out-of-fold rows are"
    else:
        rule = f"is above all but {share} of the last {counted(window, 'bar')}"
    return (
        f"calls where {_SCORES[policy.kind]} {rule}. The best of {counted(tried, 'threshold')} out of fold: "
        f"{_trades(line)}; {_calls(line)}"
    )


def _trades(line: PolicyLine) -> str:
    money = line.out_of_fold
    least = "" if line.low is None else f", at least {line.low / _POINT:+.1f}"
    earn = counted(money.trades, "trade earns", "trades earn")
    return f"{earn} {money.net / _POINT:+.1f} basis points each{least}"


def _calls(line: PolicyLine) -> str:
    """Calls of the holdout beside those expected, and their money."""
    held = line.holdout
    earn = counted(held.trades, "trade earns", "trades earn")
    money = f"; {earn} {held.net / _POINT:+.1f} each" if held.trades else "; no trade"
    return (
        f"on the holdout {100 * line.holdout_share:.2g} % of the rows are calls for a side, "
        f"{100 * line.expected:.2g} % were expected{money}"
    )
