"""The graph of all shipped features, tails of candles, and the features that Python's onnxruntime gives.

What Node and WebAssembly are held to, bit for bit: a tail with gaps, by blocks and row by row.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.candles import daily_values, random_bars, without_bars
from tests.support.features import compiled

from gradus_runtime.candles import BarTable, DailyTable
from gradus_runtime.candles.reading import read_candles, read_daily
from gradus_runtime.sessions.features_session import FeaturesSession
from gradus_train.features import FeatureSettings

__all__ = ["write"]

ENDS = (4700, 4733, 5000, 5301, 5777, 5990)
BLOCK = 400


def write(path: Path) -> None:
    """Write the document that `features.mjs` reads."""
    made = compiled(None, settings=FeatureSettings())
    session = FeaturesSession(made.model, made.spec)
    bars = without_bars(random_bars(6000, 9), [4690, 4691, 5100, *range(5500, 5512)])
    read = read_candles(bars, bar_ms=made.spec.bar_ms, now_ms=None)
    table = read_daily(daily_values(200, 9), made.spec.daily)
    whole = session.bridged(read.timestamps, dict(read.columns))
    tails = []
    for end in ENDS:
        for rows in (1, BLOCK) if end in (5000, 5990) else (1,):
            part = _part(whole, end)
            expected = session.run(part, table, rows=rows)
            tails.append({"feeds": _feeds(session, part, table, rows), "expected": _text(expected)})
    document = {"model": base64.b64encode(made.model).decode(), "tails": tails}
    path.write_text(json.dumps(document))


def _part(bars: BarTable, end: int) -> BarTable:
    columns = {name: values[:end] for name, values in bars.columns.items()}
    return BarTable(bars.timestamps[:end], bars.numbers[:end], columns, bars.bridged[:end])


def _feeds(session: FeaturesSession, bars: BarTable, daily: DailyTable, rows: int) -> dict[str, Any]:
    """What `FeaturesSession.run` gives to the graph for these rows."""
    spec = session.spec
    feeds: dict[str, np.ndarray[Any, Any]] = {"timestamp": bars.timestamps, "bar_number": bars.numbers}
    feeds |= {name: bars.columns[name] for name in spec.columns}
    feeds |= {name: daily.series[name] for name in spec.daily}
    feeds["daily_date"] = daily.dates
    feeds["daily_close"] = daily.closes(bars.timestamps, bars.columns["close"], spec.bar_ms)
    feeds["rows"], feeds["from_start"] = np.array([rows]), np.array([False])
    return {name: {"type": str(values.dtype), "data": _text(values)} for name, values in feeds.items()}


def _text(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
