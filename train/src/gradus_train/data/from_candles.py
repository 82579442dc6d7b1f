"""Rows from candles: bars bridged, features computed by their graph, labels made; bridged bars left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_live.bars import Bars
from gradus_live.labels import NO_LABEL, LabelRule, Meta, Outcomes, outcomes
from gradus_runtime.candles import BarTable, GoldenCandles
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError
from gradus_train.data.source import DataSource
from gradus_train.features import CompiledFeatures, compile_features, compute_features, golden_candles
from gradus_train.ingest import load_candles, load_daily, read_table
from gradus_train.ingest.feature_table import outside_features

__all__ = ["CandleRows", "as_float32", "read_candle_rows"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CandleRows:
    """A row for every bar that the market had.

    Attributes:
        timestamps: int64 [N], ms UTC of the open, rising.
        close: float64 [N].
        prices: `open`, `high` and `low`, float64 [N] each.
        features: float32 [N, F]; NaN where unavailable.
        made: Labels and trades. None starts or ends in a bridged bar.
        side: float64 [N], for a meta label; else None.
        graph: What computed the features.
        golden: A tail that gives its last bars the features that they have.
        read: The tables that were read.
        simulated: Whether one of them says so.
        source_bar_ms: Length of the bars in the file.
        partial_bars: Bars left out in resampling.
        bridged: Missing bars that were bridged.
    """

    timestamps: npt.NDArray[np.int64]
    close: Floats
    prices: tuple[Floats, Floats, Floats]
    features: npt.NDArray[np.float32]
    made: Outcomes
    side: Floats | None
    graph: CompiledFeatures
    golden: GoldenCandles
    read: list[pl.DataFrame]
    simulated: bool
    source_bar_ms: int
    partial_bars: int
    bridged: int


def read_candle_rows(path: Path, source: DataSource, order: FeatureOrder, rule: LabelRule) -> CandleRows:
    """Read candles, daily series and the features from outside, and compute the rest.

    Args:
        path: Of the candles.
        source: Files and how to read them.
        order: Which features, in which order, with their expressions.
        rule: How bars are labelled.

    Raises:
        DataError: The data breaks a rule.
        ConfigError: An expression breaks a rule, or features from outside are in no file.
    """
    s = source.settings
    if order.outside and source.features is None:
        raise ConfigError(
            "a feature must have an expression, or come from your own table",
            place="feature order",
            value=", ".join(order.outside),
            hint="Give it an expression, or bring a table that has it: --features FILE.",
        )
    candles = load_candles(path, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps)
    stamps = candles.frame["timestamp"]
    compiled = compile_features(order, s.feature_settings, first_ms=int(stamps[0]), last_ms=int(stamps[-1]))
    needed = (*compiled.spec.daily, *(["close"] if compiled.spec.daily_close else []))
    daily = load_daily(source.daily, compiled.spec.daily) if source.daily is not None and needed else None
    table = compute_features(compiled, candles.frame, daily.frame if daily else None)
    had = ~table.bars.bridged
    features, outside = _all_features(source, order, compiled, table.values[had], stamps)
    side = _side(rule, order, features, had)
    made = _outcomes(rule, table.bars, s.bar_ms, side).select(had)
    columns = {name: column[had] for name, column in table.bars.columns.items()}
    return CandleRows(
        timestamps=table.bars.timestamps[had],
        close=columns["close"],
        prices=(columns["open"], columns["high"], columns["low"]),
        features=features,
        made=made,
        side=None if side is None else side[had],
        graph=compiled,
        golden=golden_candles(compiled, candles.frame, daily.frame if daily else None, table),
        read=[candles.frame, *([daily.frame] if daily else []), *outside],
        simulated=candles.simulated or (daily is not None and daily.simulated),
        source_bar_ms=candles.source_bar_ms,
        partial_bars=candles.partial_bars,
        bridged=int(table.bars.bridged.sum()),
    )


def _all_features(
    source: DataSource,
    order: FeatureOrder,
    compiled: CompiledFeatures,
    computed: npt.NDArray[np.float32],
    stamps: pl.Series,
) -> tuple[npt.NDArray[np.float32], list[pl.DataFrame]]:
    """The features in the order's own order, and the table that those from outside were read from."""
    if source.features is None or not order.outside:
        return computed, []
    s = source.settings
    outside = outside_features(
        read_table(source.features),
        order.outside,
        stamps,
        bar_ms=s.bar_ms,
        timezone=s.timezone,
        stamps=s.stamps,
    )
    result = np.empty((len(computed), len(order.names)), dtype=np.float32)
    place = {name: i for i, name in enumerate(order.names)}
    result[:, [place[name] for name in compiled.spec.names]] = computed
    result[:, [place[name] for name in order.outside]] = as_float32(outside)
    return result, [outside]


def _side(
    rule: LabelRule, order: FeatureOrder, features: npt.NDArray[np.float32], had: Flags
) -> Floats | None:
    """For a meta label, the side by bar; a bridged bar has none."""
    if not isinstance(rule, Meta):
        return None
    side = np.full(len(had), np.nan)
    side[had] = features[:, order.names.index(rule.side)]
    return side


def _outcomes(rule: LabelRule, bars: BarTable, bar_ms: int, side: Floats | None) -> Outcomes:
    """Labels and trades of all bars; none where the bar, that of the trade's entry or the last is bridged."""
    prices = (bars.columns[name] for name in ("close", "open", "high", "low"))
    made = outcomes(rule, Bars(bars.timestamps, next(prices), bar_ms, *prices), side=side)
    if not bars.bridged.any():
        return made
    out = bars.bridged | _ahead(bars.bridged, 1) | _ahead(bars.bridged, rule.reach)
    return Outcomes(
        np.where(out, NO_LABEL, made.labels),
        np.where(out, np.nan, made.long),
        np.where(out, np.nan, made.short),
        np.where(out, 0, made.long_bars),
        np.where(out, 0, made.short_bars),
    )


def _ahead(flags: Flags, bars: int) -> Flags:
    """Whether the bar so many bars later is flagged."""
    result = np.zeros_like(flags)
    result[: max(len(flags) - bars, 0)] = flags[bars:]
    return result


def as_float32(table: pl.DataFrame) -> npt.NDArray[np.float32]:
    """Return a table as float32 [N, F]; what is no finite float32 is NaN."""
    result = np.empty((len(table), table.width), dtype=np.float32)
    with np.errstate(over="ignore"):
        for i, column in enumerate(table.iter_columns()):
            result[:, i] = column.to_numpy()
    result[~np.isfinite(result)] = np.nan
    return result
