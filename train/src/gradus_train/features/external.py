"""The external features: daily series joined so that a bar sees only what was known.

A value dated D is known from D + 1 (UTC) on, and carried until D + carry_days; the changes compare it with
the value known before it, which must not be older than carry_days either.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gradus_train.features.segments import Floats

__all__ = ["CORRELATION_RETURNS", "NAMES", "correlation_series", "external_features", "window_correlation"]

CORRELATION_RETURNS = 30
NAMES = (
    "usd_jpy",
    "nikkei_225",
    "us_10y_yield",
    "fear_greed_index",
    "usd_jpy_change_1d",
    "nikkei_change_1d",
    "usd_jpy_btc_correlation",
    "market_sentiment",
)
_DAY_MS = 86_400_000


def external_features(
    bars: pl.DataFrame, daily: pl.DataFrame | None, bar_ms: int, carry_days: int
) -> pl.DataFrame:
    """Compute the external features of every bar.

    Args:
        bars: With `timestamp` (ms UTC, rising) and `close`.
        daily: `date` and the series as columns, or None where there are none.
        bar_ms: Length of a bar.
        carry_days: A value is used on at most this many days after its date.

    Returns:
        One row a bar, the columns `NAMES`; null where not known.
    """
    if daily is None:
        return pl.DataFrame({name: pl.Series([None] * len(bars), dtype=pl.Float64) for name in NAMES})
    days = bars.select(day=pl.col("timestamp") // _DAY_MS)
    known = days.unique().sort("day")
    values = daily.with_columns(day=pl.col("date").cast(pl.Datetime("ms")).dt.timestamp("ms") // _DAY_MS)
    for name, change in (
        ("usd_jpy", "usd_jpy_change_1d"),
        ("nikkei_225", "nikkei_change_1d"),
        ("us_10y_yield", None),
        ("fear_greed_index", None),
    ):
        series = values.select("day", pl.col(name).alias("value")).drop_nulls()
        columns = {name: pl.col("value")}
        if change is not None:
            columns[change] = _change(carry_days)
        known = _join(known, series.select("day", **columns), carry_days)
    pairs = correlation_series(bars, values.select("day", "usd_jpy").drop_nulls(), bar_ms, carry_days)
    known = _join(known, pairs, carry_days)
    known = known.with_columns(market_sentiment=(pl.col("fear_greed_index") - 50) * 0.02)
    return days.join(known, on="day", how="left", maintain_order="left").select(NAMES)


def _change(carry_days: int) -> pl.Expr:
    recent = pl.col("day").diff() <= carry_days
    return pl.when(recent).then((pl.col("value") / pl.col("value").shift(1) - 1) * 100)


def _join(known: pl.DataFrame, series: pl.DataFrame, carry_days: int) -> pl.DataFrame:
    """Add to every day the last row of an earlier day, where that is at most `carry_days` old."""
    names = [c for c in series.columns if c != "day"]
    shifted = (
        series.with_columns(known_from=pl.col("day") + 1, dated=pl.col("day")).drop("day").sort("known_from")
    )
    joined = known.join_asof(shifted, left_on="day", right_on="known_from", strategy="backward")
    fresh = pl.col("day") - pl.col("dated") <= carry_days
    return joined.with_columns(pl.when(fresh).then(pl.col(n)).alias(n) for n in names).drop(
        "dated", "known_from", strict=False
    )


def correlation_series(
    bars: pl.DataFrame, usd_jpy: pl.DataFrame, bar_ms: int, carry_days: int
) -> pl.DataFrame:
    """Pearson correlation of the daily returns of usd_jpy and of close over the last 30 returns.

    A day counts where usd_jpy has a value and the last bar of that UTC day is there; a return goes from one
    such day to the next, which is at most `carry_days` later.

    Args:
        bars: With `timestamp` and `close`.
        usd_jpy: `day` (days since 1970) and `usd_jpy`, rising, no nulls.
        bar_ms: Length of a bar.
        carry_days: The longest step of a return.

    Returns:
        `day` and `usd_jpy_btc_correlation`, for the days that have one.
    """
    closes = bars.filter(pl.col("timestamp") % _DAY_MS == _DAY_MS - bar_ms).select(
        day=pl.col("timestamp") // _DAY_MS, close="close"
    )
    both = usd_jpy.join(closes, on="day", how="inner").sort("day")
    steps = both.select(
        "day",
        a=pl.col("usd_jpy") / pl.col("usd_jpy").shift(1) - 1,
        b=pl.col("close") / pl.col("close").shift(1) - 1,
        step=pl.col("day").diff(),
    ).drop_nulls()
    valid = (steps["step"] <= carry_days).to_numpy()
    correlation = window_correlation(steps["a"].to_numpy(), steps["b"].to_numpy(), valid, CORRELATION_RETURNS)
    return steps.select("day", usd_jpy_btc_correlation=pl.Series(correlation, nan_to_null=True)).drop_nulls()


def window_correlation(a: Floats, b: Floats, valid: np.ndarray, size: int) -> Floats:
    """Pearson correlation of the last `size` entries; NaN where one is not valid or one side never moves."""
    result = np.full(len(a), np.nan)
    for end in range(size, len(a) + 1):
        window = slice(end - size, end)
        if not valid[window].all():
            continue
        x, y = a[window] - a[window].mean(), b[window] - b[window].mean()
        if x.any() and y.any():
            ratio = (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())
            result[end - 1] = min(1.0, max(-1.0, ratio))
    return result
