"""Runs a features graph over a history, on the session that will serve it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_runtime.candles import COLUMNS, GOLDEN_BARS, BarTable, DailyTable, GoldenCandles
from gradus_runtime.errors import CheckError
from gradus_runtime.sessions.features_session import FeaturesSession
from gradus_train.features.compilation import CompiledFeatures

__all__ = ["ComputedFeatures", "compute_features", "daily_table", "golden_candles"]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class ComputedFeatures:
    """Features of every bar, bridged ones among them.

    Attributes:
        bars: The bars.
        values: float32 [N, F], C order; NaN where unavailable.
    """

    bars: BarTable
    values: npt.NDArray[np.float32]


def compute_features(
    compiled: CompiledFeatures,
    bars: pl.DataFrame,
    daily: pl.DataFrame | None,
    *,
    from_start: bool = True,
    block_rows: int | None = None,
    last: int | None = None,
) -> ComputedFeatures:
    """Compute the features of every bar from bars up to and including it.

    Args:
        compiled: The graph.
        bars: `timestamp` (int64 ms UTC of the open, rising, on the grid of bars), `open`, `high`, `low`,
            `close`, `volume` (float64). Missing bars are absent; short gaps are bridged here.
        daily: `date` and the daily series, or None where there are none. A column `close` gives the closes of
            dates whose last bar is not among the bars: what a feed keeps beside its tail.
        from_start: Whether the first bar is the true start of the history; False for a tail.
        block_rows: Bars of a block; the result does not depend on it.
        last: Only the last so many bars; by default all. The rows of the others are unavailable.

    Raises:
        DataError: A bar opens in closing hours.
    """
    spec = compiled.spec if block_rows is None else replace(compiled.spec, block_rows=block_rows)
    session = FeaturesSession(compiled.model, spec)
    columns = {name: bars[name].to_numpy() for name in bars.columns if name != "timestamp"}
    table = session.bridged(bars["timestamp"].to_numpy(), columns)
    made = session.run(table, daily_table(daily), rows=last, from_start=from_start)
    if len(made) < len(table.timestamps):
        before = np.full((len(table.timestamps) - len(made), made.shape[1]), np.nan, np.float32)
        made = np.concatenate([before, made])
    return ComputedFeatures(table, made)


def daily_table(daily: pl.DataFrame | None) -> DailyTable | None:
    """A frame of daily series as the graph takes it; None for None."""
    if daily is None:
        return None
    dates = daily["date"].cast(pl.Datetime("ms")).dt.timestamp("ms").to_numpy() // _DAY_MS
    values = {name: daily[name].fill_null(np.nan).to_numpy() for name in daily.columns if name != "date"}
    close = values.pop("close", None)
    return DailyTable(dates, values, close)


def golden_candles(
    compiled: CompiledFeatures, bars: pl.DataFrame, daily: pl.DataFrame | None, table: ComputedFeatures
) -> GoldenCandles:
    """The tail of a history that gives its last bars the features that they have in the whole.

    Args:
        compiled: The graph.
        bars: As in `compute_features`.
        daily: As in `compute_features`.
        table: What `compute_features` made of them.

    Raises:
        CheckError: The tail does not give these features.
    """
    spec = compiled.spec
    rows = min(GOLDEN_BARS, len(table.values))
    tail = bars.tail(spec.look_back + rows)
    days = daily_table(daily) or DailyTable()
    recent = days.dates <= int(tail["timestamp"][-1]) // _DAY_MS
    dates = max((f.dates for f in spec.features), default=0) * spec.carry_days + 1
    series = {name: days.series[name][recent] for name in spec.daily if name in days.series}
    closes = days.closes(table.bars.timestamps, table.bars.columns["close"], spec.bar_ms)
    kept = DailyTable(days.dates[recent], series, closes[recent] if spec.daily_close else None).latest(dates)
    session = FeaturesSession(compiled.model, spec)
    columns = {name: tail[name].to_numpy() for name in COLUMNS}
    stamps = tail["timestamp"].to_numpy()
    made = session.run(session.bridged(stamps, columns), kept, rows=rows)
    known = ~np.isnan(made)
    if (made[known].view(np.uint32) != table.values[-rows:][known].view(np.uint32)).any():
        raise CheckError(
            "a tail must give the features of the whole history",
            place="features graph",
            hint="This is a fault of gradus, or of this onnxruntime: report it with the feature order.",
        )
    return GoldenCandles(stamps, columns, kept, made)
