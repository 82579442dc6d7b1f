"""Rows from candles: bars bridged, features computed by their graph, labels made; bridged bars left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_live.bars import Bars
from gradus_live.labels import NO_LABEL, LabelRule, Meta, Outcomes, outcomes
from gradus_runtime.candles import BarTable, GoldenCandles
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import (
    CompiledFeatures,
    FeatureSettings,
    compile_features,
    compute_features,
    golden_candles,
)
from gradus_train.ingest import Candles, Daily, load_candles, load_daily, read_raw_table
from gradus_train.ingest.feature_table import outside_features

__all__ = [
    "CandleInputs",
    "CandleRows",
    "as_float32",
    "candle_rows",
    "read_candle_inputs",
    "read_candle_rows",
]

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


@dataclass(frozen=True, slots=True)
class CandleInputs:
    """What was read from files, before anything is computed.

    Attributes:
        candles: Bars of the configured length.
        daily: Daily series; None where none are needed, or there are none.
        outside: Features from outside, a row for each bar; None where there are none.
    """

    candles: Candles
    daily: Daily | None
    outside: pl.DataFrame | None

    def before(self, moment_ms: int) -> CandleInputs:
        """Return what a file that ends at a moment holds: bars closed by then, values of days over by then.

        Args:
            moment_ms: ms UTC.
        """
        c = self.candles
        closed = c.frame["timestamp"] + c.bar_ms <= moment_ms
        over = pl.lit(datetime.fromtimestamp(moment_ms / 1000, UTC).date())
        return CandleInputs(
            candles=replace(
                c,
                frame=c.frame.filter(closed),
                partial=tuple(t for t in c.partial if t + c.bar_ms <= moment_ms),
            ),
            daily=None
            if self.daily is None
            else replace(self.daily, frame=self.daily.frame.filter(pl.col("date") < over)),
            outside=None if self.outside is None else self.outside.filter(closed),
        )

    def compiled(self, order: FeatureOrder, settings: FeatureSettings) -> CompiledFeatures:
        """Compile an order for the span of these bars."""
        stamps = self.candles.frame["timestamp"]
        return compile_features(order, settings, first_ms=int(stamps[0]), last_ms=int(stamps[-1]))


def read_candle_inputs(path: Path, source: DataSource, order: FeatureOrder) -> CandleInputs:
    """Read candles, daily series and the features from outside.

    Args:
        path: Of the candles.
        source: Files and how to read them.
        order: Which features, in which order, with their expressions.

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
    spec = CandleInputs(candles, None, None).compiled(order, s.feature_settings).spec
    needed = (*spec.daily, *(["close"] if spec.daily_close else []))
    daily = load_daily(source.daily, spec.daily) if source.daily is not None and needed else None
    return CandleInputs(candles, daily, _outside(source, order, candles.frame["timestamp"]))


def read_candle_rows(path: Path, source: DataSource, order: FeatureOrder, rule: LabelRule) -> CandleRows:
    """Read candles, daily series and the features from outside, and compute the rest.

    Arguments and errors are those of `read_candle_inputs`; `rule` says how bars are labelled.
    """
    return candle_rows(read_candle_inputs(path, source, order), source.settings, order, rule)


def candle_rows(
    inputs: CandleInputs, settings: DataSettings, order: FeatureOrder, rule: LabelRule
) -> CandleRows:
    """Compute features and labels of what was read.

    Args:
        inputs: As `read_candle_inputs` returns it.
        settings: How data is read.
        order: Which features, in which order, with their expressions.
        rule: How bars are labelled.
    """
    candles, daily = inputs.candles, inputs.daily
    compiled = inputs.compiled(order, settings.feature_settings)
    table = compute_features(compiled, candles.frame, daily.frame if daily else None)
    had = ~table.bars.bridged
    features = _all_features(inputs.outside, order, compiled, table.values[had])
    side = _side(rule, order, features, had)
    made = _outcomes(rule, table.bars, settings.bar_ms, side).select(had)
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
        read=[
            candles.frame,
            *([daily.frame] if daily else []),
            *([] if inputs.outside is None else [inputs.outside]),
        ],
        simulated=candles.simulated or (daily is not None and daily.simulated),
        source_bar_ms=candles.source_bar_ms,
        partial_bars=candles.partial_bars,
        bridged=int(table.bars.bridged.sum()),
    )


def _outside(source: DataSource, order: FeatureOrder, stamps: pl.Series) -> pl.DataFrame | None:
    """Return the features from outside, a row for each bar."""
    if source.features is None or not order.outside:
        return None
    s = source.settings
    return outside_features(
        read_raw_table(source.features).called(s.columns),
        order.outside,
        stamps,
        bar_ms=s.bar_ms,
        timezone=s.timezone,
        stamps=s.stamps,
    )


def _all_features(
    outside: pl.DataFrame | None,
    order: FeatureOrder,
    compiled: CompiledFeatures,
    computed: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """The features in the order's own order."""
    if outside is None:
        return computed
    result = np.empty((len(computed), len(order.names)), dtype=np.float32)
    place = {name: i for i, name in enumerate(order.names)}
    result[:, [place[name] for name in compiled.spec.names]] = computed
    result[:, [place[name] for name in order.outside]] = as_float32(outside)
    return result


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
