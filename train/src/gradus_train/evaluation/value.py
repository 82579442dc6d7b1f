"""Is there value in what a model says? Tests that an always-HOLD model cannot pass.

Each test reads the rows of folds and holdout together, with sums over blocks of time as observations, and
asks the holdout to agree in sign. `make gates-long` has the evidence: how often they pass where there is no
edge, and how often they find one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.costs import Costs
from gradus_live.labels import Meta
from gradus_live.money import Money, judge_trades, take_trades
from gradus_live.statistics import BlockTest, block_test
from gradus_train.evaluation.evidence import Evidence, Floats, Integers

__all__ = [
    "LEVEL",
    "SHARES",
    "ThresholdLine",
    "ValueTest",
    "direction_test",
    "moves_test",
    "prior_test",
    "scores_of",
    "threshold_lines",
]

# One-sided p of moves and direction. At a nominal 1 %, 0.8 to 1.0 % of markets without edge are accepted;
# at half of that what is measured stays below 1 % with its error.
LEVEL = 0.005
SHARES = (0.2, 0.1, 0.05, 0.02)  # thresholds that are tried: shares of out-of-fold rows that become calls
MIN_TRADES, MIN_HELD_TRADES = 30, 10
_BLOCK_BARS = 480
_REACHES = 10  # a block is at least this many times as long as a label's reach
_DAY_MS = 86_400_000
_SMALLEST = 1e-12
_ROUNDING = 1e-9  # the mean of a constant model's gains is not exactly 0
_LEAST_TILT = 1e-3  # a tilt that varies by less is a constant: no threshold could use it
_MOST_SIGMAS, _MOST_SPREADS = 20.0, 3.0


@dataclass(frozen=True, slots=True)
class ValueTest:
    """A test of a mean above 0: over all rows, and its mean on the holdout alone.

    Attributes:
        mean: Over folds and holdout.
        low: Lower end of its two-sided 95 % interval; None where it cannot be told.
        high: Upper end.
        p: One-sided.
        holdout: Mean on the holdout rows.
        rows: How many rows were judged.
        holds: p below 0.5 %, and the holdout agrees.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    holdout: float
    rows: int
    holds: bool


@dataclass(frozen=True, slots=True)
class ThresholdLine:
    """Calls above one threshold of the score.

    Attributes:
        share: Of the out-of-fold rows that reach it.
        threshold: Of the score's size.
        out_of_fold: Money of the trades out of fold.
        holdout: Money of those on the holdout.
        carry: Share of holdout rows that reach it, over `share`: 1 where the threshold carries over.
    """

    share: float
    threshold: float
    out_of_fold: Money
    holdout: Money
    carry: float


def moves_test(evidence: Evidence) -> ValueTest:
    """Test the log loss against the best constant in hindsight: the class shares of these very rows.

    No model that says the same of every row can have a positive mean.
    """
    labels, n_classes = evidence.labels, evidence.probabilities.shape[1]
    shares = np.bincount(labels, minlength=n_classes) / max(1, len(labels))
    gain = _log_of_truth(evidence.probabilities, labels) - np.log(np.maximum(shares, _SMALLEST))[labels]
    return _test(evidence, gain, np.ones(len(labels), dtype=np.bool_))


def prior_test(evidence: Evidence) -> ValueTest:
    """Test whether the log loss is *worse* than that of the class shares of the training rows."""
    labels = evidence.labels
    loss = _log_of_truth(evidence.priors, labels) - _log_of_truth(evidence.probabilities, labels)
    return _test(evidence, loss, np.ones(len(labels), dtype=np.bool_))


