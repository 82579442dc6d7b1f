"""The five strategy signals: direction (+1, 0, -1) times confidence (0 to 1)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import talib

from gradus_train.features import windows
from gradus_train.features.segments import ago, by_segment

__all__ = ["FOUR_HOURS_MS", "four_hour_signal_inputs", "signal_inputs", "strategy_signals"]

FOUR_HOURS_MS = 4 * 3_600_000
_NOISE = 1e-12
_THIRD = 1 / 3
_CLOSE, _EMA_20, _EMA_50 = pl.col("close"), pl.col("ema_20"), pl.col("ema_50")
_ATR, _RSI, _ADX = pl.col("atr_14"), pl.col("rsi_14"), pl.col("adx_14")


def strategy_signals() -> Mapping[str, pl.Expr]:
    """Expressions by feature name, from indicators, `signal_inputs` and `four_hour_signal_inputs`."""
    return {
        "strategy_signal_ATRBased": _atr_based(),
        "strategy_signal_MochipoyAlert": _mochipoy_alert(),
        "strategy_signal_MultiTimeframe": _multi_timeframe(),
        "strategy_signal_DonchianChannel": _donchian_channel(),
        "strategy_signal_ADXTrendStrength": _adx_trend_strength(),
    }


def signal_inputs() -> Mapping[str, pl.Expr]:
    """Columns that the signals need besides the features: the signal line of MACD, and RCI over 9 bars."""
    return {
        "macd_signal_9": by_segment(lambda m: talib.EMA(m, 9), pl.col("macd")),
        "rci_9": windows.rank_correlation(_CLOSE, 9),
    }


def _side(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """+1 where a is above b, -1 where below, 0 where they are equal up to rounding (1e-12 of the price)."""
    difference, noise = a - b, _CLOSE * _NOISE
    return (difference > noise).cast(pl.Float64) - (difference < -noise).cast(pl.Float64)


def _atr_based() -> pl.Expr:
    distance = pl.when(_ATR > 0).then((_CLOSE - _EMA_20) / _ATR).when(_ATR == 0).then(0.0)
    confidence = ((distance.abs() - 2) * 0.5).clip(0, 1)
    agrees = ((distance > 2) & (_RSI > 65)) | ((distance < -2) & (_RSI < 35))
    direction = -distance.sign()
    return direction * confidence * pl.when(agrees).then(1.0).otherwise(0.5) * _known(_RSI)


def _mochipoy_alert() -> pl.Expr:
    rci, before = pl.col("rci_9"), ago(pl.col("rci_9"), 1)
    turn = ((rci < -0.8) & (rci > before)).cast(pl.Float64) - ((rci > 0.8) & (rci < before)).cast(pl.Float64)
    a, b, c = _side(_EMA_20, _EMA_50), _side(pl.col("macd"), pl.col("macd_signal_9")), turn
    up, down = a.clip(0, 1) + b.clip(0, 1) + c.clip(0, 1), -(a.clip(-1, 0) + b.clip(-1, 0) + c.clip(-1, 0))
    agreed = pl.when(up >= 2).then(up).when(down >= 2).then(-down).when(up.is_not_null()).then(0.0)
    return agreed * _THIRD


def four_hour_signal_inputs(bars: pl.DataFrame, bar_ms: int) -> pl.DataFrame:
    """Add `close_4h` and `ema_4h`: the last complete 4-hour close, and its EMA20.

    A 4-hour bar (aligned to UTC) is complete with its last bar, where none of its bars is missing. It belongs
    to one segment, so after a gap the average starts again.

    Args:
        bars: With `timestamp`, `close`, `segment` and `position`, rising.
        bar_ms: Length of a bar.
    """
    ends = pl.col("timestamp") % FOUR_HOURS_MS == FOUR_HOURS_MS - bar_ms
    whole = pl.col("position") >= FOUR_HOURS_MS // bar_ms - 1  # no bar of a segment is missing
    four_hours = (
        bars.filter(ends & whole)
        .select("segment", "timestamp", close_4h="close")
        .rechunk()
        .with_columns(ema_4h=by_segment(lambda c: talib.EMA(c, 20), pl.col("close_4h")))
    )
    joined = bars.join(four_hours, on=["segment", "timestamp"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("close_4h", "ema_4h").forward_fill().over("segment"))


def _multi_timeframe() -> pl.Expr:
    close_4h, ema_4h = pl.col("close_4h"), pl.col("ema_4h")
    fast, slow = _side(_CLOSE, _EMA_50), _side(close_4h, ema_4h)
    confidence = ((close_4h / ema_4h - 1).abs() * 50).clip(0, 1)
    return pl.when(fast == slow).then(slow * confidence).when((fast + slow).is_not_null()).then(0.0)


def _donchian_channel() -> pl.Expr:
    above = _CLOSE - ago(pl.col("donchian_high_20"), 1)
    below = ago(pl.col("donchian_low_20"), 1) - _CLOSE
    up, down = (above / _ATR).clip(0, 1), (below / _ATR).clip(0, 1)
    return (
        pl.when(above > 0)
        .then(up)
        .when(below > 0)
        .then(-down)
        .when(_ATR.is_not_null() & above.is_not_null())
        .then(0.0)
    )


def _adx_trend_strength() -> pl.Expr:
    confidence = ((_ADX - 25) * 0.04).clip(0, 1)
    up = pl.col("plus_di_14") > pl.col("minus_di_14")
    return pl.when(up).then(confidence).otherwise(-confidence)


def _known(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_not_null()).then(1.0)
