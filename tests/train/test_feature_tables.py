"""A user's own features: another feature order, two levels, two classes, a table instead of candles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS, csv_text, random_bars

from gradus_live.labels import FixedHorizon
from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError, DataError
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.export import dataset_table, write_table
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.market import simulate

TWO = FixedHorizon(horizon=2, threshold=0.0, classes=("DOWN", "UP"))


def own_order(groups: Mapping[str, tuple[str, ...]], levels: Mapping[str, tuple[str, ...]]) -> FeatureOrder:
    value = {
        "format": feature_order.FORMAT_1,
        "groups": [
            {"name": g, "features": [{"name": n, "definition": "own"} for n in names]}
            for g, names in groups.items()
        ],
        "levels": [{"name": s, "groups": list(members)} for s, members in levels.items()],
    }
    return feature_order.parse(value, place="own")


ORDER = own_order(
    {"book": ("imbalance", "spread", "depth"), "news": ("mood", "mentions")},
    {"full": ("book", "news"), "quiet": ("book",)},
)


def table(rows: int = 300, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=rows) for name in ("mood", "spread", "imbalance", "mentions", "depth")}
    stamps = pl.Series(START_MS + np.arange(rows) * BAR_MS).cast(pl.Datetime("ms", "UTC"))
    return pl.DataFrame({"timestamp": stamps, **columns})


def load(
    frame: pl.DataFrame, folder: Path, spec: FixedHorizon = TWO, *, minimum: int = 10, stamps: str = "open"
) -> Dataset:
    path = folder / "table.parquet"
    frame.write_parquet(path)
    settings = DataSettings(minimum_rows=minimum, stamps=stamps)
    source = DataSource(features=path, settings=settings)
    return load_dataset(source, ORDER, spec, table_reach=spec.horizon)


def test_own_features_are_taken_by_name_in_the_order_of_the_order(tmp_path: Path) -> None:
    frame = table().with_columns(label=pl.Series(["UP", "DOWN", None] * 100))
    data = load(frame, tmp_path)
    assert data.names == ("imbalance", "spread", "depth", "mood", "mentions")
    expected = frame.select(data.names).to_numpy().astype(np.float32)
    np.testing.assert_array_equal(data.features, expected)
    assert data.labels.tolist() == [1, 0, -1] * 100
    assert data.classes == ("DOWN", "UP")
    assert np.isnan(data.close).all()
    assert data.timestamps[0] == START_MS
    assert not data.simulated


@pytest.mark.parametrize(
    "labels", [[0, 1, -1], [0.0, 1.0, None], ["DOWN", "1", ""], [0.0, 1.0, float("nan")]], ids=str
)
def test_labels_may_be_names_or_indices(tmp_path: Path, labels: list[object]) -> None:
    frame = table().with_columns(label=pl.Series(labels * 100))
    path = tmp_path / "table.csv"
    frame.write_csv(path)
    source = DataSource(features=path, settings=DataSettings(minimum_rows=10))
    for data in (
        load_dataset(source, ORDER, TWO, table_reach=2),
        load(
            frame.with_columns(label=pl.when(pl.col("label").cast(pl.String) != "").then("label")), tmp_path
        ),
    ):
        assert data.labels.tolist() == [0, 1, -1] * 100


def test_without_labels_the_close_gives_them(tmp_path: Path) -> None:
    close = [100.0, 101.0, 102.0, 99.0] * 75
    data = load(table().with_columns(close=pl.Series(close)), tmp_path)
    up = [int(b > a) for a, b in zip(close, close[2:], strict=False)]
    assert data.labels.tolist() == [*up, -1, -1]
    assert data.close.tolist() == close


def test_empty_cells_and_nan_are_unavailable(tmp_path: Path) -> None:
    frame = table().with_columns(label=pl.lit(1), mood=pl.Series([None, float("nan"), *[1.0] * 298]))
    data = load(frame, tmp_path)
    assert np.isnan(data.features[:, 3]).tolist() == [True, True, *[False] * 298]
    assert np.isfinite(np.delete(data.features, 3, axis=1)).all()


def test_stamps_of_the_close_are_taken_back(tmp_path: Path) -> None:
    data = load(table().with_columns(label=pl.lit(0)), tmp_path, stamps="close")
    assert data.timestamps[0] == START_MS - BAR_MS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("x").alias("mood"), r"row 1: feature mood must be a finite number, or empty, but got 'x'"),
        (
            pl.lit(float("inf")).alias("depth"),
            "row 1: feature depth must be a finite number, or empty, but got inf",
        ),
        (
            pl.lit("SIDE").alias("label"),
            r"row 1: a label must be a class or its index, but got 'SIDE'\. Classes: DOWN",
        ),
        (pl.lit(2).alias("label"), "row 1: a label must be a class or its index, but got 2"),
        (pl.lit(-3.0).alias("close"), r"row 1: close must be above 0, but got -3\.0"),
        (pl.lit("2023-11-15T00:00:00Z").alias("timestamp"), "row 2: a stamp must occur once"),
    ],
)
def test_broken_tables_are_refused_by_row_and_value(tmp_path: Path, change: pl.Expr, message: str) -> None:
    frame = table().with_columns(label=pl.lit(1), close=pl.lit(5.0)).with_columns(change)
    with pytest.raises(DataError, match=message):
        load(frame, tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"every feature of the order must be a column, but got 'mood'"):
        load(table().drop("mood").with_columns(label=pl.lit(1)), tmp_path)
    with pytest.raises(DataError, match=r"a column 'close' must be present.*may also be called label"):
        load(table(), tmp_path)


def test_rows_of_another_length_are_refused_where_close_gives_the_labels(tmp_path: Path) -> None:
    hourly = table().with_columns(close=pl.lit(5.0))[::4]
    with pytest.raises(
        DataError, match=r"must be 15 minutes apart, but got '60 minutes'\. Set.*--bar MINUTES"
    ):
        load(hourly, tmp_path)


def test_too_few_labelled_rows_are_refused(tmp_path: Path) -> None:
    frame = table().with_columns(label=pl.Series([1, *[None] * 299]))
    with pytest.raises(DataError, match="at least 10 labelled rows are needed, but got 1"):
        load(frame, tmp_path)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_a_written_dataset_reads_back_the_same(tmp_path: Path, name: str) -> None:
    order = feature_order.load(Path(__file__).parents[2] / "config/feature_order.json")
    files = simulate(tmp_path, bars=1500)
    settings = DataSettings(minimum_rows=10)
    data = load_dataset(DataSource(files.candles, files.macro, settings=settings), order, FixedHorizon())
    write_table(data, tmp_path / "deep" / name)
    again = load_dataset(
        DataSource(features=tmp_path / "deep" / name, settings=settings), order, FixedHorizon()
    )
    assert again.features.tobytes() == data.features.tobytes()
    assert again.labels.tolist() == data.labels.tolist()
    assert again.timestamps.tolist() == data.timestamps.tolist()
    assert again.simulated
    assert dataset_table(again).equals(dataset_table(data))


def test_a_subset_of_the_built_in_features_is_an_order_too(tmp_path: Path) -> None:
    order = own_order(
        {"price": ("close", "rsi_14"), "day": ("hour",), "out": ("usd_jpy", "fear_greed_index")},
        {"all": ("price", "day", "out"), "alone": ("price", "day")},
    )
    files = simulate(tmp_path, bars=500)
    spec = FixedHorizon(4, 0.001, ("NO", "YES"))
    source = DataSource(files.candles, files.macro, settings=DataSettings(minimum_rows=10))
    data = load_dataset(source, order, spec)
    assert data.names == ("close", "rsi_14", "hour", "usd_jpy", "fear_greed_index")
    assert set(data.labels.tolist()) == {-1, 0, 1}
    assert np.isfinite(data.features[-1]).all()


def test_the_digest_of_the_data_is_of_its_content_and_not_of_its_file(tmp_path: Path) -> None:
    order = own_order({"g": ("close",)}, {"only": ("g",)})
    bars = random_bars(50)
    settings = DataSettings(minimum_rows=10)
    (tmp_path / "a.csv").write_text(csv_text(bars))
    bars.write_parquet(tmp_path / "b.parquet")
    changed = bars.with_columns(volume=pl.when(pl.int_range(50) == 30).then(1.5).otherwise("volume"))
    changed.write_parquet(tmp_path / "c.parquet")
    digests = [
        load_dataset(DataSource(tmp_path / n, settings=settings), order, TWO).data_sha256
        for n in ("a.csv", "b.parquet", "c.parquet")
    ]
    assert digests[0] == digests[1] != digests[2]


def test_settings_of_the_data_are_checked() -> None:
    for options, message in (
        ({"bar_minutes": 7}, "bar_minutes: a bar must divide 4 hours, but got 7"),
        ({"bar_minutes": 0}, "bar_minutes: a bar must divide 4 hours"),
        ({"stamps": "middle"}, "stamps must be 'open' or 'close', but got 'middle'"),
        ({"carry_days": 0}, "carry_days: at least 1 is needed, but got 0"),
        (
            {"market_timezone": "Mars/Base"},
            "market_timezone: a time zone must have an IANA name, but got 'Mars/Base'",
        ),
        ({"timezone": "../etc"}, "timezone: a time zone must have an IANA name"),
        ({"timezone": "Asia"}, "timezone: a time zone must have an IANA name"),
    ):
        with pytest.raises(ConfigError, match=message):
            DataSettings(**options)  # type: ignore[arg-type]
