"""Series of prices, labels and probabilities with known edges, for the evidence of the gates.

Volatility comes in clusters and with the hour, as in real markets; probabilities of a move follow it. The
tilt between BUY and SELL is a slow walk around 0, as that of real runs is; with an edge, the price drifts
after it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_live.bars import Bars
from gradus_live.costs import Costs
from gradus_live.labels import FixedHorizon, outcomes
from gradus_live.volatility import recent_volatility
from gradus_train.evaluation.evidence import Evidence
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.verdict import ReachedVerdict, judge
from gradus_train.sections import PolicySettings

__all__ = ["HORIZON", "constant", "judged", "series"]

HORIZON = 4
BAR_MS = 900_000
_FOLDS = 5
_HOLDOUT = 0.15
_VOLATILITY_STAYS, _VOLATILITY_SIZE = 0.98, 0.5
_BAR_SIGMA = 0.002
_TAILS = 5  # degrees of freedom of the shocks

Floats = npt.NDArray[np.float64]


def series(
    seed: int, n: int, *, hold: float = 0.7, ic: float = 0.0, stays: float = 0.9, noise: float = 0.3
) -> Evidence:
    """Simulate the rows of a run.

    Args:
        seed: Of everything.
        n: Rows of folds and holdout.
        hold: Share of HOLD.
        ic: Correlation of the tilt with the return over the label's horizon, in units of volatility.
        stays: Autocorrelation of the tilt from bar to bar.
        noise: How far probabilities of a move are off, as a deviation of their log odds.
    """
    rng = np.random.default_rng(seed)
    total = n + HORIZON
    tilt = _slow(rng, total, stays)
    swing = _slow(rng, total, _VOLATILITY_STAYS) * _VOLATILITY_SIZE + 0.3 * np.cos(
        np.arange(total) * np.pi / 48
    )
    sigma = _BAR_SIGMA * np.exp(swing - swing.mean())
    shocks = rng.standard_t(_TAILS, total) / np.sqrt(_TAILS / (_TAILS - 2))
    drift = np.append(0.0, _strength(ic, stays) * tilt[:-1])
    returns = sigma * (shocks + drift)
    close = 1000.0 * np.exp(np.cumsum(returns))
    ahead = np.abs(close[HORIZON:] / close[:-HORIZON] - 1)
    threshold = float(np.quantile(ahead, hold))
    bars = Bars(np.arange(total, dtype=np.int64) * BAR_MS, close, BAR_MS, np.append(close[0], close[:-1]))
    rule = FixedHorizon(HORIZON, threshold)
    made = outcomes(rule, bars)
    known = np.arange(total) < n
    known &= np.isfinite(recent_volatility(bars, 96))
    moved = _share_beyond(threshold / (sigma * np.sqrt(HORIZON)))
    odds = np.log(moved / (1 - moved)) + noise * _slow(rng, total, 0.9)
    p_move = 1 / (1 + np.exp(-odds))
    up = 1 / (1 + np.exp(-0.6 * tilt - 0.2))  # a constant tilt, too: it must earn nothing
    said = np.column_stack([p_move * (1 - up), 1 - p_move, p_move * up])[known]
    return _evidence(bars, rule, said, known, made.labels[known])


def constant(seed: int, n: int, hold: float, wobble: float = 0.0) -> Evidence:
    """Simulate a model that always says HOLD, but for a wobble of its probabilities; there is no edge."""
    whole = series(seed, n, hold=hold)
    rng = np.random.default_rng(seed + 1)
    shares = np.bincount(whole.labels, minlength=3) / len(whole.labels)
    if shares[1] < shares.max():
        shares = np.array([0.3, 0.4, 0.3])
    said = np.log(shares) + wobble * rng.normal(size=(len(whole.labels), 3))
    said = np.exp(said)
    bars_said = said / said.sum(axis=1, keepdims=True)
    return _replaced(whole, bars_said)


def judged(evidence: Evidence, costs: Costs | None, settings: PolicySettings | None = None) -> ReachedVerdict:
    """Return the verdict of the policy that a new configuration would get for these rows."""
    report, _, _ = choose_policy(evidence, costs, settings or PolicySettings())
    return judge(evidence, costs, report)


def _evidence(
    bars: Bars, rule: FixedHorizon, said: Floats, known: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]
) -> Evidence:
    n = len(labels)
    held = int(n * _HOLDOUT)
    fold = np.minimum(1 + np.arange(n) * _FOLDS // (n - held), _FOLDS + 1)
    fold[n - held :] = _FOLDS + 1
    base = np.tile(np.bincount(labels, minlength=3) / n, (n, 1))
    return Evidence(
        timestamps=bars.timestamps[known],
        bar_ms=BAR_MS,
        labels=labels,
        probabilities=said,
        priors=base,
        fold=fold,
        held=fold == _FOLDS + 1,
        rule=rule,
        trades=outcomes(rule, bars).select(known),
        sigma=recent_volatility(bars, 96)[known],
    )


def _replaced(evidence: Evidence, said: Floats) -> Evidence:
    fields = {name: getattr(evidence, name) for name in Evidence.__slots__}
    return Evidence(**{**fields, "probabilities": said})


def _slow(rng: np.random.Generator, n: int, stays: float) -> Floats:
    """A series of variance 1 that keeps `stays` of itself from bar to bar."""
    shocks = (np.sqrt(1 - stays**2) * rng.standard_normal(n)).tolist()
    result, last = np.empty(n), float(rng.standard_normal())
    for i, shock in enumerate(shocks):
        last = stays * last + shock
        result[i] = last
    return result


def _strength(ic: float, stays: float) -> float:
    """Drift a bar, per unit of tilt, so that the tilt correlates by `ic` with the next bars' return."""
    lags = np.arange(HORIZON)
    reach = float((stays**lags).sum())
    spread = float((stays ** np.abs(lags[:, None] - lags[None, :])).sum())
    # ic = k reach / sqrt(horizon + k^2 spread), solved for k
    return float(ic * np.sqrt(HORIZON / (reach**2 - ic**2 * spread)))


def _share_beyond(z: Floats) -> Floats:
    """About P(|Z| > z) of a standard normal (a logistic fit, good to 0.01), within [0.001, 0.999]."""
    z = np.minimum(z, 10.0)
    tail = 1 / (1 + np.exp(1.5976 * z + 0.07056 * z**3))
    return np.clip(2 * tail, 0.001, 0.999)
