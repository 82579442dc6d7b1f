"""The door of the input side: files in, features, labels and times of every bar out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import DataError
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import FeatureSettings, compute_features
from gradus_train.ingest import feature_table, load_candles, load_daily, read_table
from gradus_train.labels import NO_LABEL, LabelSpec, make_labels

__all__ = ["DataSettings", "DataSource", "Dataset", "LabelSpec", "iso_time", "load_dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Every bar of the source as a row, those without features or label too.

    Attributes:
        names: Feature names, in the order of the full vector.
        features: float32 [N, F], C order; NaN where a feature is unavailable.
        labels: int64 [N], index into `classes`; -1 where there is no label.
        timestamps: int64 [N], ms UTC of the bar's open, rising.
        classes: Class names.
        horizon: Bars that a label looks ahead.
        bar_ms: Length of a bar.
        data_sha256: Digest of what was read: bars and daily values, whatever the file format.
        data_start: Open of the first bar, ISO 8601 UTC.
        data_end: Open of the last bar, ISO 8601 UTC.
        simulated: True where the data says that it is not of a real market.
        close: float64 [N], close of the bar; NaN where the source has none.
        source_bar_ms: Length of the bars in the file, before resampling.
        partial_bars: Bars left out in resampling because a part of them was missing.
    """

    names: tuple[str, ...]
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    horizon: int
    bar_ms: int
    data_sha256: str
    data_start: str
    data_end: str
    simulated: bool
    close: npt.NDArray[np.float64]
    source_bar_ms: int = 0
    partial_bars: int = 0


def load_dataset(source: DataSource, order: FeatureOrder, labels: LabelSpec) -> Dataset:
    """Read the source, compute features and labels.

    Args:
        source: Files and how to read them.
        order: Which features, in which order.
        labels: How bars are labelled.

    Raises:
        DataError: The data breaks a rule, or has too few labelled rows.
        ConfigError: The order names a feature that the source cannot give.
    """
    read = _from_table if source.candles is None else _from_candles
    result = read(Path(source.name), source, order, labels)
    count = int((result.labels != NO_LABEL).sum())
    if count < source.settings.minimum_rows:
        raise DataError(
            f"at least {source.settings.minimum_rows} labelled rows are needed",
            place=source.name,
            value=count,
            hint="Bring a longer history, or lower the bar: --minimum-rows N.",
        )
    return result


def _from_candles(path: Path, source: DataSource, order: FeatureOrder, spec: LabelSpec) -> Dataset:
    s = source.settings
    candles = load_candles(path, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps)
    daily = load_daily(source.macro) if source.macro is not None else None
    settings = FeatureSettings(s.bar_ms, s.market_timezone, s.carry_days)
    features = compute_features(candles.frame, daily.frame if daily else None, order.names, settings)
    timestamps = candles.frame["timestamp"].to_numpy()
    close = candles.frame["close"].to_numpy()
    return Dataset(
        names=order.names,
        features=_as_float32(features),
        labels=make_labels(timestamps, close, s.bar_ms, spec),
        timestamps=timestamps,
        classes=spec.classes,
        horizon=spec.horizon,
        bar_ms=s.bar_ms,
        data_sha256=_digest([candles.frame] + ([daily.frame] if daily else [])),
        data_start=iso_time(timestamps[0]),
        data_end=iso_time(timestamps[-1]),
        simulated=candles.simulated or (daily is not None and daily.simulated),
        close=close,
        source_bar_ms=candles.source_bar_ms,
        partial_bars=candles.partial_bars,
    )


def _from_table(path: Path, source: DataSource, order: FeatureOrder, spec: LabelSpec) -> Dataset:
    s = source.settings
    table = feature_table(
        read_table(path), order.names, spec.classes, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps
    )
    timestamps = table.timestamps.to_numpy()
    labels = table.labels
    if labels is None:
        labels = make_labels(timestamps, table.close, s.bar_ms, spec)
    columns = {"timestamp": table.timestamps, "label": labels, "close": table.close}
    return Dataset(
        names=order.names,
        features=_as_float32(table.features),
        labels=labels,
        timestamps=timestamps,
        classes=spec.classes,
        horizon=spec.horizon,
        bar_ms=s.bar_ms,
        data_sha256=_digest([pl.DataFrame(columns), table.features]),
        data_start=iso_time(timestamps[0]),
        data_end=iso_time(timestamps[-1]),
        simulated=table.simulated,
        close=table.close,
        source_bar_ms=s.bar_ms,
        partial_bars=0,
    )


def _as_float32(table: pl.DataFrame) -> npt.NDArray[np.float32]:
    result = np.empty((len(table), table.width), dtype=np.float32)
    with np.errstate(over="ignore"):
        for i, column in enumerate(table.iter_columns()):
            result[:, i] = column.to_numpy()
    result[~np.isfinite(result)] = np.nan
    return result


def _digest(frames: list[pl.DataFrame]) -> str:
    """SHA-256 over names, nulls and values of all columns, little endian."""
    sha = hashlib.sha256()
    for frame in frames:
        for column in frame.iter_columns():
            values = column.to_physical() if column.dtype == pl.Date else column
            sha.update(f"{column.name}:{values.dtype}:{len(values)}\n".encode())
            sha.update(values.is_null().to_numpy().tobytes())
            filled = values.fill_null(0).to_numpy()
            sha.update(filled.astype(filled.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


def iso_time(ms: int | np.int64) -> str:
    """Return milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
