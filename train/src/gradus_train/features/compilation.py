"""From a feature order to the graph of its expressions, with the file that says how to feed it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gradus_runtime.candles import COLUMNS
from gradus_runtime.contracts.feature_order import FORMAT_1, FeatureOrder
from gradus_runtime.contracts.features_graph import (
    FeaturesSpec,
    GapRule,
    GraphColumn,
    LevelHistory,
    ZoneTable,
)
from gradus_runtime.errors import ConfigError
from gradus_train.features.builtin import with_builtin_expressions
from gradus_train.features.graph import compile_graph
from gradus_train.features.language import BARS, Node, Program
from gradus_train.features.settings import FeatureSettings
from gradus_train.features.zones import zone_table

__all__ = ["MARKED_BARS", "CompiledFeatures", "compile_features", "resolved"]

MARKED_BARS = 50
_BLOCK_VALUES = 1 << 18
_MOST_ROWS = 8192
_FEWEST_ROWS = 256


@dataclass(frozen=True, slots=True)
class CompiledFeatures:
    """A features graph: the bytes of `features.onnx`, and `features.json` as a value."""

    model: bytes
    spec: FeaturesSpec


def resolved(order: FeatureOrder) -> FeatureOrder:
    """Return the order with expressions: in a file of format 1, names mean the built-in features."""
    return with_builtin_expressions(order) if order.format == FORMAT_1 else order


def compile_features(
    order: FeatureOrder,
    settings: FeatureSettings,
    *,
    first_ms: int,
    last_ms: int,
    names: Sequence[str] | None = None,
    place: str = "feature order",
) -> CompiledFeatures:
    """Compile the expressions of an order to one graph. The same arguments give the same bytes.

    Args:
        order: Features with expressions; those from outside are left out.
        settings: Bars, zone, daily values, gaps.
        first_ms: Open of the first bar of training, from which on the zone's offsets are kept.
        last_ms: Open of the last one; offsets are kept for ten years more.
        names: Only these features, in this order.
        place: The file, as errors show it.

    Raises:
        ConfigError: An expression breaks a rule; the message names feature and column.
    """
    expressions = order.expressions
    wanted = list(expressions) if names is None else list(names)
    for name in wanted:
        if name not in expressions:
            raise ConfigError(
                "a feature must have an expression, or come from your own table",
                place=place,
                value=name,
                hint="Give it an expression, or bring a table that has it: --features FILE.",
            )
    program = Program(
        {**order.terms, **expressions},
        bar_ms=settings.bar_ms,
        daily=order.daily,
        week=settings.week,
        place=place,
    )
    nodes = {name: program.node(name) for name in wanted}
    for term in order.terms if names is None else ():
        program.check(term)
    zone = zone_table(settings.market_timezone, first_ms, last_ms)
    model, reach = compile_graph(
        list(nodes.values()), bar_ms=settings.bar_ms, carry_days=settings.carry_days, zone=zone
    )
    data = model.SerializeToString(deterministic=True)
    inputs = [i.name for i in model.graph.input]
    spec = FeaturesSpec(
        graph_sha256=hashlib.sha256(data).hexdigest(),
        bar_ms=settings.bar_ms,
        columns=tuple(c for c in COLUMNS if c in inputs),
        daily=tuple(s for s in order.daily if s in inputs),
        daily_close="daily_close" in inputs,
        carry_days=settings.carry_days,
        zone=zone,
        gaps=_gaps(settings, first_ms, last_ms),
        features=tuple(_feature(name, expressions[name], node) for name, node in nodes.items()),
        levels=_levels(order, nodes),
        terms=dict(order.terms),
        look_back=reach.bars,
        block_rows=max(_FEWEST_ROWS, min(_MOST_ROWS, _BLOCK_VALUES // reach.widest)),
    )
    return CompiledFeatures(data, spec)


def _gaps(settings: FeatureSettings, first_ms: int, last_ms: int) -> GapRule:
    zone: ZoneTable | None = None
    if settings.closed:
        zone = zone_table(settings.closed_timezone or settings.market_timezone, first_ms, last_ms)
    return GapRule(settings.bridge_bars, MARKED_BARS, settings.closings, zone)


def _feature(name: str, expression: str, node: Node) -> GraphColumn:
    first = node.needs[BARS].first if BARS in node.needs else 1
    return GraphColumn(
        name=name,
        expression=expression,
        unit=str(node.unit),
        inputs=tuple(sorted(node.sources)),
        first=first,
        bars=node.history,
        dates=node.dates,
    )


def _levels(order: FeatureOrder, nodes: dict[str, Node]) -> tuple[LevelHistory, ...]:
    levels = []
    for spec in order.levels:
        names = order.level_features(spec.name)
        known = [nodes[n] for n in names if n in nodes]
        levels.append(
            LevelHistory(
                name=spec.name,
                bars=max((n.history for n in known), default=0),
                dates=max((n.dates for n in known), default=0),
                outside=tuple(n for n in names if n not in nodes),
            )
        )
    return tuple(levels)
