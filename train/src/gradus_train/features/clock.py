"""Features of the time at which a bar opens, in the market's own time zone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

__all__ = ["time_features"]


def time_features(market_timezone: str) -> Mapping[str, pl.Expr]:
    """Expressions by feature name, from `timestamp`. Sessions hold their start and not their end."""
    local = pl.col("timestamp").cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(market_timezone)
    hour, month = local.dt.hour(), local.dt.month()
    day = local.dt.weekday() - 1
    hour_angle = hour.cast(pl.Float64) * (2 * math.pi / 24)
    day_angle = day.cast(pl.Float64) * (2 * math.pi / 7)
    features = {
        "hour": hour,
        "day_of_week": day,
        "is_weekend": day >= 5,
        "is_market_open_hour": (hour >= 9) & (hour < 15),
        "month": month,
        "quarter": local.dt.quarter(),
        "is_quarter_end": month % 3 == 0,
        "is_asia_session": (hour >= 9) & (hour < 17),
        "is_europe_session": (hour >= 16) | (hour < 1),
        "is_us_session": (hour >= 22) | (hour < 6),
        "hour_sin": hour_angle.sin(),
        "hour_cos": hour_angle.cos(),
        "day_sin": day_angle.sin(),
        "day_cos": day_angle.cos(),
    }
    return {name: value.cast(pl.Float64) for name, value in features.items()}
