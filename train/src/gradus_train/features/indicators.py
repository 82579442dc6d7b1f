"""Everything that candles alone give, apart from time and signals: expressions by feature name.

Smoothed indicators are TA-Lib's (https://ta-lib.org/functions/), restarted in every segment.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import talib

from gradus_train.features import windows
from gradus_train.features.segments import ago, by_segment, complete

__all__ = ["derived", "interactions", "smoothed"]

_CLOSE, _HIGH, _LOW, _VOLUME = (pl.col(c) for c in ("close", "high", "low", "volume"))


def smoothed() -> Mapping[str, pl.Expr]:
    """Recursive indicators: what the later expressions build on."""
    bar = (_HIGH, _LOW, _CLOSE)
    ema = {n: by_segment(lambda c, n=n: talib.EMA(c, n), _CLOSE) for n in (12, 20, 26, 50)}
    return {
        "rsi_14": by_segment(lambda c: talib.RSI(c, 14), _CLOSE),
        "macd": ema[12] - ema[26],
        "ema_20": ema[20],
        "ema_50": ema[50],
        "atr_14": by_segment(lambda h, lo, c: talib.ATR(h, lo, c, 14), *bar),
        "adx_14": by_segment(lambda h, lo, c: talib.ADX(h, lo, c, 14), *bar),
        "plus_di_14": by_segment(lambda h, lo, c: talib.PLUS_DI(h, lo, c, 14), *bar),
        "minus_di_14": by_segment(lambda h, lo, c: talib.MINUS_DI(h, lo, c, 14), *bar),
    }


def derived() -> Mapping[str, pl.Expr]:
    """Windows and lags, from columns that `smoothed` has added."""
    features = {
        "bb_position": windows.position_in_band(_CLOSE, 20, 2.0),
        "volume_ratio": _volume_ratio(),
        "donchian_high_20": complete(_HIGH.rolling_max(20), 20),
        "donchian_low_20": complete(_LOW.rolling_min(20), 20),
        "rsi_lag_1": ago(pl.col("rsi_14"), 1),
        "macd_lag_1": ago(pl.col("macd"), 1),
    }
    features |= {f"close_lag_{n}": ago(_CLOSE, n) for n in (1, 2, 3, 5, 10)}
    features |= {f"volume_lag_{n}": ago(_VOLUME, n) for n in (1, 2, 3)}
    for n in (5, 10, 20):
        features[f"close_ma_{n}"] = windows.mean(_CLOSE, n)
        features[f"close_std_{n}"] = windows.sample_std(_CLOSE, n)
        features[f"close_max_{n}"] = complete(_CLOSE.rolling_max(n), n)
        features[f"close_min_{n}"] = complete(_CLOSE.rolling_min(n), n)
    return features


def interactions() -> Mapping[str, pl.Expr]:
    """Products of features, from columns that are there already."""
    high, low = pl.col("donchian_high_20"), pl.col("donchian_low_20")
    return {
        "channel_position": pl.when(high == low).then(0.5).otherwise((_CLOSE - low) / (high - low)),
        "rsi_x_atr": pl.col("rsi_14") * pl.col("atr_14"),
        "macd_x_volume": pl.col("macd") * _VOLUME,
        "bb_position_x_volume_ratio": pl.col("bb_position") * pl.col("volume_ratio"),
        "ema_spread_x_adx": (pl.col("ema_20") - pl.col("ema_50")) * pl.col("adx_14"),
        "close_x_atr": _CLOSE * pl.col("atr_14"),
        "volume_x_bb_position": _VOLUME * pl.col("bb_position"),
    }


def _volume_ratio() -> pl.Expr:
    average = windows.mean_of_counts(_VOLUME, 20)
    return pl.when(average == 0).then(1.0).otherwise(_VOLUME / average)
