"""Features of candles through the graph, as frames: what most tests of features look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import polars as pl

from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.feature_order import Feature, FeatureOrder, Group, LevelSpec
from gradus_train.features import (
    CompiledFeatures,
    FeatureSettings,
    builtin_order,
    compile_features,
    compute_features,
)

NAMES = builtin_order().names
EXTERNAL = tuple(f.name for f in builtin_order().features if f.group == "external_api")
SIGNALS = tuple(n for n in NAMES if n.startswith("strategy_signal_"))
UNBRIDGED = FeatureSettings(bridge_bars=0)
FIRST_MS, LAST_MS = 1_500_000_000_000, 1_760_000_000_000


def order_of(
    expressions: Mapping[str, str], *, terms: Mapping[str, str] | None = None, daily: Sequence[str] = ()
) -> FeatureOrder:
    """An order of one group and one level."""
    features = tuple(Feature(name, "all", "", text) for name, text in expressions.items())
    levels = (LevelSpec("only", ("all",)),)
    order = FeatureOrder((Group("all", features),), levels, dict(terms or {}), tuple(daily))
    return feature_order.parse(order.to_json(), place="order")


def compiled(
    order: FeatureOrder | None = None,
    names: Sequence[str] | None = None,
    settings: FeatureSettings = UNBRIDGED,
) -> CompiledFeatures:
    """Compile an order, by default that of the built-in features."""
    if order is None:
        return _builtin(None if names is None else tuple(names), settings)
    return compile_features(order, settings, first_ms=FIRST_MS, last_ms=LAST_MS, names=names)


@cache
def _builtin(names: tuple[str, ...] | None, settings: FeatureSettings) -> CompiledFeatures:
    return compile_features(builtin_order(), settings, first_ms=FIRST_MS, last_ms=LAST_MS, names=names)


def features(
    bars: pl.DataFrame,
    daily: pl.DataFrame | None = None,
    names: Sequence[str] | None = None,
    settings: FeatureSettings = UNBRIDGED,
    *,
    from_start: bool = True,
) -> pl.DataFrame:
    """Built-in features of every bar that the market had, null where unavailable."""
    return run(compiled(None, names, settings), bars, daily, from_start=from_start)


def run(
    graph: CompiledFeatures,
    bars: pl.DataFrame,
    daily: pl.DataFrame | None = None,
    *,
    from_start: bool = True,
    block_rows: int | None = None,
) -> pl.DataFrame:
    """The columns of a graph for every bar that the market had, null where unavailable."""
    table = compute_features(graph, bars, daily, from_start=from_start, block_rows=block_rows)
    values = table.values[~table.bars.bridged]
    return pl.DataFrame(values, schema=list(graph.spec.names)).fill_nan(None)


def with_settings(**changes: object) -> FeatureSettings:
    """Settings without bridging, changed."""
    return replace(UNBRIDGED, **changes)  # type: ignore[arg-type]
