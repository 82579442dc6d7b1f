"""The simulated market: the same bytes every time, in the formats that users bring, with what it promises."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradus_runtime.errors import UsageError
from gradus_train.features import builtin_order
from gradus_train.ingest import load_candles, load_daily
from gradus_train.market import MarketFiles, simulate

BAR_MS = 900_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> MarketFiles:
    return simulate(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def bars(files: MarketFiles) -> pl.DataFrame:
    return load_candles(files.candles, bar_ms=BAR_MS).frame


def digest(files: MarketFiles) -> str:
    return hashlib.sha256(files.candles.read_bytes() + files.macro.read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process(files: MarketFiles, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gradus_train.market import simulate; simulate(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert digest(MarketFiles(tmp_path / "candles.csv", tmp_path / "macro.csv")) == digest(files)
    assert digest(simulate(tmp_path / "other", seed=8)) != digest(files)


def test_both_files_say_that_they_are_simulated(files: MarketFiles) -> None:
    assert load_candles(files.candles, bar_ms=BAR_MS).simulated
    assert load_daily(files.macro, builtin_order().daily).simulated


def test_the_candles_have_outages_and_whole_prices(bars: pl.DataFrame) -> None:
    steps = np.diff(bars["timestamp"]) // BAR_MS
    assert 1 <= (steps > 1).sum() <= 3
    assert 9_900 < len(bars) < 10_000
    assert (bars["close"] % 1 == 0).all()


def test_volatility_has_regimes_and_hours_and_jumps(bars: pl.DataFrame) -> None:
    move = np.abs(np.diff(np.log(bars["close"].to_numpy())))
    clustering = np.corrcoef(move[:-20], move[20:])[0, 1]
    assert clustering > 0.15
    hour = (bars["timestamp"].to_numpy()[1:] // 3_600_000) % 24
    assert move[(hour >= 11) & (hour < 17)].mean() > 1.3 * move[(hour >= 23) | (hour < 5)].mean()
    assert move.max() > 8 * np.median(move)


def test_moves_tend_to_be_taken_back(bars: pl.DataFrame) -> None:
    change = np.diff(np.log(bars["close"].to_numpy()))
    assert np.corrcoef(change[:-1], change[1:])[0, 1] < -0.05


def test_daily_series_have_weekends_holidays_and_a_publication_lag(files: MarketFiles) -> None:
    daily = load_daily(files.macro, builtin_order().daily).frame
    weekday = daily["date"].dt.weekday()
    assert daily.filter(weekday > 5)["usd_jpy"].null_count() == (weekday > 5).sum()
    assert daily.filter(weekday <= 5)["nikkei_225"].null_count() > 0
    assert daily["usd_jpy"][-1] is None
    assert daily["us_10y_yield"][-1] is None
    assert daily["fear_greed_index"].null_count() < 5
    assert daily["date"][0] < pl.Series([1736121600000]).cast(pl.Datetime("ms")).dt.date()[0]


def test_a_market_of_a_few_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bars: a market must have at least 100 bars, but got 99"):
        simulate(tmp_path, bars=99)
