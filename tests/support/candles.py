"""Small candle histories for tests: random, flat, with gaps; as frames and as CSV text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import polars as pl

BAR_MS = 15 * 60_000
START_MS = 1_700_006_400_000  # 2023-11-15T00:00:00Z


def random_bars(
    count: int, seed: int = 0, *, start: int = START_MS, bar_ms: int = BAR_MS, step: float = 0.004
) -> pl.DataFrame:
    """Bars of a random walk around 1,000,000, with some bars without volume."""
    rng = np.random.default_rng(seed)
    close = np.round(1e6 * np.exp(np.cumsum(rng.normal(0, step, count))), 1)
    opening = np.round(close * (1 + rng.normal(0, step, count)), 1)
    high = np.round(np.maximum(opening, close) * (1 + np.abs(rng.normal(0, step, count))), 1)
    low = np.round(np.minimum(opening, close) * (1 - np.abs(rng.normal(0, step, count))), 1)
    volume = np.round(rng.exponential(10, count) * (rng.random(count) > 0.05), 4)
    time = start + np.arange(count, dtype=np.int64) * bar_ms
    return pl.DataFrame(
        {"timestamp": time, "open": opening, "high": high, "low": low, "close": close, "volume": volume}
    )


def flat_bars(count: int, price: float = 0.1, volume: float = 0.0) -> pl.DataFrame:
    """Bars in which nothing happens."""
    time = START_MS + np.arange(count, dtype=np.int64) * BAR_MS
    columns = {name: np.full(count, price) for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"timestamp": time, **columns, "volume": np.full(count, volume)})


def without_bars(bars: pl.DataFrame, missing: Iterable[int]) -> pl.DataFrame:
    """Leave out the bars at these positions."""
    gone = set(missing)
    return bars[[i for i in range(len(bars)) if i not in gone]]


def stamp(ms: int) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def csv_text(bars: pl.DataFrame) -> str:
    """The bars as a candle file."""
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [",".join([stamp(row[0]), *map(repr, row[1:])]) for row in bars.iter_rows()]
    return "\n".join(lines) + "\n"


def daily_values(days: int, seed: int = 0, *, start: str = "2023-09-01") -> pl.DataFrame:
    """Daily series with weekends, holidays and a late start of the mood index."""
    rng = np.random.default_rng(seed)
    date = np.datetime64(start, "D") + np.arange(days)
    weekday = (date.astype(np.int64) + 3) % 7
    holiday = rng.random(days) < 0.05
    work = (weekday < 5) & ~holiday
    usd = np.where(work, np.round(150 * np.exp(np.cumsum(rng.normal(0, 0.005, days))), 2), np.nan)
    nikkei = np.where(work, np.round(33_000 * np.exp(np.cumsum(rng.normal(0, 0.01, days))), 1), np.nan)
    us_10y = np.where(work, np.round(4 + rng.normal(0, 0.2, days), 2), np.nan)
    mood = np.where(np.arange(days) > 3, rng.integers(0, 101, days).astype(float), np.nan)
    return pl.DataFrame(
        {
            "date": date,
            "usd_jpy": usd,
            "nikkei_225": nikkei,
            "us_10y_yield": us_10y,
            "fear_greed_index": mood,
        }
    ).with_columns(pl.selectors.float().fill_nan(None))
