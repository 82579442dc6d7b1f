"""How much history a feature needs so that more of it changes no bit.

A smoothed value depends on all bars of its segment, ever less on the older ones: two histories that end alike
come to the same float64 once what they differ in has shrunk below its rounding. On 300 random cuts of each of
two real histories (15-minute BTC/JPY of 2018, BTC/USDT of 2024) the longest that took was 378 bars for EMA20,
977 for EMA50, 517 for MACD, 585 for RSI, 621 for ATR, 572 for the directional indicators, 652 for ADX, and
376 four-hour bars for their EMA20. The figures below leave a margin of a quarter and more. Windows, lags and
time need no more than their own bars, which the features check by themselves.
"""

from __future__ import annotations

from gradus_train.features.signals import FOUR_HOURS_MS

__all__ = ["HISTORY_BARS", "history_bars"]

_EMA_20, _EMA_50, _MACD, _WILDER, _ADX = 500, 1250, 700, 800, 900
_FOUR_HOUR_BARS = 500
_BARS = {
    "rsi_14": _WILDER,
    "macd": _MACD,
    "atr_14": _WILDER,
    "ema_20": _EMA_20,
    "ema_50": _EMA_50,
    "adx_14": _ADX,
    "plus_di_14": _WILDER,
    "minus_di_14": _WILDER,
    "rsi_lag_1": _WILDER + 1,
    "macd_lag_1": _MACD + 1,
    "rsi_x_atr": _WILDER,
    "macd_x_volume": _MACD,
    "ema_spread_x_adx": _EMA_50,
    "close_x_atr": _WILDER,
    "strategy_signal_ATRBased": _WILDER,
    "strategy_signal_MochipoyAlert": _EMA_50,
    "strategy_signal_DonchianChannel": _WILDER,
    "strategy_signal_ADXTrendStrength": _ADX,
}


def history_bars(name: str, bar_ms: int = 15 * 60_000) -> int:
    """Return the bars without a gap, the last included, from which on more history changes no bit.

    Args:
        name: Of a feature.
        bar_ms: Length of a bar.

    Returns:
        1 for features that are not smoothed.
    """
    if name == "strategy_signal_MultiTimeframe":
        return (_FOUR_HOUR_BARS + 1) * (FOUR_HOURS_MS // bar_ms)
    return _BARS.get(name, 1)


HISTORY_BARS = history_bars("strategy_signal_MultiTimeframe")
"""Bars of 15 minutes from which on every feature equals that of the whole history: 84 days."""
