"""Features of candles against their definitions in plain Python, and against TA-Lib called directly."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import talib
from tests.support import feature_oracles as oracle
from tests.support.candles import BAR_MS, START_MS, flat_bars, random_bars, without_bars
from tests.support.features import NAMES, SIGNALS, compiled, features, with_settings

from gradus_runtime.errors import ConfigError

CANDLE_NAMES = NAMES[:43]


def segment(bars: pl.DataFrame) -> oracle.Bars:
    return oracle.Bars(*(bars[c].to_list() for c in ("timestamp", "high", "low", "close", "volume")))


def assert_same(got: pl.Series, expected: oracle.Values, scale: float) -> None:
    """Available on the same bars, and equal up to rounding relative to `scale`."""
    assert got.is_null().to_list() == [v is None for v in expected], got.name
    want = np.array([v for v in expected if v is not None])
    np.testing.assert_allclose(
        got.drop_nulls().to_numpy(), want, rtol=1.2e-7, atol=1e-11 * scale, err_msg=got.name
    )


def scale_of(name: str) -> float:
    """The size of the sums behind a feature: what its rounding is relative to."""
    return 1e9 if "_x_" in name else 1e6 if name.startswith(("close", "macd", "ema")) else 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_candle_features_follow_their_definitions_in_every_segment(seed: int) -> None:
    bars = without_bars(random_bars(420, seed), [*range(150, 153), 300])
    got = features(bars, None, CANDLE_NAMES)
    parts = [bars[:150], bars[150:297], bars[297:]]
    expected = [oracle.candle_features(segment(p)) for p in parts]
    for name in CANDLE_NAMES:
        assert_same(got[name], [v for e in expected for v in e[name]], scale_of(name))


def test_signals_follow_their_definitions_in_every_segment() -> None:
    bars = without_bars(random_bars(1300, 5, start=START_MS + 7 * BAR_MS, step=0.006), [700, 701])
    got = features(bars, None, SIGNALS)
    expected = [oracle.signal_features(segment(p), 15) for p in (bars[:700], bars[700:])]
    for name in SIGNALS:
        assert_same(got[name], [v for e in expected for v in e[name]], 1.0)
        assert got[name].drop_nulls().n_unique() > 2, f"{name} never speaks here: the test shows nothing"


def test_signals_of_hourly_bars_use_four_of_them_for_four_hours() -> None:
    bars = random_bars(300, 6, bar_ms=4 * BAR_MS)
    got = features(bars, None, SIGNALS, with_settings(bar_ms=4 * BAR_MS))
    expected = oracle.signal_features(segment(bars), 60)
    for name in SIGNALS:
        assert_same(got[name], expected[name], 1.0)


def test_smoothed_indicators_are_those_of_ta_lib_once_their_windows_are_full() -> None:
    bars = random_bars(3000, 3)
    h, lo, c = (bars[n].to_numpy() for n in ("high", "low", "close"))
    names = ("rsi_14", "atr_14", "adx_14", "plus_di_14", "minus_di_14", "ema_20", "ema_50", "macd")
    want = (
        talib.RSI(c, 14),
        talib.ATR(h, lo, c, 14),
        talib.ADX(h, lo, c, 14),
        talib.PLUS_DI(h, lo, c, 14),
        talib.MINUS_DI(h, lo, c, 14),
        talib.EMA(c, 20),
        talib.EMA(c, 50),
        talib.EMA(c, 12) - talib.EMA(c, 26),
    )
    got = features(bars, None, names)
    history = {f.name: f.bars for f in compiled(None, names).spec.features}
    for name, expected in zip(names, want, strict=True):
        made = got[name].fill_null(np.nan).to_numpy()
        assert np.isnan(made).tolist() == np.isnan(expected).tolist(), name
        full = slice(history[name] - 1, None)
        apart = np.abs(
            made[full].view(np.int32).astype(np.int64) - expected[full].astype(np.float32).view(np.int32)
        )
        assert apart.max() <= 1, name
        assert (apart > 0).sum() <= 1, name


def test_the_position_in_the_band_agrees_with_ta_lib() -> None:
    bars = random_bars(300, 4)
    c = bars["close"].to_numpy()
    upper, _, lower = talib.BBANDS(c, 20, 2.0, 2.0)
    got = features(bars, None, ["bb_position"])["bb_position"].to_numpy()
    np.testing.assert_allclose(got[19:], ((c - lower) / (upper - lower))[19:], rtol=2e-6)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/New_York"])
def test_time_features_are_of_the_markets_own_clock(zone: str) -> None:
    bars = random_bars(200, 0, bar_ms=7 * 3_600_000)
    names = tuple(oracle.time_features(0, "UTC"))
    assert len(names) == 14
    got = features(bars, None, names, with_settings(bar_ms=7 * 3_600_000, market_timezone=zone)).rows(
        named=True
    )
    for ms, row in zip(bars["timestamp"], got, strict=True):
        assert row == pytest.approx(oracle.time_features(ms, zone), abs=1e-7)


@pytest.mark.parametrize("price", [0.1, 1 / 3, 1_733_743.0, 1e-7])
def test_a_flat_market_has_no_deviation_no_direction_and_middle_positions(price: float) -> None:
    names = ("close_std_5", "close_std_20", "close_ma_20", "bb_position", "channel_position", "volume_ratio")
    got = features(flat_bars(400, price), None, (*names, *SIGNALS)).row(-1, named=True)
    assert [got[n] for n in names] == [0.0, 0.0, np.float32(price), 0.5, 0.5, 1.0]
    assert [got[n] for n in SIGNALS] == [0.0] * 5


def test_a_flat_window_after_wild_bars_has_exactly_no_deviation() -> None:
    wild, flat = random_bars(100, 9), flat_bars(30, 0.1)
    flat = flat.with_columns(timestamp=pl.col("timestamp") + 100 * BAR_MS)
    got = features(pl.concat([wild, flat]), None, ["close_std_20", "bb_position"])
    assert got.row(-1) == (0.0, 0.5)


def test_a_feature_is_unavailable_until_its_segment_has_its_history() -> None:
    names = (
        "close_lag_10",
        "rsi_14",
        "ema_50",
        "adx_14",
        "macd",
        "rsi_lag_1",
        "strategy_signal_MultiTimeframe",
    )
    bars = without_bars(random_bars(900, 8), [400])
    got = features(bars, None, names)
    first = [int(got[n][400:].is_not_null().arg_max() or 0) for n in names]
    # Bar 401 opens at 04:15 of its day; the first whole 4-hour bar after it begins at 08:00, 15 bars later.
    assert first == [10, 14, 49, 27, 25, 15, 15 + 20 * 16 - 1]


def test_features_come_in_the_asked_order() -> None:
    names = ("hour", "usd_jpy", "close", "ema_50", "market_sentiment")
    assert features(random_bars(60), None, names).columns == list(names)


def test_it_does_not_matter_how_a_frame_lies_in_memory() -> None:
    bars = random_bars(2000, 7)
    parts = pl.concat([bars[:7], bars[7:900], bars[900:901], bars[901:]], rechunk=False)
    assert parts.n_chunks() == 4
    names = (*CANDLE_NAMES, *SIGNALS)
    assert features(parts, None, names).equals(features(bars, None, names))


def test_an_unknown_feature_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="'rsi_15'"):
        features(random_bars(60), None, ["close", "rsi_15"])


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
def test_hours_are_right_at_every_change_of_clocks(zone: str) -> None:
    hour = 3_600_000
    bars = random_bars(24 * 366, 0, start=1_704_067_200_000, bar_ms=hour)
    names = ("hour", "day_of_week", "month")
    got = features(bars, None, names, with_settings(bar_ms=hour, market_timezone=zone))
    want = [oracle.time_features(ms, zone) for ms in bars["timestamp"]]
    for name in names:
        assert got[name].to_list() == [row[name] for row in want], name
