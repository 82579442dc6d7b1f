"""Kinds of labels in training: where labels, trades and gaps come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS
from tests.support.training import ORDER, config_table, make_dataset

from gradus_live.bars import Bars
from gradus_live.labels import Column, FixedHorizon, Meta, TripleBarrier, outcomes
from gradus_runtime.contracts import feature_order
from gradus_runtime.errors import ConfigError, DataError
from gradus_train.config import parse
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.ingest import load_candles
from gradus_train.market import simulate
from gradus_train.training.prepare import prepare

SETTINGS = DataSettings(minimum_rows=10)
SHIPPED = feature_order.load(Path(__file__).parents[2] / "config/feature_order.json")


def own_table(folder: Path, **columns: object) -> DataSource:
    """The features of ORDER, and what a test adds, every 15 minutes."""
    rng = np.random.default_rng(0)
    stamps = pl.Series(START_MS + np.arange(60) * BAR_MS).cast(pl.Datetime("ms", "UTC"))
    features = {name: rng.normal(size=60) for name in ORDER.names}
    path = folder / "table.parquet"
    pl.DataFrame({"timestamp": stamps, **features, **columns}).write_parquet(path)
    return DataSource(features=path, settings=SETTINGS)


LABELS = ["SELL", "BUY", "HOLD"] * 20


def test_labels_of_unknown_reach_are_refused_with_the_question(tmp_path: Path) -> None:
    source = own_table(tmp_path, label=LABELS)
    with pytest.raises(
        DataError, match="how many bars ahead the table's own labels look must be stated"
    ) as e:
        load_dataset(source, ORDER, FixedHorizon())
    assert 'kind = "column" and reach = N' in str(e.value)


def test_a_table_may_state_the_reach_of_its_labels(tmp_path: Path) -> None:
    data = load_dataset(own_table(tmp_path, label=LABELS, label_reach=[7] * 60), ORDER, FixedHorizon())
    assert data.rule == Column(7, ("SELL", "HOLD", "BUY"), "label", "SELL", "BUY")
    assert data.labels[:3].tolist() == [0, 2, 1]
    assert data.trades is None


@pytest.mark.parametrize("reach", [[0] * 60, [1.5] * 60, [3] * 59 + [4], ["x"] * 60])
def test_a_reach_must_be_one_whole_number(tmp_path: Path, reach: list[object]) -> None:
    source = own_table(tmp_path, label=LABELS, label_reach=reach)
    with pytest.raises(DataError, match="label_reach must hold one whole number, at least 1"):
        load_dataset(source, ORDER, FixedHorizon())


def test_a_column_of_any_name_holds_labels_of_its_own_classes(tmp_path: Path) -> None:
    mine = ["A", "B"] * 30
    data = load_dataset(own_table(tmp_path, mine=mine), ORDER, Column(3, ("A", "B"), "mine"))
    assert (data.classes, data.rule.reach, data.rule.sides) == (("A", "B"), 3, None)
    assert data.labels[:3].tolist() == [0, 1, 0]


def test_a_meta_label_takes_its_side_from_a_column_of_the_table(tmp_path: Path) -> None:
    close = 100 + np.cumsum(np.random.default_rng(1).normal(size=60))
    side = np.tile([1.0, -1.0, 0.0], 20)
    data = load_dataset(
        own_table(tmp_path, close=close, side=side), ORDER, Meta("side", FixedHorizon(2, 0.001))
    )
    assert data.side is not None
    for i in range(57):
        change = close[i + 2] / close[i] - 1
        assert data.labels[i] == (-1 if side[i] == 0 else int(side[i] * change > 0.001))
    with pytest.raises(DataError, match="must be in the table, but got 'nothing'"):
        load_dataset(own_table(tmp_path, close=close), ORDER, Meta("nothing"))


def test_barriers_are_made_of_a_table_with_prices_and_refused_without(tmp_path: Path) -> None:
    close = 100 + np.cumsum(np.random.default_rng(1).normal(size=60))
    prices = {"open": close - 0.1, "high": close + 0.5, "low": close - 0.6, "close": close}
    rule = TripleBarrier(0.01, 0.01, 5)
    data = load_dataset(own_table(tmp_path, **prices), ORDER, rule)
    expected = outcomes(
        rule, Bars(data.timestamps, close, BAR_MS, prices["open"], prices["high"], prices["low"])
    )
    assert data.labels.tolist() == expected.labels.tolist()
    with pytest.raises(DataError, match="triple barriers need open, high and low"):
        load_dataset(own_table(tmp_path, close=close), ORDER, rule)
    with pytest.raises(DataError, match="low must be above 0"):
        load_dataset(own_table(tmp_path, **{**prices, "low": close - 200}), ORDER, rule)


def test_features_that_bear_the_names_of_prices_are_left_alone(tmp_path: Path) -> None:
    close = np.linspace(100, 110, 60)
    source = own_table(tmp_path, close=close, open=-close, high=close, low=close)
    data = load_dataset(source, ORDER, FixedHorizon(2))
    assert data.trades is not None
    assert data.trades.long[0] == pytest.approx(np.log(close[2] / close[0]))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    files = simulate(tmp_path_factory.mktemp("market"), bars=1500)
    return DataSource(files.candles, files.macro, settings=SETTINGS)


@pytest.mark.parametrize("rule", [TripleBarrier(0.005, 0.005, 10), FixedHorizon(1, 0.3, unit="volatility")])
def test_candles_give_labels_and_trades_of_every_kind(
    market: DataSource, rule: TripleBarrier | FixedHorizon
) -> None:
    data = load_dataset(market, SHIPPED, rule)
    assert market.candles is not None
    frame = load_candles(market.candles, bar_ms=BAR_MS).frame
    bars = Bars(
        *(frame[c].to_numpy() for c in ("timestamp", "close")),
        BAR_MS,
        *(frame[c].to_numpy() for c in ("open", "high", "low")),
    )
    expected = outcomes(rule, bars)
    assert data.labels.tobytes() == expected.labels.tobytes()
    assert data.trades is not None
    assert data.trades.long.tobytes() == expected.long.tobytes()
    assert np.bincount(data.labels[data.labels >= 0]).min() > 20


def test_with_candles_the_side_of_a_meta_label_is_a_feature(market: DataSource) -> None:
    data = load_dataset(market, SHIPPED, Meta("macd"))
    assert data.classes == ("LOSS", "WIN")
    assert data.side is not None
    macd = data.features[:, SHIPPED.names.index("macd")]
    assert np.array_equal(np.isnan(macd), np.isnan(data.side))
    assert ((data.labels >= 0) <= np.isfinite(macd)).all()
    with pytest.raises(
        ConfigError, match=r"labels\.side: with candles, the side of a meta label must be one of"
    ):
        load_dataset(market, SHIPPED, Meta("nothing"))
    with pytest.raises(ConfigError, match="labels of a column need a table with that column"):
        load_dataset(market, SHIPPED, Column(3))


def long_reach(reach: int) -> Dataset:
    return replace(make_dataset(), rule=Column(reach, down="SELL", up="BUY"))


def test_gaps_and_tails_follow_from_the_reach() -> None:
    table = {**config_table(), "format": "gradus-training/2", "split": {"folds": 2, "holdout": 0.2}}
    plan = prepare(long_reach(11), ORDER, parse(table, place="training.toml"))
    assert plan.config.split.gap == 11
    assert {t.recipe.gap for t in plan.tasks} == {11}
    stamps = plan.dataset.timestamps
    pairs = [(f.train, f.test) for f in plan.timeline.folds]
    pairs.append((plan.timeline.development, plan.timeline.holdout))
    for train, test in pairs:
        assert stamps[train[-1]] + 11 * BAR_MS < stamps[test[0]]


def test_a_gap_shorter_than_the_reach_that_the_data_brings_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="at least 11, the reach of the labels that the data brings, but got 4"
    ):
        prepare(long_reach(11), ORDER, parse(config_table(), place="training.toml"))


def test_selecting_rows_takes_their_trades_along(market: DataSource) -> None:
    data = load_dataset(market, SHIPPED, Meta("macd"))
    keep = np.arange(len(data.labels)) >= 700
    part = data.select(keep)
    assert data.trades is not None
    assert part.trades is not None
    assert part.trades.long.tobytes() == data.trades.long[700:].tobytes()
    assert len(part.timestamps) == len(part.labels) == len(part.sigma if part.sigma is not None else [])
