"""From nodes to the ONNX graph that computes all features, and says which are available.

Inputs, each only where it is needed (T bars, D rows of the daily table):

    timestamp    int64   [T]  open of the bar, ms since 1970 UTC, rising
    bar_number   int64   [T]  number of the bar: one more than the bar before where no bar is missing between
    rows         int64   [1]  how many of the last bars are wanted
    from_start   bool    [1]  whether the first bar given is the true start of the history
    open, high, low, close, volume   float64 [T]
    daily_date   int64   [D]  days since 1970, rising
    daily_close  float64 [D]  close of the last bar of that UTC date; NaN where it is missing
    (a daily series by its name)   float64 [D], NaN where it is not known

Outputs, for the last R = min(rows, T) bars: `features` float32 [R, F], NaN where unavailable, and `available`
bool [R, F]. A value that is no finite float32 is unavailable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from gradus_runtime.candles import COLUMNS
from gradus_train.features.graph.calendar import Zone
from gradus_train.features.graph.clocks import Clocks
from gradus_train.features.graph.emitter import Emitter
from gradus_train.features.graph.frame import ALWAYS, Frame, make_frame
from gradus_train.features.graph.reach import MARGIN, Reach, measure_reach
from gradus_train.features.graph.values import Values
from gradus_train.features.language import BARS, Dates, Node, RowsNeeded

__all__ = ["DAILY_CLOSE", "DAILY_DATE", "OPSET", "compile_graph"]

OPSET = 18
_IR_VERSION = 9
DAILY_DATE, DAILY_CLOSE = "daily_date", "daily_close"


def compile_graph(
    features: Sequence[Node], *, bar_ms: int, carry_days: int, zone: Zone
) -> tuple[ModelProto, Reach]:
    """Compile features to one graph. The same arguments give the same bytes.

    Args:
        features: Nodes on bars, in the order of the outputs' columns.
        bar_ms: Length of a bar.
        carry_days: A daily value is used for at most so many days.
        zone: Of the calendar fields.

    Returns:
        The model, and how far back it looks.
    """
    e = Emitter()
    reach = measure_reach(features, bar_ms)
    read = {str(n.parameters[0]) for n in reach.order if n.op == "column" and n.domain == BARS}
    frame = make_frame(e, reach.bars, [c for c in COLUMNS if c in read])
    clocks = Clocks(e, frame, reach, bar_ms, carry_days)
    values = Values(e, frame, reach, clocks, zone)
    table = _table(e, [values.view(f, MARGIN) for f in features])
    available = e.op("And", _available(e, frame, clocks, features), _finite(e, table))
    e.named("Identity", available, name="available")
    e.named("Where", available, table, e.constant(np.nan, np.float32), name="features")
    return _model(e, reach, len(features)), reach


def _table(e: Emitter, columns: Sequence[str]) -> str:
    """Return float32 [R, F] from the columns on R + MARGIN rows."""
    flat = e.cast(e.op("Concat", *columns, axis=0), TensorProto.FLOAT)
    wide = e.op("Reshape", flat, e.ints([len(columns), -1]))
    return e.op("Transpose", e.slice(wide, MARGIN, axis=1), perm=[1, 0])


def _finite(e: Emitter, table: str) -> str:
    return e.op("LessOrEqual", e.op("Abs", table), e.constant(np.finfo(np.float32).max, np.float32))


def _available(e: Emitter, frame: Frame, clocks: Clocks, features: Sequence[Node]) -> str:
    """Return bool [R, F]: all bars' needs at once, against rows of limits; then what else a feature needs."""
    needs = [f.needs.get(BARS, RowsNeeded(0, 0)) for f in features]
    position = frame.rows.position
    full = e.op("Where", frame.rows.known or "", e.ints(ALWAYS), position)

    def reached(rows: str, limits: list[int]) -> str:
        wanted = e.op("Unsqueeze", e.slice(rows, frame.before), e.ints([1]))
        return e.op("GreaterOrEqual", wanted, e.ints([[n - 1 for n in limits]]))

    ok = e.op("And", reached(position, [n.first for n in needs]), reached(full, [n.full for n in needs]))
    masks = [e.op("Expand", e.flags([True]), frame.wanted)]
    which = []
    for feature in features:
        other = [clocks.met(c, n, 0) for c, n in feature.needs.items() if c != BARS]
        mask = e.all_of(other) if other else masks[0]
        if mask not in masks:
            masks.append(mask)
        which.append(masks.index(mask))
    if len(masks) == 1:
        return ok
    stacked = e.op("Reshape", e.op("Concat", *masks, axis=0), e.ints([len(masks), -1]))
    return e.op("And", ok, e.op("Transpose", e.op("Gather", stacked, e.ints(which)), perm=[1, 0]))


def _model(e: Emitter, reach: Reach, features: int) -> ModelProto:
    nodes, constants = e.used(["features", "available"])
    used = {name for node in nodes for name in node.input}
    series = sorted(
        {s for n in reach.order if isinstance(n.domain, Dates) for s in n.domain.series} - {"close"}
    )
    floats = [*((c, "T") for c in COLUMNS), *((s, "D") for s in [DAILY_CLOSE, *series])]
    inputs = [
        _info("timestamp", TensorProto.INT64, ["T"]),
        _info("bar_number", TensorProto.INT64, ["T"]),
        _info("rows", TensorProto.INT64, [1]),
        _info("from_start", TensorProto.BOOL, [1]),
        *([_info(DAILY_DATE, TensorProto.INT64, ["D"])] if DAILY_DATE in used else []),
        *(_info(name, TensorProto.DOUBLE, [size]) for name, size in floats if name in used),
    ]
    outputs = [
        _info("features", TensorProto.FLOAT, ["R", features]),
        _info("available", TensorProto.BOOL, ["R", features]),
    ]
    graph = helper.make_graph(nodes, "features", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="gradus")
    onnx.checker.check_model(model, full_check=True)
    return model


def _info(name: str, kind: int, shape: Sequence[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))
