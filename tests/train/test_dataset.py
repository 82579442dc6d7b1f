from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradus_live.labels import FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError, DataError, UsageError
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.market import simulate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def order() -> FeatureOrder:
    return feature_order.load(ROOT / "config/feature_order.json")


@pytest.fixture(scope="module")
def dataset(order: FeatureOrder, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    files = simulate(tmp_path_factory.mktemp("market"), bars=6000)
    return load_dataset(DataSource(files.candles, files.macro), order, FixedHorizon())


def test_a_dataset_has_every_bar_as_a_row(dataset: Dataset, order: FeatureOrder) -> None:
    n = len(dataset.timestamps)
    assert dataset.names == order.names
    assert dataset.features.shape == (n, len(order.names))
    assert dataset.features.dtype == np.float32
    assert dataset.features.flags.c_contiguous
    assert dataset.labels.shape == dataset.close.shape == (n,)
    assert (np.diff(dataset.timestamps) >= 15 * 60_000).all()
    assert not np.isinf(dataset.features).any()


def test_the_last_row_of_a_long_history_has_every_feature(dataset: Dataset) -> None:
    assert not np.isnan(dataset.features[-1]).any()


def test_simulated_files_are_known_as_simulated(dataset: Dataset) -> None:
    assert dataset.simulated


def test_too_few_labelled_rows_are_refused_with_their_number(tmp_path: Path, order: FeatureOrder) -> None:
    files = simulate(tmp_path, bars=500)
    with pytest.raises(
        DataError, match=r"candles\.csv: at least 2,000 labelled rows are needed, but got 4\d\d"
    ):
        load_dataset(DataSource(files.candles), order, FixedHorizon())


def test_without_daily_series_only_the_external_features_are_unavailable(
    tmp_path: Path, order: FeatureOrder
) -> None:
    files = simulate(tmp_path, bars=3000)
    settings = DataSettings(minimum_rows=100)
    data = load_dataset(DataSource(files.candles, settings=settings), order, FixedHorizon())
    missing = {n for n, bad in zip(data.names, np.isnan(data.features[-1]), strict=True) if bad}
    assert missing == {f.name for f in order.features if f.group == "external_api"}


def test_an_unknown_feature_is_refused_by_name(tmp_path: Path) -> None:
    group = {"name": "mine", "features": [{"name": "my_secret", "definition": ""}]}
    levels = [{"name": "only", "groups": ["mine"]}]
    own = feature_order.parse(
        {"format": feature_order.FORMAT, "groups": [group], "levels": levels}, place="own"
    )
    with pytest.raises(ConfigError, match=r"must have an expression.*'my_secret'.*--features FILE"):
        load_dataset(DataSource(simulate(tmp_path, bars=200).candles), own, FixedHorizon())


def test_a_source_needs_candles_or_a_table() -> None:
    with pytest.raises(UsageError, match=r"candles or a feature table.*'neither'"):
        DataSource()
