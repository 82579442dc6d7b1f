"""The simulated market: the same bytes every time, in the formats that users bring, with what it promises."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradus_live.labels import FixedHorizon
from gradus_runtime.errors import UsageError
from gradus_train import config as configuration
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSource
from gradus_train.evaluation.suspicion import suspicions
from gradus_train.features import builtin_order
from gradus_train.ingest import load_candles, load_daily
from gradus_train.market import Edges, MarketFiles, simulate
from gradus_train.run.run import train
from gradus_train.training.prepare import latest_days, prepare
from gradus_train.training.progress import Silent

BAR_MS = 900_000
DAY_MS = 96 * BAR_MS
DEMO_BARS, DEMO_DAYS = 16_500, 125
CONFIG = Path(__file__).resolve().parents[2] / "config"


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


def dataset(folder: Path, edges: Edges, bars: int = 10_000) -> Dataset:
    files = simulate(folder, bars=bars, edges=edges)
    return load_dataset(DataSource(files.candles, files.macro), builtin_order(), FixedHorizon())


def scaled_returns(data: Dataset) -> np.ndarray:
    """Of the bar after each row, in units of recent volatility; NaN before a gap."""
    result = np.full(len(data.close), np.nan)
    result[:-1] = np.diff(np.log(data.close)) / data.sigma[:-1]
    result[:-1][np.diff(data.timestamps) != BAR_MS] = np.nan
    return result


def reversal(data: Dataset) -> float:
    """Correlation of a bar's return with the next one's."""
    ahead = scaled_returns(data)
    known = np.isfinite(ahead[:-1]) & np.isfinite(ahead[1:])
    return float(np.corrcoef(ahead[:-1][known], ahead[1:][known])[0, 1])


def along_the_strategy(data: Dataset) -> tuple[float, float]:
    """Mean return along the signal's side, in the first 5 hours of a day and in the others."""
    side = np.sign(data.features[:, data.names.index("strategy_signal_MultiTimeframe")])
    gain = side * scaled_returns(data)
    known = np.isfinite(gain) & (side != 0)
    early = (data.timestamps + BAR_MS) % DAY_MS < 20 * BAR_MS
    return float(gain[known & early].mean()), float(gain[known & ~early].mean())


def along_the_appetite(data: Dataset) -> float:
    """Mean return of a bar in the direction of the mood index of the day before."""
    side = np.sign(data.features[:, data.names.index("market_sentiment")])
    gain = side * scaled_returns(data)
    return float(np.nanmean(gain[side != 0]))


def test_each_edge_lies_where_it_is_stated_and_only_there(tmp_path: Path) -> None:
    """The deviation of these means is about 0.015. A drift of days makes trends: each stands alone."""
    price = dataset(tmp_path / "price", Edges(strategy=0, external=0))
    assert reversal(price) < -0.04
    assert abs(along_the_appetite(price)) < 0.04
    early, late = along_the_strategy(dataset(tmp_path / "strategy", Edges(price=0, external=0)))
    assert early > 0.2
    assert late < -0.2
    assert along_the_appetite(dataset(tmp_path / "external", Edges(price=0, strategy=0))) > 0.15
    none = dataset(tmp_path / "none", Edges(0, 0, 0))
    assert max(map(abs, (reversal(none), along_the_appetite(none), *along_the_strategy(none)))) < 0.04


def test_the_side_of_the_trend_is_that_of_the_feature(tmp_path: Path) -> None:
    from gradus_train.market.trend import Trend

    data = dataset(tmp_path, Edges(), bars=3_000)
    feature = np.sign(data.features[:, data.names.index("strategy_signal_MultiTimeframe")])
    trend = Trend()
    close = np.full((data.timestamps[-1] - data.timestamps[0]) // BAR_MS + 1, np.nan)
    place = (data.timestamps - data.timestamps[0]) // BAR_MS
    close[place] = data.close
    close = pl.Series(close).fill_nan(None).forward_fill().to_list()
    sides = np.array([trend.add(price) for price in close])[place]
    known = np.isfinite(feature)
    assert known.sum() > 1_000
    assert (sides[known] == feature[known]).mean() > 0.98  # within an outage they differ


def test_no_feature_of_it_looks_like_the_future(tmp_path: Path) -> None:
    assert suspicions(dataset(tmp_path, Edges(), bars=DEMO_BARS)) == ()


@pytest.mark.parametrize(
    ("edges", "served"),
    [
        (Edges(), ("level1", "level2", "level3")),
        (Edges(external=0), ("level2", "level3")),
        (Edges(strategy=0), ("level3",)),
    ],
)
def test_a_level_is_in_service_where_its_part_has_an_edge(
    edges: Edges, served: tuple[str, ...], tmp_path: Path
) -> None:
    """The demonstration's market and configuration, with one member of three."""
    data = dataset(tmp_path / "market", edges, bars=DEMO_BARS)
    data = data.select(latest_days(data, DEMO_DAYS))
    config = configuration.load(CONFIG / "demo.toml").without_members(["xgboost", "random_forest"])
    plan = prepare(data, builtin_order(), config)
    outcome = train(plan, tmp_path / "run", jobs=1, progress=Silent())
    assert outcome.details.service.kind == "measured"
    assert outcome.details.service.levels[-len(served) :] == served
    assert ("level1" in outcome.details.service.levels) == ("level1" in served)


def test_daily_series_have_weekends_holidays_and_a_publication_lag(files: MarketFiles) -> None:
    daily = load_daily(files.macro, builtin_order().daily).frame
    weekday = daily["date"].dt.weekday()
    assert daily.filter(weekday > 5)["usd_jpy"].null_count() == (weekday > 5).sum()
    assert daily.filter(weekday <= 5)["nikkei_225"].null_count() > 0
    assert daily["usd_jpy"][-1] is None
    assert daily["us_10y_yield"][-1] is None
    assert daily["fear_greed_index"].null_count() < 5
    assert daily["date"][0] < pl.Series([1736121600000]).cast(pl.Datetime("ms")).dt.date()[0]


@pytest.mark.parametrize("edges", [{"price": -0.1}, {"strategy": float("nan")}, {"external": 100}])
def test_an_edge_out_of_range_is_refused(edges: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"an edge must be in \[0, 100\)"):
        Edges(**edges)


def test_a_market_of_a_few_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bars: a market must have at least 100 bars, but got 99"):
        simulate(tmp_path, bars=99)
