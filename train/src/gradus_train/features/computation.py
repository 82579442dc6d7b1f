"""Runs a features graph over a history, in blocks: memory grows with the block, not with the history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import polars as pl

from gradus_runtime.candles import BarTable, bridge, daily_closes, open_hours
from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_train.features.compilation import CompiledFeatures

__all__ = ["FeatureTable", "compute_features", "open_graph"]

_DAY_MS = 86_400_000
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of every bar, bridged ones among them.

    Attributes:
        bars: The bars.
        values: float32 [N, F], C order; NaN where unavailable.
    """

    bars: BarTable
    values: npt.NDArray[np.float32]


def open_graph(model: bytes) -> ort.InferenceSession:
    """Open a features graph with the options that open it fastest; the bits are the same with any."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_mem_reuse = False  # the planner of reuse is quadratic in the number of nodes
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def compute_features(
    compiled: CompiledFeatures,
    bars: pl.DataFrame,
    daily: pl.DataFrame | None,
    *,
    from_start: bool = True,
    block_rows: int | None = None,
    last: int | None = None,
) -> FeatureTable:
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
    spec = compiled.spec
    columns = {name: bars[name].to_numpy() for name in bars.columns if name != "timestamp"}
    table = bridge(
        bars["timestamp"].to_numpy(),
        columns,
        bar_ms=spec.bar_ms,
        bridge_bars=spec.gaps.bridge_bars,
        hours=open_hours(spec.gaps),
    )
    feeds: dict[str, Array] = {"timestamp": table.timestamps, "bar_number": table.numbers}
    feeds |= {name: table.columns[name] for name in spec.columns}
    fixed = _daily_feeds(spec, daily, table)
    session = open_graph(compiled.model)
    values = np.full((len(table.timestamps), len(spec.features)), np.nan, dtype=np.float32)
    step = block_rows or spec.block_rows
    for start in range(0 if last is None else max(0, len(values) - last), len(values), step):
        low, high = max(0, start - spec.look_back), min(len(values), start + step)
        block: dict[str, Array] = {name: column[low:high] for name, column in feeds.items()}
        block["rows"] = np.array([high - start])
        block["from_start"] = np.array([from_start and low == 0])
        values[start:high] = session.run(["features"], block | fixed)[0]
    return FeatureTable(table, values)


def _daily_feeds(spec: FeaturesSpec, daily: pl.DataFrame | None, table: BarTable) -> dict[str, Array]:
    """The daily table as the graph takes it; where there is none, no date is known."""
    if not spec.daily and not spec.daily_close:
        return {}
    if daily is None:
        dates = np.zeros(0, dtype=np.int64)
        feeds: dict[str, Array] = {name: np.zeros(0) for name in spec.daily}
    else:
        dates = daily["date"].cast(pl.Datetime("ms")).dt.timestamp("ms").to_numpy() // _DAY_MS
        feeds = {name: daily[name].fill_null(np.nan).to_numpy() for name in spec.daily}
    feeds["daily_date"] = dates
    if spec.daily_close:
        closes = daily_closes(table.timestamps, table.columns["close"], dates, spec.bar_ms)
        if daily is not None and "close" in daily.columns:
            closes = np.where(np.isnan(closes), daily["close"].fill_null(np.nan).to_numpy(), closes)
        feeds["daily_close"] = closes
    return feeds
