"""The record of a group of decisions: of a version, of a level, or of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from gradus_live.bars import Floats, Integers
from gradus_live.costs import Costs
from gradus_live.labels import Outcomes
from gradus_live.money import Money, judge_trades, take_trades
from gradus_live.record.promise import Promise
from gradus_live.record.sequence import (
    ALPHA,
    FEWEST,
    MeanSequence,
    blocks_needed,
    blocks_of_days,
    evidence_so_far,
    mean_sequence,
)
from gradus_runtime.wording import counted

__all__ = ["AS_PROMISED", "NO_PROMISE", "TOO_EARLY", "WORSE", "GroupRecord", "OutcomeRows", "judge_group"]

AS_PROMISED = "as promised"
WORSE = "worse than promised"
TOO_EARLY = "too early"
NO_PROMISE = "no promise"
FEWEST_VALUES = 24
"""A block of days ends when it holds so many bars."""
BINS = 10
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """N bars with a decision and its outcome, in time order, each bar once.

    Attributes:
        stamps: int64 [N], ms.
        versions: N texts.
        levels: N texts.
        probabilities: float64 [N, C].
        came: int64 [N], index of the class that came.
        calls: int64 [N], class of the largest probability; -1 for the fallback.
        acted: bool [N], whether the action was for a side, and not what a held call became.
        hits: bool [N], whether the class of the action came.
        skill: float64 [N], Brier score of the class shares less that of the probabilities.
        low: float64 [N], the lowest fold of the level that served; NaN where nothing was promised.
        sides: int64 [N], 1 long, -1 short, 0 none.
        outcomes: Of trades.
        bar_ms: Length of a bar.
    """

    stamps: Integers
    versions: tuple[str, ...]
    levels: tuple[str, ...]
    probabilities: Floats
    came: Integers
    calls: Integers
    acted: np.typing.NDArray[np.bool_]
    hits: np.typing.NDArray[np.bool_]
    skill: Floats
    low: Floats
    sides: Integers
    outcomes: Outcomes
    bar_ms: int

    def select(self, keep: np.typing.NDArray[np.bool_]) -> OutcomeRows:
        """Return the bars where `keep` (bool [N]) is true."""
        places = np.flatnonzero(keep).tolist()
        return OutcomeRows(
            self.stamps[keep],
            tuple(self.versions[i] for i in places),
            tuple(self.levels[i] for i in places),
            self.probabilities[keep],
            self.came[keep],
            self.calls[keep],
            self.acted[keep],
            self.hits[keep],
            self.skill[keep],
            self.low[keep],
            self.sides[keep],
            self.outcomes.select(keep),
            self.bar_ms,
        )


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """What came of a group.

    Attributes:
        version: Of its decisions; "all" for all.
        level: That served; "all" for all but the fallback.
        bars: With an outcome.
        blocks: Blocks of whole days.
        verdict: `AS_PROMISED`, `WORSE`, `TOO_EARLY` or `NO_PROMISE`.
        said: The day, ISO 8601, after which `WORSE` was first said; None where it was not.
        sentence: The verdict in words.
        bars_needed: After how many bars `TOO_EARLY` ends; None without a promise.
        skill: Mean Brier skill of a block, with its confidence sequence.
        promise: The promise, where all decisions of the group have the same.
        evidence: The largest e-value, at any look, against "at least as good as the lowest fold"; 1 / ALPHA
            says worse, and what was said stays.
        calls: Decisions for a side that were not held.
        hit_rate: Share of them whose class came; None without any.
        accuracy: Share of all bars whose most probable class came.
        calibration: Mean distance of confidence and accuracy, over ten bins of confidence.
        confidence: Mean confidence.
        money: Trades after costs; None without costs, or without classes that mean up and down.
        money_mean: Mean net return of a day with its confidence sequence; None as `money`.
    """

    version: str
    level: str
    bars: int
    blocks: int
    verdict: str
    said: str | None
    sentence: str
    bars_needed: int | None
    skill: MeanSequence
    promise: Promise | None
    evidence: float
    calls: int
    hit_rate: float | None
    accuracy: float
    calibration: float
    confidence: float
    money: Money | None
    money_mean: MeanSequence | None


def judge_group(
    version: str, level: str, rows: OutcomeRows, promises: list[Promise | None], costs: Costs | None
) -> GroupRecord:
    """Judge a group; `promises` are those of its versions and levels, each once."""
    blocks = blocks_of_days(rows.stamps, rows.skill, rows.bar_ms, FEWEST_VALUES)
    held = blocks_of_days(rows.stamps, rows.skill - rows.low, rows.bar_ms, FEWEST_VALUES)
    known = [promise for promise in promises if promise is not None]
    promised = len(known) == len(promises) and bool(known)
    evidence, look = evidence_so_far(held.means) if promised else (0.0, 0)
    said = _day(int(held.days[look])) if evidence >= 1 / ALPHA else None
    needed = _bars_needed(held.means, held.counts, known) if promised else None
    verdict = _verdict(promised, evidence, len(rows.stamps), needed)
    skill = mean_sequence(blocks.means)
    right = rows.calls == rows.came
    confidences = rows.probabilities.max(axis=1) if len(rows.stamps) else np.zeros(0)
    money, money_mean = _money(rows, costs)
    acted = rows.acted
    return GroupRecord(
        version=version,
        level=level,
        bars=len(rows.stamps),
        blocks=len(blocks.means),
        verdict=verdict,
        said=said,
        sentence=_sentence(verdict, len(rows.stamps), needed, evidence, said, skill),
        bars_needed=needed,
        skill=skill,
        promise=known[0] if promised and len(known) == 1 else None,
        evidence=evidence,
        calls=int(acted.sum()),
        hit_rate=float(rows.hits[acted].mean()) if acted.any() else None,
        accuracy=float(right.mean()) if len(right) else 0.0,
        calibration=_calibration(confidences, right),
        confidence=float(confidences.mean()) if len(confidences) else 0.0,
        money=money,
        money_mean=money_mean,
    )


def _bars_needed(means: Floats, counts: Integers, promises: list[Promise]) -> int:
    """After how many bars the lowest fold can be told from no skill, or from the middle of the folds.

    The farther of the two counts: a lowest fold beside no skill is not to be told from it.
    """
    per_block = float(counts.mean()) if len(counts) else 96.0
    if len(means) < FEWEST:
        return math.ceil(FEWEST * per_block)
    low = min(promise.low for promise in promises)
    spread = max(promise.high - promise.low for promise in promises)
    distance = max(low, spread / 2, 1e-6)
    return math.ceil(max(FEWEST, blocks_needed(distance, float(means.std(ddof=1)))) * per_block)


def _verdict(promised: bool, evidence: float, bars: int, needed: int | None) -> str:
    if not promised or needed is None:
        return NO_PROMISE
    if evidence >= 1 / ALPHA:
        return WORSE
    return TOO_EARLY if bars < needed else AS_PROMISED


def _sentence(
    verdict: str, bars: int, needed: int | None, evidence: float, day: str | None, skill: MeanSequence
) -> str:
    if not bars:
        return "no decision has an outcome yet"
    if verdict == TOO_EARLY:
        return f"too early: {bars:,} of {counted(needed or 0, 'bar')}"
    if verdict == WORSE:
        told = f"{evidence:,.0f}" if evidence < _MILLION else "above a million"
        said = f"worse than promised, said on {day}: below the lowest fold of training"
        said += f" (e-value {told}; 20 is enough)"
    elif verdict == NO_PROMISE:
        said = "no promise: training measured fewer than three folds to compare this with"
    else:
        said = f"as promised: {counted(bars, 'bar')} without a sign of less than the lowest fold of training"
    return f"{said}; {_against_nothing(skill)}"


def _day(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _against_nothing(skill: MeanSequence) -> str:
    """What a model that does not beat the class shares is called."""
    if skill.low > 0:
        return "better than the class shares"
    if skill.high < 0:
        return "worse than the class shares, which know nothing"
    return "not shown to be better than the class shares, which know nothing"


def _calibration(confidences: Floats, right: np.typing.NDArray[np.bool_]) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015), over ten bins of equal width."""
    if not len(confidences):
        return 0.0
    bins = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    total = np.abs(np.bincount(bins, confidences - right, minlength=BINS)).sum()
    return float(total) / len(confidences)


def _money(rows: OutcomeRows, costs: Costs | None) -> tuple[Money | None, MeanSequence | None]:
    if costs is None or not len(rows.stamps):
        return None, None
    trades = take_trades(rows.stamps, rows.bar_ms, rows.sides, rows.outcomes)
    money = judge_trades(trades, rows.stamps, rows.bar_ms, costs)
    net = np.zeros(len(rows.stamps))
    net[trades.rows] = trades.gross - costs.of_trades(trades.bars, rows.bar_ms)
    blocks = blocks_of_days(rows.stamps, net, rows.bar_ms, FEWEST_VALUES)
    return money, mean_sequence(blocks.means * blocks.counts)
