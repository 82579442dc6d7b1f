"""The door of the input side: files in, features, labels and times of every bar out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_live.bars import Bars
from gradus_live.labels import NO_LABEL, Column, FixedHorizon, LabelRule, Meta, Outcomes, outcomes
from gradus_live.volatility import recent_volatility
from gradus_runtime.candles import GoldenCandles
from gradus_runtime.candles.reading import iso_time
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError, DataError
from gradus_runtime.wording import counted
from gradus_train.data.from_candles import CandleInputs, as_float32, candle_rows, read_candle_inputs
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import CompiledFeatures, resolved
from gradus_train.ingest import feature_table, read_raw_table

__all__ = [
    "DataSettings",
    "DataSource",
    "Dataset",
    "check_columns",
    "dataset_of",
    "load_dataset",
]

_SIGMA_BARS = 96


@dataclass(frozen=True, slots=True)
class Dataset:
    """Every bar of the source as a row, those without features or label too.

    Attributes:
        names: Feature names, in the order of the full vector.
        features: float32 [N, F], C order; NaN where a feature is unavailable.
        labels: int64 [N], index into `classes`; -1 where there is no label.
        timestamps: int64 [N], ms UTC of the bar's open, rising.
        classes: Class names.
        bar_ms: Length of a bar.
        data_sha256: Digest of what was read: bars and daily values, whatever the file format.
        data_start: Open of the first bar, ISO 8601 UTC.
        data_end: Open of the last bar, ISO 8601 UTC.
        simulated: True where the data says that it is not of a real market.
        close: float64 [N], close of the bar; NaN where the source has none.
        source_bar_ms: Length of the bars in the file, before resampling.
        partial_bars: Bars left out in resampling because a part of them was missing.
        rule: What a label means.
        trades: What a trade of either side would have returned, by row; None where there are no prices.
        side: float64 [N]: for a meta label, above 0 for a long trade, below 0 for a short one; else None.
        sigma: float64 [N], `recent_volatility` over 96 bars; None where there are no prices.
        bridged: Missing bars that were bridged; they are no rows.
        graph: What computed the features; None for a table of one's own.
        golden: Golden candles of the graph.
        order: The feature order, with the expressions that the features were computed by.
        prices: Open, high and low of each row, float64 [N] each; None for a table of one's own.
    """

    names: tuple[str, ...]
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    bar_ms: int
    data_sha256: str
    data_start: str
    data_end: str
    simulated: bool
    close: npt.NDArray[np.float64]
    source_bar_ms: int = 0
    partial_bars: int = 0
    rule: LabelRule = field(default_factory=FixedHorizon)
    trades: Outcomes | None = None
    side: npt.NDArray[np.float64] | None = None
    sigma: npt.NDArray[np.float64] | None = None
    bridged: int = 0
    graph: CompiledFeatures | None = None
    golden: GoldenCandles | None = None
    order: FeatureOrder | None = None
    prices: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None

    def select(self, keep: npt.NDArray[np.bool_]) -> Dataset:
        """Return the rows where `keep` (bool [N]) is true; digest and dates stay those of the whole."""
        return replace(
            self,
            features=self.features[keep],
            labels=self.labels[keep],
            timestamps=self.timestamps[keep],
            close=self.close[keep],
            trades=None if self.trades is None else self.trades.select(keep),
            side=None if self.side is None else self.side[keep],
            sigma=None if self.sigma is None else self.sigma[keep],
            prices=None if self.prices is None else tuple(p[keep] for p in self.prices),  # type: ignore[arg-type]
        )


def load_dataset(
    source: DataSource, order: FeatureOrder, rule: LabelRule, *, table_reach: int | None = None
) -> Dataset:
    """Read the source, compute features and labels.

    Args:
        source: Files and how to read them.
        order: Which features, in which order.
        rule: How bars are labelled.
        table_reach: Reach of labels that a table brings without saying theirs; None: such a table is refused.

    Raises:
        DataError: The data breaks a rule, or has too few labelled rows.
        ConfigError: The order, or the label, names a column that the source cannot give.
    """
    if source.candles is None:
        result = _from_table(Path(source.name), source, order, rule, table_reach)
    else:
        result = _from_candles(Path(source.name), source, order, rule)
    count = int((result.labels != NO_LABEL).sum())
    if count < (least := source.settings.minimum_rows):
        raise DataError(
            f"at least {counted(least, 'labelled row is', 'labelled rows are')} needed",
            place=source.name,
            value=count,
            hint="Bring a longer history, or lower the bar: --minimum-rows N.",
        )
    return result


def _from_candles(path: Path, source: DataSource, order: FeatureOrder, rule: LabelRule) -> Dataset:
    order = resolved(order)
    check_columns(rule, order)
    return dataset_of(read_candle_inputs(path, source, order), source.settings, order, rule)


def dataset_of(inputs: CandleInputs, settings: DataSettings, order: FeatureOrder, rule: LabelRule) -> Dataset:
    """Compute features and labels of candles that were read.

    Args:
        inputs: As `read_candle_inputs` returns it.
        settings: How data is read.
        order: Which features, in which order, with their expressions.
        rule: How bars are labelled; `check_columns` has accepted it.
    """
    rows = candle_rows(inputs, settings, order, rule)
    bars = Bars(rows.timestamps, rows.close, settings.bar_ms, *rows.prices)
    return Dataset(
        names=order.names,
        features=rows.features,
        labels=rows.made.labels,
        timestamps=rows.timestamps,
        classes=rule.classes,
        bar_ms=settings.bar_ms,
        data_sha256=_digest(rows.read),
        data_start=iso_time(rows.timestamps[0]),
        data_end=iso_time(rows.timestamps[-1]),
        simulated=rows.simulated,
        close=rows.close,
        source_bar_ms=rows.source_bar_ms,
        partial_bars=rows.partial_bars,
        rule=rule,
        trades=rows.made,
        side=rows.side,
        sigma=recent_volatility(bars, _SIGMA_BARS),
        bridged=rows.bridged,
        graph=rows.graph,
        golden=rows.golden,
        order=order,
        prices=rows.prices,
    )


def check_columns(rule: LabelRule, order: FeatureOrder) -> None:
    """Refuse labels that candles cannot give."""
    if isinstance(rule, Column):
        raise ConfigError(
            "labels of a column need a table with that column",
            place="labels.column",
            value=rule.column,
            hint="Use --features FILE, or another kind of label.",
        )
    if isinstance(rule, Meta) and rule.side not in order.names:
        raise ConfigError(
            "with candles, the side of a meta label must be one of the features",
            place="labels.side",
            value=rule.side,
            hint="Name a feature, or bring the column in a table: --features FILE.",
        )


def _from_table(
    path: Path, source: DataSource, order: FeatureOrder, asked: LabelRule, table_reach: int | None
) -> Dataset:
    s = source.settings
    table = feature_table(
        read_raw_table(path).called(s.columns),
        order.names,
        asked,
        bar_ms=s.bar_ms,
        table_reach=table_reach,
        timezone=s.timezone,
        stamps=s.stamps,
    )
    timestamps = table.timestamps.to_numpy()
    bars = Bars(timestamps, table.close, s.bar_ms, **table.prices)
    made = outcomes(table.rule, bars, side=table.side, given=table.labels)
    columns = {"timestamp": table.timestamps, "label": made.labels, "close": table.close}
    extra = dict(table.prices) | ({} if table.side is None else {"side": table.side})
    priced = not np.isnan(table.close).all()
    return Dataset(
        names=order.names,
        features=as_float32(table.features),
        labels=made.labels,
        timestamps=timestamps,
        classes=table.rule.classes,
        bar_ms=s.bar_ms,
        data_sha256=_digest([pl.DataFrame({**columns, **extra}), table.features]),
        data_start=iso_time(timestamps[0]),
        data_end=iso_time(timestamps[-1]),
        simulated=table.simulated,
        close=table.close,
        source_bar_ms=s.bar_ms,
        partial_bars=0,
        rule=table.rule,
        trades=made if priced else None,
        side=table.side,
        sigma=recent_volatility(bars, _SIGMA_BARS) if priced else None,
        order=order,
    )


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
