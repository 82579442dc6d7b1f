"""Both real files in full: what they hold, every feature against its definition, causality, speed."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support import feature_oracles as oracle
from tests.support.candles import BAR_MS

from gradus_live.labels import FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.report import Gap, make_report
from gradus_train.data.source import DataSource
from gradus_train.features import HISTORY_BARS, FeatureSettings, compute_features, latest_features
from gradus_train.ingest import load_candles, load_daily

pytestmark = pytest.mark.real_data

ORDER = feature_order.load(Path(__file__).parents[2] / "config/feature_order.json")
JPY, USDT = "btc_jpy_15m.csv", "btc_usdt_15m_2024.csv"


def load(folder: Path, name: str) -> Dataset:
    return load_dataset(DataSource(folder / name, folder / "macro_daily.csv"), ORDER, FixedHorizon())


@pytest.mark.parametrize(
    ("name", "rows", "gaps", "shares", "level1"),
    [
        (
            JPY,
            23_128,
            (Gap("2018-04-19T19:00:00Z", 4), Gap("2018-07-24T16:00:00Z", 4)),
            (18.8, 63.1, 18.1),
            18_240,
        ),
        (USDT, 35_136, (), (10.6, 77.9, 11.5), 30_816),
    ],
)
def test_a_real_file_holds_what_is_known_of_it(
    development_data: Path,
    name: str,
    rows: int,
    gaps: tuple[Gap, ...],
    shares: tuple[float, ...],
    level1: int,
) -> None:
    data = load(development_data, name)
    report = make_report(data, ORDER)
    assert report.rows == rows
    assert report.gaps == gaps
    assert [round(100 * s, 1) for s in report.label_shares.values()] == list(shares)
    assert report.levels[0].rows == level1
    assert (report.empty, report.constant, report.duplicates) == ((), (), ())
    assert not report.simulated
    assert not np.isinf(data.features).any()
    assert np.isfinite(data.features[-1]).all()


@pytest.mark.parametrize("name", [JPY, USDT])
def test_every_feature_of_a_real_file_follows_its_definition(development_data: Path, name: str) -> None:
    bars = load_candles(development_data / name, bar_ms=BAR_MS).frame
    names = [f.name for f in ORDER.features if f.group != "external_api"]
    got = compute_features(bars, None, names, FeatureSettings())
    start = 0
    for end in [*(np.flatnonzero(np.diff(bars["timestamp"]) != BAR_MS) + 1).tolist(), len(bars)]:
        part = bars[start:end]
        columns = ("timestamp", "high", "low", "close", "volume")
        segment = oracle.Bars(*(part[c].to_list() for c in columns))
        expected = oracle.candle_features(segment) | oracle.signal_features(segment, 15)
        stamps = [oracle.time_features(t, "Asia/Tokyo") for t in segment.time]
        expected |= {n: [row[n] for row in stamps] for n in stamps[0]}
        for feature in names:
            column = got[feature][start:end]
            assert column.is_null().to_list() == [v is None for v in expected[feature]], feature
            want = np.array([v for v in expected[feature] if v is not None])
            scale = np.abs(want).max()
            np.testing.assert_allclose(
                column.drop_nulls().to_numpy(), want, rtol=1e-7, atol=1e-9 * scale, err_msg=feature
            )
        start = end


@pytest.mark.parametrize("name", [JPY, USDT])
def test_cuts_of_a_real_file_give_the_first_rows_of_all_and_tails_the_last(
    development_data: Path, name: str
) -> None:
    bars = load_candles(development_data / name, bar_ms=BAR_MS).frame
    daily = load_daily(development_data / "macro_daily.csv").frame
    whole = compute_features(bars, daily, ORDER.names, FeatureSettings())
    for end in np.random.default_rng(3).integers(HISTORY_BARS, len(bars), 5).tolist():
        part = compute_features(bars[:end], daily, ORDER.names, FeatureSettings())
        assert part.equals(whole[:end])
        today = date(1970, 1, 1) + timedelta(days=bars["timestamp"][end - 1] // 86_400_000)
        recent = daily.filter(pl.col("date").is_between(today - timedelta(days=100), today))
        newest = latest_features(bars[end - HISTORY_BARS : end], recent, names=ORDER.names)
        expected = [None if v is None else float(np.float32(v)) for v in whole.row(end - 1)]
        assert list(newest.values()) == expected


def test_a_year_of_bars_takes_less_than_two_seconds(development_data: Path) -> None:
    load(development_data, USDT)
    seconds = []
    for _ in range(3):
        started = time.process_time()  # of all threads, so that other work on the machine does not count
        load(development_data, USDT)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 2.0
