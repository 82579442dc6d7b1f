"""The door of the input side: files in, features, labels and times of every bar out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import DataError
from gradus_train.features import FeatureSettings, compute_features
from gradus_train.ingest import Candles, Daily, load_candles, load_daily
from gradus_train.labels import NO_LABEL, LabelSpec, make_labels
from gradus_train.source import DataSettings, DataSource

__all__ = ["DataSettings", "DataSource", "Dataset", "LabelSpec", "load_dataset"]


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
    if source.candles is None:
        raise NotImplementedError
    s = source.settings
    candles = load_candles(source.candles, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps)
    daily = load_daily(source.macro) if source.macro is not None else None
    return _from_candles(source, candles, daily, order, labels)


def _from_candles(
    source: DataSource, candles: Candles, daily: Daily | None, order: FeatureOrder, spec: LabelSpec
) -> Dataset:
    settings = FeatureSettings(
        source.settings.bar_ms, source.settings.market_timezone, source.settings.carry_days
    )
    table = compute_features(candles.frame, daily.frame if daily else None, order.names, settings)
    timestamps = candles.frame["timestamp"].to_numpy()
    close = candles.frame["close"].to_numpy()
    labels = make_labels(timestamps, close, source.settings.bar_ms, spec)
    _check_count(source, labels)
    return Dataset(
        names=order.names,
        features=_as_float32(table),
        labels=labels,
        timestamps=timestamps,
        classes=spec.classes,
        horizon=spec.horizon,
        bar_ms=source.settings.bar_ms,
        data_sha256=_digest([candles.frame] + ([daily.frame] if daily else [])),
        data_start=_iso(timestamps[0]),
        data_end=_iso(timestamps[-1]),
        simulated=candles.simulated or (daily is not None and daily.simulated),
        close=close,
    )


def _check_count(source: DataSource, labels: npt.NDArray[np.int64]) -> None:
    count = int((labels != NO_LABEL).sum())
    if count < source.settings.minimum_rows:
        raise DataError(
            f"at least {source.settings.minimum_rows} labelled rows are needed",
            place=source.name,
            value=count,
            hint="Bring a longer history, or lower the bar: --minimum-rows N.",
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


def _iso(ms: np.int64) -> str:
    return datetime.fromtimestamp(int(ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
