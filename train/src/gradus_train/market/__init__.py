"""A market made by a seeded random process, in the file formats that users bring: for demonstrations, tests.

It has volatility regimes, jumps, intraday seasonality, outages, daily series with holidays and a publication
lag, and an edge of a stated size in each of the three parts by which the shipped levels differ (`Edges`). No
real market has edges of this size: they are made so that a small history shows what each level adds.
Its files say "simulated" in a column, which training carries into the provenance of the artifact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.market.daily_series import simulate_daily
from gradus_train.market.edges import Edges
from gradus_train.market.intraday import BAR_SECONDS, simulate_candles

__all__ = ["Edges", "MarketFiles", "simulate"]

_START = datetime(2025, 1, 6, tzinfo=UTC)
_DAYS_BEFORE = 60
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class MarketFiles:
    """Where a simulated market was written."""

    candles: Path
    macro: Path


def simulate(
    folder: Path, *, bars: int = 10_000, seed: int = 7, signal: float = 1.0, edges: Edges | None = None
) -> MarketFiles:
    """Write `candles.csv` and `macro.csv`; the same arguments give the same bytes.

    Args:
        folder: Made where it is missing.
        bars: Length of the history in 15-minute bars; a few of them are missing (outages).
        seed: Of the random process.
        signal: Multiplies all edges: 1 as described, 0.5 half of each, 0 a market without any.
        edges: Their sizes; the described ones by default.

    Raises:
        UsageError: Fewer than 100 bars, a negative seed, or an edge out of range.
        EnvironmentFailedError: The files cannot be written.
    """
    if bars < 100:
        raise UsageError("a market must have at least 100 bars", place="bars", value=bars)
    if seed < 0:
        raise UsageError("a seed must be at least 0", place="seed", value=seed)
    sizes = (edges or Edges()).times(signal)
    days = -(-bars * BAR_SECONDS // _DAY_SECONDS)
    first_day = np.datetime64(_START.date(), "D") - _DAYS_BEFORE
    daily = simulate_daily(np.random.default_rng([seed, 1]), first_day, _DAYS_BEFORE + days)
    rng = np.random.default_rng([seed, 2])
    known = daily.appetite_known[_DAYS_BEFORE:]
    candles = simulate_candles(rng, int(_START.timestamp()), bars, known, sizes)
    files = MarketFiles(folder / "candles.csv", folder / "macro.csv")
    write_whole(files.candles, candles.to_csv())
    write_whole(files.macro, daily.to_csv())
    return files
