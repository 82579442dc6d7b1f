"""Daily values, taken date by date: what a feed keeps. Values here never change, as in `tail`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradus_runtime.candles.columns import table_columns
from gradus_runtime.candles.dates import DailyTable
from gradus_runtime.candles.reading import read_daily
from gradus_runtime.candles.tail import CandleTail
from gradus_runtime.contracts.features_graph import FeaturesSpec

__all__ = ["DailyTail"]

_MOST_DATES = 16_384
_DAY_MS = 86_400_000
_SPARE_DATES = 8


@dataclass(frozen=True, slots=True, eq=False)
class DailyTail:
    """Dates with their values, and those of the future as well where they were given.

    Attributes:
        rows: Days since 1970 to the values that are known, by series; rising.
    """

    rows: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def add(self, table: Any) -> DailyTail:
        """Return the tail with more values.

        All series are kept, also those that no feature needs today. A value replaces that of its date and
        series; one that is not known leaves it as it is.

        Args:
            table: As in `read_daily`.

        Raises:
            UsageError: It is no table, or has no dates.
        """
        columns = table_columns(table, "daily")
        names = [name for name in columns if name.lower() not in ("date", "close")]
        read = read_daily(table, names)
        series = dict(read.series) | ({} if read.close is None else {"close": read.close})
        rows = dict(self.rows)
        for i, date in enumerate(read.dates.tolist()):
            known = {name: float(v[i]) for name, v in series.items() if not np.isnan(v[i])}
            rows[date] = {**rows.get(date, {}), **known}
        return DailyTail({date: rows[date] for date in sorted(rows)[-_MOST_DATES:]})

    def table(self, spec: FeaturesSpec, candles: CandleTail, newest_ms: int) -> DailyTable:
        """Return the dates before a bar's as a graph takes them, as many as it looks at.

        Args:
            spec: Of the graph.
            newest_ms: Open of the bar.
            candles: Their closes go before those that were given with the daily values, but for those that
                were carried over a gap longer than the graph bridges.
        """
        bridged = spec.gaps.bridge_bars
        closes = {date: close for date, (close, gap) in candles.closes.items() if gap <= bridged}
        given = [date for date in self.rows if date < newest_ms // _DAY_MS]
        close = np.array([closes.get(d, self.rows[d].get("close", np.nan)) for d in given])
        values = {n: np.array([self.rows[d].get(n, np.nan) for d in given]) for n in spec.daily}
        known = np.ones(len(given), np.bool_)
        for column in (*values.values(), *([close] if spec.daily_close else [])):
            known &= ~np.isnan(column)
        dates = max(feature.dates for feature in spec.features)
        count = int(np.searchsorted(np.cumsum(known[::-1]), dates + _SPARE_DATES)) + 1
        return DailyTable(np.array(given, np.int64), values, close).latest(count)
