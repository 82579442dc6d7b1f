"""Candles from a file of rows: CSV, JSON Lines or Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gradus_live.bars import Bars, Integers
from gradus_runtime.errors import DataError
from gradus_runtime.rows.files import read_table
from gradus_runtime.rows.moments import read_moment
from gradus_runtime.rows.values import read_value

__all__ = ["load_bars"]

_PRICES = ("open", "high", "low", "close")
_TIMES = ("timestamp", "time", "open_time")


def load_bars(paths: Iterable[Path], *, bar_ms: int | None = None, stamps: str = "open") -> Bars:
    """Read candles; of a bar that occurs twice the last one counts.

    Args:
        paths: Files with the columns `timestamp` (or `time`, `open_time`) and `close`, and perhaps `open`,
            `high` and `low`. A stamp is milliseconds since 1970 UTC, or ISO 8601 text with its offset.
        bar_ms: Length of a bar; by default the most common distance between two.
        stamps: "open" if a stamp is the bar's opening, "close" if it is the opening of the next one.

    Raises:
        DataError: A file lacks a column, a stamp is no moment, or there are fewer than two bars.
    """
    rows: dict[int, dict[str, float]] = {}
    for path in paths:
        _read(path, rows)
    times = np.array(sorted(rows), dtype=np.int64)
    if len(times) < 2:
        raise DataError("candles must hold at least two bars", place=", ".join(map(str, paths)))
    length = bar_ms if bar_ms is not None else _common_step(times)
    ordered = [rows[t] for t in times.tolist()]
    known = [name for name in _PRICES if any(name in row for row in ordered)]
    columns = {name: np.array([row.get(name, np.nan) for row in ordered]) for name in known}
    if "close" not in columns:
        raise DataError("candles need a column close", place=", ".join(map(str, paths)))
    return Bars(
        times - (length if stamps == "close" else 0),
        columns["close"],
        length,
        columns.get("open"),
        columns.get("high"),
        columns.get("low"),
    )


def _read(path: Path, rows: dict[int, dict[str, float]]) -> None:
    columns = read_table(path, _PRICES, whole=True).columns
    stamps = next((columns[name] for name in _TIMES if name in columns), None)
    if stamps is None:
        raise DataError("candles need a column timestamp", place=str(path), value=sorted(columns)[:8])
    prices = {name: columns[name] for name in _PRICES if name in columns}
    for i, stamp in enumerate(stamps):
        rows[_stamp(stamp, f"{path}, row {i + 1}")] = {
            name: read_value(values[i]) for name, values in prices.items()
        }


def _stamp(value: Any, place: str) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    return round(read_moment(value, place=place, error=DataError).timestamp() * 1000)


def _common_step(times: Integers) -> int:
    return int(Counter(np.diff(times).tolist()).most_common(1)[0][0])
