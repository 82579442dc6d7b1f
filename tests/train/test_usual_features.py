"""Usual features that are not built in, each one line, against TA-Lib or numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import talib
from tests.support.candles import random_bars
from tests.support.features import compiled, order_of, run

Floats = npt.NDArray[np.float64]

TERMS = {
    "typical": "(high + low + close) / 3",
    "true_range": "larger(larger(high - low, abs(high - lag(close, 1))), abs(low - lag(close, 1)))",
    "inflow": "sum(where(delta(typical, 1) > 0, typical * volume, 0), 14)",
    "outflow": "sum(where(delta(typical, 1) < 0, typical * volume, 0), 14)",
    "log_return": "log(close / lag(close, 1))",
}
USUAL = {
    "stoch_k": "100 * (close - min(low, 14)) / (max(high, 14) - min(low, 14))",
    "stoch_d": "mean(stoch_k, 3)",
    "williams_r": "-100 * (max(high, 14) - close) / (max(high, 14) - min(low, 14))",
    "cci_14": "-mean_offset(typical, 14) / (0.015 * mean_deviation(typical, 14))",
    "mfi_14": "100 * inflow / (inflow + outflow)",
    "vwap_96": "sum(typical * volume, 96) / sum(volume, 96)",
    "bb_width": "4 * population_std(close, 20) / mean(close, 20)",
    "atr_return": "delta(close, 4) / wilder(true_range, 14, 544)",
    "z_score": "-mean_offset(close, 96) / std(close, 96)",
    "realised_vol": "sqrt(sum(log_return * log_return, 96))",
    "roc_10": "100 * (close / lag(close, 10) - 1)",
    "obv_50": "sum(sign(delta(close, 1)) * volume, 50)",
    "log_volume": "log(1 + volume)",
    "keltner": "(close - ema(close, 20, 640)) / (2 * wilder(true_range, 10, 400))",
    "trix_like": "ema(ema(close, 5, 200), 5, 200) - close",
    "percent_b": "0.5 - mean_offset(close, 20) / (4 * population_std(close, 20))",
}


def rolling(function: Callable[..., Floats], x: Floats, n: int) -> Floats:
    view = np.lib.stride_tricks.sliding_window_view(x, n)
    return np.concatenate([np.full(n - 1, np.nan), function(view, axis=1)])


def change(x: Floats, n: int) -> Floats:
    return np.concatenate([np.full(n, np.nan), x[n:] - x[:-n]])


def sample_std(x: Floats, axis: int) -> Floats:
    return np.std(x, axis=axis, ddof=1)


@cache
def bars() -> pl.DataFrame:
    return random_bars(3000, 12)


@cache
def made() -> pl.DataFrame:
    return run(compiled(order_of(USUAL, terms=TERMS)), bars())


def wanted() -> dict[str, Floats]:
    h, lo, c, v = (bars()[n].to_numpy() for n in ("high", "low", "close", "volume"))
    typical = (h + lo + c) / 3
    returns = np.concatenate([[np.nan], np.log(c[1:] / c[:-1])])
    k = 100 * (c - rolling(np.min, lo, 14)) / (rolling(np.max, h, 14) - rolling(np.min, lo, 14))
    upper, middle, lower = talib.BBANDS(c, 20, 2.0, 2.0)
    return {
        "stoch_k": talib.STOCHF(h, lo, c, 14, 1)[0],
        "stoch_d": rolling(np.mean, k, 3),
        "williams_r": talib.WILLR(h, lo, c, 14),
        "cci_14": talib.CCI(h, lo, c, 14),
        "mfi_14": talib.MFI(h, lo, c, v, 14),
        "vwap_96": rolling(np.sum, typical * v, 96) / rolling(np.sum, v, 96),
        "bb_width": (upper - lower) / middle,
        "atr_return": change(c, 4) / talib.ATR(h, lo, c, 14),
        "z_score": (c - rolling(np.mean, c, 96)) / rolling(sample_std, c, 96),
        "realised_vol": np.sqrt(rolling(np.sum, returns * returns, 96)),
        "roc_10": talib.ROC(c, 10),
        "obv_50": rolling(np.sum, np.nan_to_num(np.sign(change(c, 1))) * v, 50),
        "log_volume": np.log1p(v),
        "keltner": (c - talib.EMA(c, 20)) / (2 * talib.ATR(h, lo, c, 10)),
        "trix_like": talib.EMA(talib.EMA(c, 5), 5) - c,
        "percent_b": (c - lower) / (upper - lower),
    }


@pytest.mark.parametrize("name", USUAL)
def test_a_usual_feature_is_one_line(name: str) -> None:
    history = {f.name: f.bars for f in compiled(order_of(USUAL, terms=TERMS)).spec.features}[name]
    got = made()[name].fill_null(np.nan).to_numpy()[max(history, 60) :]
    want = wanted()[name][max(history, 60) :]
    scale = np.nanstd(want)
    assert not np.isnan(got).any()
    np.testing.assert_allclose(got, want, rtol=3e-7, atol=3e-7 * scale)


def test_a_logarithm_is_within_a_rounding_over_all_of_float64() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [np.exp(rng.uniform(-700, 700, 3000)), rng.uniform(0.9, 1.1, 3000), [1.0, 5e-324, 1e308]]
    )
    want = np.array([math.log(value) for value in x])  # np.log is off by 3.4e-16 in numpy 1.26
    frame = random_bars(len(x)).with_columns(volume=pl.Series(x), open=pl.Series(want))
    got = run(compiled(order_of({"f": "(log(volume) - open) * 1e12"})), frame)["f"].to_numpy() / 1e12
    assert np.max(np.abs(got) / np.maximum(np.abs(want), 1e-300)) < 4e-16
    assert run(compiled(order_of({"f": "log(volume)"})), frame)["f"][-3] == 0.0


@pytest.mark.parametrize(
    "expression", ["log(0 * close)", "log(-close)", "1 / (close - close)", "sqrt(-close)"]
)
def test_what_has_no_value_is_unavailable(expression: str) -> None:
    assert run(compiled(order_of({"f": expression})), random_bars(20))["f"].null_count() == 20


def test_a_correlation_of_what_never_moves_is_unavailable() -> None:
    graph = compiled(order_of({"f": "correlation(close, where(close > 0, 1, 0), 9)"}))
    assert run(graph, random_bars(50))["f"].null_count() == 50


@pytest.mark.parametrize(
    "expression", ["larger({a}, {b})", "smaller({a}, {b})", "max({b}, 3)", "clip({b}, {a}, 1)"]
)
def test_a_zero_of_larger_and_smaller_is_above_zero_wherever_it_stands(expression: str) -> None:
    made = expression.format(a="0 * close", b="-(0 * close)")
    graph = compiled(
        order_of({"f": f"clip(1 / {made}, -1, 1)", "g": f"clip(1 / {made.replace('-(0', '(0')}, -1, 1)"})
    )
    for count in (4, 5, 8, 33):
        got = run(graph, random_bars(count))
        assert set(got["f"].drop_nulls()) == set(got["g"].drop_nulls()) == {1.0}
