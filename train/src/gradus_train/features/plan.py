"""The whole plan: bars and daily series in, the asked features out, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gradus_runtime.errors import ConfigError
from gradus_train.features import external
from gradus_train.features.clock import time_features
from gradus_train.features.indicators import derived, interactions, smoothed
from gradus_train.features.segments import with_segments
from gradus_train.features.signals import four_hour_signal_inputs, signal_inputs, strategy_signals

__all__ = ["FeatureSettings", "compute_features", "known_features"]


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """What the features depend on besides the data.

    Attributes:
        bar_ms: Length of a bar in milliseconds; it divides 4 hours.
        market_timezone: IANA name of the zone of the time features.
        carry_days: A daily value is carried for at most this many days.
    """

    bar_ms: int = 15 * 60_000
    market_timezone: str = "Asia/Tokyo"
    carry_days: int = 7


def known_features() -> tuple[str, ...]:
    """Names of all built-in features."""
    from_candles = (*smoothed(), *derived(), *interactions(), *time_features("UTC"), *strategy_signals())
    return ("close", "volume", *from_candles, *external.NAMES)


def compute_features(
    bars: pl.DataFrame, daily: pl.DataFrame | None, names: Sequence[str], settings: FeatureSettings
) -> pl.DataFrame:
    """Compute features of every bar from bars up to and including it.

    Args:
        bars: `timestamp` (int64 ms UTC of the open, rising, on a grid of `bar_ms`), `open`, `high`, `low`,
            `close`, `volume` (float64). Missing bars are absent.
        daily: `date` and the daily series, or None.
        names: Which features, in which order.
        settings: Length of a bar, time zone, days of carrying.

    Returns:
        One float64 column a name, one row a bar; null where the feature is unavailable.

    Raises:
        ConfigError: A name is not of a built-in feature.
    """
    _check_names(names)
    frame = four_hour_signal_inputs(with_segments(bars.rechunk(), settings.bar_ms), settings.bar_ms)
    plan = (
        frame.lazy()
        .with_columns(**smoothed())
        .with_columns(**derived(), **signal_inputs())
        .with_columns(**interactions(), **strategy_signals(), **time_features(settings.market_timezone))
        .select(n for n in names if n not in external.NAMES)
    )
    if all(n not in external.NAMES for n in names):
        return plan.collect()
    outside = external.external_features(bars, daily, settings.bar_ms, settings.carry_days)
    return pl.DataFrame([*plan.collect().iter_columns(), *outside.iter_columns()]).select(names)


def _check_names(names: Sequence[str]) -> None:
    known = set(known_features())
    for name in names:
        if name not in known:
            raise ConfigError(
                "a feature must be built in, or come from your own table",
                place="feature order",
                value=name,
                hint="Bring a table that has it: --features FILE. Built in: see docs/features.md.",
            )
