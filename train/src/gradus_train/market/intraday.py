"""Simulated 15-minute candles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from gradus_train.market.edges import Edges
from gradus_train.market.trend import Trend

__all__ = ["BAR_SECONDS", "SimulatedCandles", "simulate_candles"]

BAR_SECONDS = 900
_BARS_PER_DAY = 96
_START_PRICE = 10_000_000.0
_REGIME_SIGMA = np.array([0.0005, 0.0012, 0.0044])  # of a bar's log return: calm, usual, wild
_REGIME_STAY = 0.985
_MISPRICING_STAYS = 0.75  # of each bar: half of it is gone after 2.4 bars
_HOURS_OF_TRENDS = 5  # of a day, from midnight: trends go on; in the others they are taken back
_JUMP_CHANCE = 0.001
_JUMP_SIGMAS = 6.0
_BARS_PER_OUTAGE = 6000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedCandles:
    """Bars that the market had: `time` int64 seconds UTC of the open, prices in whole yen, volume."""

    time: npt.NDArray[np.int64]
    open: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    close: npt.NDArray[np.int64]
    volume: Floats

    def to_csv(self) -> bytes:
        """Return the bytes of a candle file."""
        lines = ["timestamp,open,high,low,close,volume,simulated"]
        columns = (self.time, self.open, self.high, self.low, self.close, self.volume)
        for t, o, h, lo, c, v in zip(*(column.tolist() for column in columns), strict=True):
            stamp = datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{stamp},{o},{h},{lo},{c},{v:.4f},true")
        return ("\n".join(lines) + "\n").encode()


def simulate_candles(
    rng: np.random.Generator, start: int, bars: int, appetite_by_day: Floats, edges: Edges
) -> SimulatedCandles:
    """Simulate `bars` bars from `start` (seconds UTC, a midnight).

    Args:
        rng: The only source of chance.
        start: Open of the first bar.
        bars: How many, those of outages counted.
        appetite_by_day: float64 [days], the appetite for risk that was known on each day.
        edges: Sizes of what a model can know.
    """
    index = np.arange(bars)
    hour = index % _BARS_PER_DAY / 4.0
    season = 1.0 + 0.35 * np.cos(2 * np.pi * (hour - 14.0) / 24.0)
    sigma = _REGIME_SIGMA[_regimes(rng, bars)] * season
    log_price = _log_price(rng, sigma, appetite_by_day[index // _BARS_PER_DAY], edges)
    close = np.maximum(np.round(_START_PRICE * np.exp(log_price)), 1.0)
    opening = np.round(np.append(_START_PRICE, close[:-1]) * (1.0 + 0.05 * sigma * rng.standard_normal(bars)))
    wick = np.abs(rng.standard_normal((2, bars))) * 0.5 * sigma
    high = np.round(np.maximum(opening, close) * (1.0 + wick[0]))
    low = np.maximum(np.round(np.minimum(opening, close) * (1.0 - wick[1])), 1.0)
    activity = 1.0 + 2.0 * np.abs(close / opening - 1.0) / sigma
    volume = 8.0 * season * activity * np.exp(0.5 * rng.standard_normal(bars))
    keep = ~_outages(rng, bars)
    o, h, lo, c = (column[keep].astype(np.int64) for column in (opening, high, low, close))
    return SimulatedCandles((start + index * BAR_SECONDS)[keep], o, h, lo, c, volume[keep])


def _regimes(rng: np.random.Generator, bars: int) -> npt.NDArray[np.int64]:
    """A chain that stays with `_REGIME_STAY`, else moves to one of all three."""
    moves = rng.random(bars) > _REGIME_STAY
    moves[0] = True
    targets = rng.choice(3, size=bars, p=(0.4, 0.3, 0.3))
    last_move = np.maximum.accumulate(np.where(moves, np.arange(bars), 0))
    regimes: npt.NDArray[np.int64] = targets[last_move]
    return regimes


def _log_price(rng: np.random.Generator, sigma: Floats, appetite: Floats, edges: Edges) -> Floats:
    """Random walk with jumps and the drift of two edges, plus a mispricing that is taken back."""
    bars = len(sigma)
    jumps = (rng.random(bars) < _JUMP_CHANCE) * rng.standard_normal(bars) * _JUMP_SIGMAS
    steps = sigma * (rng.standard_normal(bars) + jumps + edges.external * appetite)
    shocks = edges.price * sigma * rng.standard_normal(bars)
    goes_on = np.arange(bars) % _BARS_PER_DAY < 4 * _HOURS_OF_TRENDS
    along = edges.strategy * sigma * np.where(goes_on, 1.0, -1.0)
    value = np.empty(bars)
    trend, side = Trend(), 0
    walk = mispricing = 0.0
    columns = (steps.tolist(), shocks.tolist(), along.tolist())
    for i, (step, shock, push) in enumerate(zip(*columns, strict=True)):
        walk += step + push * side
        mispricing = _MISPRICING_STAYS * mispricing + shock
        value[i] = walk + mispricing
        side = trend.add(walk + mispricing)
    return value


def _outages(rng: np.random.Generator, bars: int) -> npt.NDArray[np.bool_]:
    """One outage of 2 to 8 bars every `_BARS_PER_OUTAGE` bars, or one in a shorter history."""
    missing = np.zeros(bars, dtype=np.bool_)
    for _ in range(max(1, bars // _BARS_PER_OUTAGE)):
        start = int(rng.integers(bars // 10, bars - bars // 10))
        missing[start : start + int(rng.integers(2, 9))] = True
    return missing
