"""The policy: chosen on rows of the folds alone, by a lower bound of the money that its trades left.

The holdout is asked nothing; it says afterwards how many calls and how much money there were.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradus_live.costs import Costs
from gradus_live.labels import Meta
from gradus_live.money import judge_trades, take_trades
from gradus_live.statistics import student_quantile
from gradus_runtime.contracts import manifest as contract
from gradus_runtime.policy import HELD, PolicyRules
from gradus_runtime.policy.window import ScoreWindow
from gradus_runtime.wording import counted
from gradus_train.evaluation.evidence import Evidence, Flags, Floats, Integers
from gradus_train.evaluation.policy_report import PolicyLine, PolicyReport, report_of
from gradus_train.evaluation.value import SHARES
from gradus_train.sections import PolicySettings

__all__ = ["choose_policy", "why_argmax"]

_DAY_MS = 86_400_000
_REACHES = 10  # a block is at least this many times as long as a label's reach
_LEVEL = 0.05
_FEWEST_BLOCKS = 3
_FEWEST_BARS = 200  # of a window
_MOST_BARS = 20_000
_PARTS = 4  # a window is at most this part of the out-of-fold rows
_LEAST_TILT = 1e-3  # below that the classes are as good as equal


def why_argmax(evidence: Evidence, costs: Costs | None) -> str | None:
    """Return why no policy but argmax can be chosen here, as the end of a sentence; None where one can."""
    rule = evidence.rule
    if costs is None:
        return "no costs are given"
    if evidence.trades is None:
        return "there are no prices"
    if isinstance(rule, Meta):
        return None if evidence.side is not None else "the proposed side is not known"
    if rule.sides is None:
        return "the classes have no two sides"
    if len(rule.classes) < 3:
        return "every class is for a side: there is none to answer with where nothing is called"
    return None


def choose_policy(
    evidence: Evidence,
    costs: Costs | None,
    settings: PolicySettings,
    payoffs: Mapping[int, Floats] | None = None,
) -> tuple[PolicyReport, contract.Policy | None, Integers]:
    """Choose the policy.

    Args:
        evidence: Rows of folds and holdout, with what was served.
        costs: What a trade costs.
        settings: The section `[policy]`.
        payoffs: As `payoffs_by_fold` returns them: for the expected value.

    Returns:
        What is said of it; the policy for the manifest, None for argmax; and the side that it calls of each
        row, int64 [N]: 1 long, -1 short, 0 none.
    """
    if why_argmax(evidence, costs) is not None or costs is None:
        why = None if settings.is_argmax else why_argmax(evidence, costs)
        return *report_of(settings, why, None, None, (), None, None), _argmax_calls(evidence)
    tried, calls, window, why = _tried(evidence, costs, settings, payoffs)
    # What is shipped is one of all of these: each has to prove itself at its part of the 5 %.
    count = len(tried) + 1
    usual = _argmax_calls(evidence)
    plain = _line(evidence, costs, usual, count, share=None, threshold=None)
    best = _best(tried, settings.min_trades)
    if settings.is_argmax:
        why = None
    elif best is None:
        least = settings.min_trades
        words = f"{counted(len(tried), 'threshold')} made {counted(least, 'trade')}"
        why = why or f"none of {words} out of fold"
    elif settings.proved and not _earns(tried[best]):
        why = f"none of {counted(len(tried), 'threshold')} is sure to have earned money out of fold"
    policy = None
    if not settings.is_argmax and why is None and best is not None:
        policy = _for_manifest(evidence, settings, payoffs, tried[best], window)
    report, policy = report_of(settings, why, window, plain, tried, best, policy)
    return report, policy, usual if policy is None or best is None else calls[best]


def _earns(line: PolicyLine) -> bool:
    return line.low is not None and line.low > 0


def _best(tried: tuple[PolicyLine, ...], min_trades: int) -> int | None:
    """Return the threshold whose trades together are sure to have left most; the smallest p where none is."""
    enough = [
        i for i, line in enumerate(tried) if line.out_of_fold.trades >= min_trades and line.low is not None
    ]
    sure = [i for i in enough if _earns(tried[i])]
    if sure:
        return max(sure, key=lambda i: ((tried[i].low or 0.0) * tried[i].out_of_fold.trades, -i))
    return min(enough, key=lambda i: (tried[i].out_of_fold.test.p, i), default=None)


def _rules(evidence: Evidence, kind: str, payoffs: Floats | None) -> list[contract.PolicyRule]:
    """Return rules without thresholds of their own: the least that a score must be."""
    rule, classes = evidence.rule, evidence.rule.classes
    one = np.eye(len(classes))
    if isinstance(rule, Meta):
        rows = [(1, one[1] if payoffs is None else payoffs[0])]
    else:
        down, up = rule.sides or (0, 0)
        rows = [(down, one[down] - one[up]), (up, one[up] - one[down])]
        if payoffs is not None:
            rows = [(down, payoffs[0]), (up, payoffs[1])]
    least = _LEAST_TILT if kind == "thresholds" else 0.0
    return [contract.PolicyRule(classes[at], tuple(float(w) for w in weights), least) for at, weights in rows]


def _compiled(evidence: Evidence, rules: list[contract.PolicyRule]) -> PolicyRules:
    return PolicyRules(rules, evidence.rule.classes, "")


def _tried(
    evidence: Evidence, costs: Costs, settings: PolicySettings, payoffs: Mapping[int, Floats] | None
) -> tuple[tuple[PolicyLine, ...], list[Integers], int | None, str | None]:
    """Return what each threshold would have done, its calls, the window in bars, and why there is none."""
    if settings.is_argmax:
        return (), [], None, None
    if settings.kind == "expected_value" and payoffs is None:
        return (), [], None, "payoffs are not known"
    said = evidence.probabilities.astype(np.float32)
    scores, rules = None, None
    for number in np.unique(evidence.fold).tolist():
        inside = evidence.fold == number
        weights = None if payoffs is None or settings.kind == "thresholds" else payoffs[number]
        rules = _compiled(evidence, _rules(evidence, settings.kind, weights))
        found = rules.scores(said[inside])
        if scores is None:
            scores = np.zeros((len(said), found.shape[1]))
        scores[inside] = found
    out = ~evidence.held
    if scores is None or rules is None or not out.any():
        return (), [], None, "there are no out-of-fold rows"
    top, window = scores.max(axis=1), None
    if settings.threshold == "trailing":
        whole = round(settings.window_days * _DAY_MS / evidence.bar_ms)
        window = min(whole, int(out.sum()) // _PARTS, _MOST_BARS)
        if window < _FEWEST_BARS:
            return (
                (),
                [],
                None,
                f"a window of {_FEWEST_BARS} bars needs {_PARTS * _FEWEST_BARS} out-of-fold rows",
            )
    lines, sides = [], []
    for share in SHARES:
        threshold, known = None, np.ones(len(top), dtype=np.bool_)
        if window is None:
            threshold = float(np.quantile(top[out], 1 - share))
            cutoffs = np.where(top >= threshold, -np.inf, np.inf)
        else:
            cutoffs, known = _moving(evidence, top, window, share)
        calls = _sides(evidence, rules.choose_all(scores, cutoffs))
        sides.append(calls)
        lines.append(
            _line(evidence, costs, calls, len(SHARES) + 1, share=share, threshold=threshold, known=known)
        )
    return tuple(lines), sides, window, None


def _moving(evidence: Evidence, top: Floats, bars: int, share: float) -> tuple[Floats, Flags]:
    """Return the score that each row must be above, and which rows have a whole window before them."""
    known = np.arange(len(top)) >= bars
    stamps = evidence.timestamps.tolist()
    walked = ScoreWindow(top[:bars], share).walk(stamps[bars:], top[bars:])
    return np.concatenate([np.full(bars, np.inf), walked]), known


def _argmax_calls(evidence: Evidence) -> Integers:
    return _sides(evidence, evidence.probabilities.argmax(axis=1))


def _sides(evidence: Evidence, labels: Integers) -> Integers:
    """Return the side of each answer, int64 [N]: 1 long, -1 short, 0 none."""
    if isinstance(evidence.rule, Meta):
        side = np.sign(np.nan_to_num(evidence.side)) if evidence.side is not None else np.zeros(len(labels))
        return np.where(labels == 1, side, 0).astype(np.int64)
    down, up = evidence.rule.sides or (HELD, HELD)
    return np.asarray((labels == up).astype(np.int64) - (labels == down), dtype=np.int64)


def _line(
    evidence: Evidence,
    costs: Costs,
    calls: Integers,
    tried: int,
    *,
    share: float | None,
    threshold: float | None,
    known: Flags | None = None,
) -> PolicyLine:
    if evidence.trades is None:
        raise AssertionError("judged only where there are trades")
    parts, shares = [], []
    for part in (~evidence.held, evidence.held):
        time = evidence.timestamps[part]
        taken = take_trades(time, evidence.bar_ms, calls[part], evidence.trades.select(part))
        block = max(_DAY_MS, _REACHES * evidence.rule.reach * evidence.bar_ms)
        parts.append(judge_trades(taken, time, evidence.bar_ms, costs, block_ms=block, tried=tried))
        judged = calls[part] if known is None else calls[part & known]
        shares.append(float((judged != 0).mean()) if len(judged) else 0.0)
    test = parts[0].test
    low = None
    if test.blocks >= _FEWEST_BLOCKS:
        low = test.mean - test.error * student_quantile(1 - _LEVEL / tried, test.blocks - 1)
    return PolicyLine(share, threshold, shares[0], shares[1], parts[0], parts[1], low)


def _for_manifest(
    evidence: Evidence,
    settings: PolicySettings,
    payoffs: Mapping[int, Floats] | None,
    line: PolicyLine,
    window: int | None,
) -> contract.Policy:
    """Return the policy without its sentence: the rules of the newest fold, the scores of the last bars."""
    weights = None
    if settings.kind == "expected_value" and payoffs is not None:
        weights = payoffs[max(payoffs)]
    rules = _rules(evidence, settings.kind, weights)
    trailing = None
    if window is None:
        least = line.threshold or 0.0
        rules = [replace(r, threshold=max(r.threshold, least)) for r in rules]
    else:
        last = evidence.probabilities[-window:].astype(np.float32)
        top = _compiled(evidence, rules).scores(last).max(axis=1)
        text = base64.b64encode(top.astype("<f4").tobytes()).decode()
        trailing = contract.TrailingWindow(line.share or 0.0, window, text)
    return contract.Policy(settings.kind, tuple(rules), trailing, line.expected, "-")
