"""The features of the newest bar. `Predictor.decide_candles` and `Predictor.features` succeed it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_train.features.builtin import builtin_order
from gradus_train.features.compilation import CompiledFeatures, compile_features, resolved
from gradus_train.features.computation import compute_features
from gradus_train.features.settings import FeatureSettings
from gradus_train.ingest.candles import Candles, candles_from_table
from gradus_train.ingest.daily import Daily, daily_from_table
from gradus_train.ingest.table_file import RawTable

__all__ = ["SUCCESSOR", "Table", "latest_features", "latest_of"]

SUCCESSOR = (
    "Use an artifact that carries its features: gradus decide, or Predictor.decide_candles and features."
)
Table = pl.DataFrame | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
"""Rows in time order: a polars DataFrame, columns by name, or a list of rows."""
_MONTH_MS = 31 * 86_400_000


def latest_features(
    candles_tail: Table,
    macro_tail: Table | None = None,
    *,
    names: Sequence[str] | None = None,
    settings: FeatureSettings | None = None,
    timezone: str | None = None,
    stamps: str = "open",
) -> Mapping[str, float | None]:
    """Compute built-in features of the last bar; each equals that of the whole history, bit for bit.

    Where the tail is too short to tell, a feature is None, and the artifact serves by a lower level. The next
    release will not have it.

    Args:
        candles_tail: `timestamp` (ISO 8601, epoch or datetime), `open`, `high`, `low`, `close`, `volume`, up
            to the last complete bar. Shorter bars are resampled.
        macro_tail: `date` and the daily series, the latest 60 days or more; None where there are none.
        names: Which features, in which order; all built-in ones by default.
        settings: As in training: length of a bar, time zone, days of carrying, gaps.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.

    Returns:
        Feature name to value, None where unavailable: what `Predictor.decide` takes.

    Raises:
        DataError: The rows break a rule of candles or of daily series.
        ConfigError: A name is not of a built-in feature.
    """
    order, rules = builtin_order(), settings or FeatureSettings()
    table = RawTable.of(_frame(candles_tail), "candles_tail", lines=False)
    bars = candles_from_table(table, bar_ms=rules.bar_ms, timezone=timezone, stamps=stamps)
    newest = datetime.fromtimestamp(int(bars.frame["timestamp"][-1]) / 1000, UTC)
    warnings.warn(
        f"Features of the bar that opens at {newest:%Y-%m-%dT%H:%M:%SZ}. "
        f"latest_features will be removed in the next release. {SUCCESSOR}",
        DeprecationWarning,
        stacklevel=2,
    )
    daily = None
    if macro_tail is not None:
        raw = RawTable.of(_frame(macro_tail), "macro_tail", lines=False)
        daily = daily_from_table(raw, order.daily)
    return latest_of(bars, daily, order, names, rules)


def latest_of(
    candles: Candles,
    daily: Daily | None,
    order: FeatureOrder,
    names: Sequence[str] | None,
    settings: FeatureSettings,
    *,
    from_start: bool = False,
) -> Mapping[str, float | None]:
    """As `latest_features`, of what was read already, for any order with expressions.

    With `from_start` the first bar is taken as the true start of the history.
    """
    last_ms = int(candles.frame["timestamp"][-1])
    month = last_ms // _MONTH_MS * _MONTH_MS  # so that one graph serves many bars
    compiled = _compiled(_Key(resolved(order)), settings, month, None if names is None else tuple(names))
    table = compute_features(
        compiled, candles.frame, daily.frame if daily else None, from_start=from_start, last=1
    )
    newest = table.values[-1]
    wanted = compiled.spec.names
    return {
        name: None if np.isnan(value) else float(value) for name, value in zip(wanted, newest, strict=True)
    }


class _Key:
    """An order as the key of a cache: it holds mappings, so it is known by its content."""

    def __init__(self, order: FeatureOrder) -> None:
        self.order = order
        self._content = repr(order)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._content == self._content

    def __hash__(self) -> int:
        return hash(self._content)


@lru_cache(maxsize=4)
def _compiled(
    key: _Key, settings: FeatureSettings, month: int, names: tuple[str, ...] | None
) -> CompiledFeatures:
    return compile_features(key.order, settings, first_ms=month, last_ms=month, names=names)


def _frame(rows: Table) -> pl.DataFrame:
    return rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
