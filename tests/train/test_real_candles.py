"""Both real files in full: what they hold, every feature against its definition, causality, speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from tests.support import feature_oracles as oracle
from tests.support.candles import BAR_MS
from tests.support.features import compiled, features

from gradus_live.labels import FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_train.data.data_report import Gap, make_report
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.ingest import load_candles, load_daily

pytestmark = pytest.mark.real_data

ORDER = feature_order.load(Path(__file__).parents[2] / "config/feature_order.json")
JPY, USDT = "btc_jpy_15m.csv", "btc_usdt_15m_2024.csv"
JPY_GAPS = (Gap("2018-04-19T19:00:00Z", 4), Gap("2018-07-24T16:00:00Z", 4))
SMOOTHED = ("rsi_14", "macd", "atr_14", "ema_20", "ema_50", "adx_14", "plus_di_14", "minus_di_14")


def load(folder: Path, name: str, bridge_bars: int = 4) -> Dataset:
    settings = DataSettings(bridge_bars=bridge_bars)
    source = DataSource(folder / name, folder / "macro_daily.csv", settings=settings)
    return load_dataset(source, ORDER, FixedHorizon())


@pytest.mark.parametrize(
    ("name", "bridge_bars", "rows", "gaps", "shares", "level1"),
    [
        (JPY, 0, 23_128, JPY_GAPS, (18.8, 63.1, 18.1), 18_240),
        (JPY, 4, 23_128, JPY_GAPS, (18.8, 63.1, 18.1), 18_904),
        (USDT, 4, 35_136, (), (10.6, 77.9, 11.5), 30_816),
    ],
)
def test_a_real_file_holds_what_is_known_of_it(
    development_data: Path,
    name: str,
    bridge_bars: int,
    rows: int,
    gaps: tuple[Gap, ...],
    shares: tuple[float, ...],
    level1: int,
) -> None:
    data = load(development_data, name, bridge_bars)
    report = make_report(data, ORDER)
    assert report.rows == rows
    assert report.gaps == gaps
    assert report.bridged_bars == (8 if gaps and bridge_bars else 0)
    assert [round(100 * s, 1) for s in report.label_shares.values()] == list(shares)
    assert report.levels[0].rows == level1
    assert (report.empty, report.constant, report.duplicates) == ((), (), ())
    assert not report.simulated
    assert not np.isinf(data.features).any()
    assert np.isfinite(data.features[-1]).all()


def segments(bars: pl.DataFrame) -> list[tuple[int, int]]:
    ends = [*(np.flatnonzero(np.diff(bars["timestamp"]) != BAR_MS) + 1).tolist(), len(bars)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


@pytest.mark.parametrize("name", [JPY, USDT])
def test_every_feature_of_a_real_file_follows_its_definition(development_data: Path, name: str) -> None:
    bars = load_candles(development_data / name, bar_ms=BAR_MS).frame
    names = [f.name for f in ORDER.features if f.group != "external_api"]
    got = features(bars, None, names)
    history = {f.name: f.bars for f in compiled(None, names).spec.features}
    compared = dict.fromkeys(names, 0)
    apart = dict.fromkeys(names, 0)
    for start, end in segments(bars):
        part = bars[start:end]
        segment = oracle.Bars(*(part[c].to_list() for c in ("timestamp", "high", "low", "close", "volume")))
        kind = oracle.RECURSIVE
        expected = oracle.candle_features(segment, kind) | oracle.signal_features(segment, 15, kind)
        stamps = [oracle.time_features(t, "Asia/Tokyo") for t in segment.time]
        expected |= {n: [row[n] for row in stamps] for n in stamps[0]}
        for feature in names:
            column = got[feature][start:end]
            assert column.is_null().to_list() == [v is None for v in expected[feature]], feature
            full = slice(history[feature] - 1, None)
            want = np.array([np.nan if v is None else v for v in expected[feature]])[full]
            made = column.fill_null(np.nan).to_numpy()[full]
            scale = np.nanmax(np.abs(want), initial=0)
            np.testing.assert_allclose(made, want, rtol=2e-7, atol=1e-9 * scale, err_msg=feature)
            compared[feature] += len(want)
            apart[feature] += int((np.abs(made - want) > 2e-7 * np.abs(want)).sum())
    assert {n for n in names if apart[n] > compared[n] * 1e-4} - {"macd", "bb_position"} == set()


@pytest.mark.parametrize("name", [JPY, USDT])
def test_smoothed_features_of_a_real_file_are_those_of_ta_lib(development_data: Path, name: str) -> None:
    bars = load_candles(development_data / name, bar_ms=BAR_MS).frame
    got = features(bars, None, SMOOTHED)
    history = {f.name: f.bars for f in compiled(None, SMOOTHED).spec.features}
    compared = dict.fromkeys(SMOOTHED, 0)
    apart = dict.fromkeys(SMOOTHED, 0)
    for start, end in segments(bars):
        h, lo, c = (bars[n][start:end].to_numpy() for n in ("high", "low", "close"))
        want = {
            "rsi_14": talib.RSI(c, 14),
            "macd": talib.EMA(c, 12) - talib.EMA(c, 26),
            "atr_14": talib.ATR(h, lo, c, 14),
            "ema_20": talib.EMA(c, 20),
            "ema_50": talib.EMA(c, 50),
            "adx_14": talib.ADX(h, lo, c, 14),
            "plus_di_14": talib.PLUS_DI(h, lo, c, 14),
            "minus_di_14": talib.MINUS_DI(h, lo, c, 14),
        }
        for feature, values in want.items():
            made = got[feature][start:end].fill_null(np.nan).to_numpy().astype(np.float32)
            assert np.isnan(made).tolist() == np.isnan(values).tolist(), feature
            full = slice(history[feature] - 1, None)
            places = [x.view(np.int32).astype(np.int64)[full] for x in (made, values.astype(np.float32))]
            distance = np.abs(places[0] - places[1])
            assert distance.max() <= 1, feature
            compared[feature] += len(distance)
            apart[feature] += int((distance > 0).sum())
    assert all(apart[n] <= compared[n] / 10_000 for n in SMOOTHED), apart


@pytest.mark.parametrize("name", [JPY, USDT])
def test_cuts_of_a_real_file_give_the_first_rows_of_all_and_tails_the_last(
    development_data: Path, name: str
) -> None:
    bars = load_candles(development_data / name, bar_ms=BAR_MS).frame
    daily = load_daily(development_data / "macro_daily.csv", ORDER.daily).frame
    whole = features(bars, daily)
    for end in np.random.default_rng(3).integers(8000, len(bars), 5).tolist():
        assert features(bars[:end], daily).equals(whole[:end])
        assert features(bars[end - 8000 : end], daily, from_start=False)[-1:].equals(whole[end - 1 : end])