def direction_test(evidence: Evidence) -> ValueTest | None:
    """Test what the tilt between the sides earns, in units of volatility; None where there are no two sides.

    The tilt is P(up) - P(down), its median of each fold removed; the return is that of a long trade, over
    volatility, its mean of each fold removed. A constant tilt earns nothing, nor does a trend of the market.
    """
    sides, trades, sigma = evidence.rule.sides, evidence.trades, evidence.sigma
    if sides is None or trades is None or sigma is None:
        return None
    # Long minus short, halved: with barriers the two trades of a bar may end at different times.
    returns = (trades.long - trades.short) / 2
    known = np.asarray(np.isfinite(returns) & np.isfinite(sigma))
    tilt = (evidence.probabilities[:, sides[1]] - evidence.probabilities[:, sides[0]])[known]
    scaled = np.clip(returns[known] / sigma[known], -_MOST_SIGMAS, _MOST_SIGMAS)
    fold = evidence.fold[known]
    for number in np.unique(fold):
        inside = fold == number
        tilt[inside] -= np.median(tilt[inside])
        scaled[inside] -= scaled[inside].mean()
    spread = float(tilt.std()) if len(tilt) else 0.0
    earned = np.zeros(len(tilt))
    if spread > _LEAST_TILT:
        earned = np.clip(tilt / spread, -_MOST_SPREADS, _MOST_SPREADS) * scaled
    return _test(evidence, earned, known)


def scores_of(evidence: Evidence) -> tuple[Floats, Integers] | None:
    """Return how strongly each row calls for a trade, float64 [N], and which side it would take, int64 [N].

    With two sides: the size of P(up) - P(down), and its sign. With a meta label: the probability that the
    proposed trade comes off, and the proposed side. None where labels have no sides.
    """
    p, rule = evidence.probabilities, evidence.rule
    if isinstance(rule, Meta):
        if evidence.side is None:
            return None
        return p[:, 1], np.sign(np.nan_to_num(evidence.side)).astype(np.int64)
    if rule.sides is None:
        return None
    tilt = p[:, rule.sides[1]] - p[:, rule.sides[0]]
    return np.abs(tilt), np.sign(tilt).astype(np.int64)


def threshold_lines(evidence: Evidence, costs: Costs) -> tuple[ThresholdLine, ...]:
    """Return money by threshold; thresholds are quantiles of out-of-fold scores, and the holdout is not read.

    Empty where there are no prices, no sides, or no out-of-fold rows.
    """
    scored, trades = scores_of(evidence), evidence.trades
    if scored is None or trades is None or not (~evidence.held).any():
        return ()
    score, side = scored
    lines = []
    for share in SHARES:
        threshold = float(np.quantile(score[~evidence.held], 1 - share))
        calls = np.where((score >= threshold) & (score > 0), side, 0)
        parts = []
        for part in (~evidence.held, evidence.held):
            time = evidence.timestamps[part]
            taken = take_trades(time, evidence.bar_ms, calls[part], trades.select(part))
            parts.append(
                judge_trades(
                    taken,
                    time,
                    evidence.bar_ms,
                    costs,
                    block_ms=max(_DAY_MS, _REACHES * evidence.rule.reach * evidence.bar_ms),
                    tried=len(SHARES),
                )
            )
        reached = float((score[evidence.held] >= threshold).mean()) if evidence.held.any() else 0.0
        lines.append(ThresholdLine(share, threshold, parts[0], parts[1], reached / share))
    return tuple(lines)


def _log_of_truth(probabilities: Floats, labels: Integers) -> Floats:
    said = probabilities[np.arange(len(labels)), labels]
    return np.asarray(np.log(np.clip(said, _SMALLEST, 1.0)), dtype=np.float64)


def _test(evidence: Evidence, values: Floats, rows: npt.NDArray[np.bool_]) -> ValueTest:
    """Test values of the rows where `rows` is true."""
    blocks = evidence.blocks(max(_BLOCK_BARS, _REACHES * evidence.rule.reach))[rows]
    test: BlockTest = block_test(blocks, values)
    held = values[evidence.held[rows]]
    holdout = float(held.mean()) if len(held) else 0.0
    low, high = test.bounds(0.95)
    known = bool(np.isfinite(low))
    p = test.p if abs(test.mean) > _ROUNDING else 1.0
    return ValueTest(
        mean=test.mean,
        low=low if known else None,
        high=high if known else None,
        p=p,
        holdout=holdout,
        rows=len(values),
        holds=p < LEVEL and holdout > 0,
    )
