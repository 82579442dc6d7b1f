"""Features that look like the future are named; features of the past, and edges, are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.gates.series import series
from tests.support.training import make_dataset

from gradus_live.labels import FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSource
from gradus_train.evaluation.suspicion import suspicions
from gradus_train.market import simulate

ORDER = feature_order.load(Path(__file__).parents[2] / "config/feature_order.json")


def shifted(data: Dataset, name: str, bars: int) -> Dataset:
    """The feature of `bars` bars later, in its own place."""
    features = data.features.copy()
    place = data.names.index(name)
    features[:, place] = np.nan
    features[:-bars, place] = data.features[bars:, place]
    return replace(data, features=features)


def named(data: Dataset) -> list[str]:
    found = suspicions(data)
    assert found is not None
    return [s.feature for s in found]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    files = simulate(tmp_path_factory.mktemp("market"), bars=4000)
    return load_dataset(DataSource(files.candles, files.macro), ORDER, FixedHorizon())


def test_the_embedded_market_with_its_edge_is_not_suspected(market: Dataset) -> None:
    assert named(market) == []


@pytest.mark.parametrize("name", ["rsi_14", "close_lag_1", "bb_position"])
@pytest.mark.parametrize("bars", [4, 17])
def test_a_shift_into_the_future_is_found_and_named(market: Dataset, name: str, bars: int) -> None:
    found = suspicions(shifted(market, name, bars))
    assert found is not None
    assert [s.feature for s in found] == [name]
    assert found[0].ahead in (bars - 1, bars)
    assert found[0].sentence.startswith(f"{name} looks like the future: its rank correlation with returns")


def test_a_shift_into_the_past_is_not_found(market: Dataset) -> None:
    features = np.roll(market.features, 4, axis=0)
    features[:4] = np.nan
    assert named(replace(market, features=features)) == []


def test_the_label_as_a_feature_is_found(market: Dataset) -> None:
    features = market.features.copy()
    features[:, 5] = np.where(market.labels >= 0, market.labels, np.nan)
    assert named(replace(market, features=features)) == [market.names[5]]


def test_a_planted_edge_is_an_edge() -> None:
    e = series(3, 15_000, ic=0.16)
    assert e.trades is not None
    close = 1000 * np.exp(np.cumsum(np.append(0.0, e.trades.long[:-1]) / 4))
    tilt = (e.probabilities[:, 2] - e.probabilities[:, 0]).astype(np.float32)
    base = make_dataset(len(tilt))
    data = replace(
        base, names=("tilt",), features=tilt[:, None], close=close, sigma=e.sigma, timestamps=e.timestamps
    )
    assert named(data) == []
    assert (
        named(replace(data, features=np.append(np.diff(np.log(close)), 0)[:, None].astype(np.float32))) != []
    )


def test_the_correlation_is_spearmans(market: Dataset) -> None:
    stats = pytest.importorskip("scipy.stats")
    data = shifted(market, "rsi_14", 4)
    found = suspicions(data)
    assert found is not None
    assert market.sigma is not None
    whole = np.append(False, np.diff(data.timestamps) == data.bar_ms)
    moves = np.append(np.nan, np.diff(np.log(data.close)) / market.sigma[:-1])
    change = np.append(np.nan, np.diff(data.features[:, data.names.index("rsi_14")].astype(float)))
    moves[~whole], change[~whole] = np.nan, np.nan
    ahead = found[0].ahead
    oracle = stats.spearmanr(change[:-ahead], moves[ahead:], nan_policy="omit").statistic
    assert found[0].correlation == pytest.approx(oracle, abs=0.01)


def test_without_prices_nothing_is_looked_at() -> None:
    assert suspicions(make_dataset()) is None


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["btc_jpy_15m.csv", "btc_usdt_15m_2024.csv"])
def test_the_development_files_are_clean_and_each_shift_is_found(development_data: Path, name: str) -> None:
    source = DataSource(development_data / name, development_data / "macro_daily.csv")
    data = load_dataset(source, ORDER, FixedHorizon())
    assert named(data) == []
    for feature in ("rsi_14", "close_lag_1", "bb_position"):
        place = data.names.index(feature)
        alone = replace(shifted(data, feature, 4), names=(feature,))
        assert named(replace(alone, features=alone.features[:, [place]])) == [feature]
