"""The features of the newest bar, for a bot: the same plan as in training, on the tail of the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from gradus_train.features.history import history_bars
from gradus_train.features.plan import FeatureSettings, compute_features, known_features
from gradus_train.features.segments import with_segments
from gradus_train.ingest.candles import Candles, candles_from_table
from gradus_train.ingest.daily import Daily, daily_from_table
from gradus_train.ingest.table import RawTable

__all__ = ["Table", "latest_features", "latest_of"]

Table = pl.DataFrame | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
"""Rows in time order: a polars DataFrame, columns by name, or a list of rows."""


def latest_features(
    candles_tail: Table,
    macro_tail: Table | None = None,
    *,
    names: Sequence[str] | None = None,
    settings: FeatureSettings | None = None,
    timezone: str | None = None,
    stamps: str = "open",
) -> Mapping[str, float | None]:
    """Compute the features of the last bar; each equals, as float32, that of the whole history.

    Where the tail is too short to tell, a smoothed feature is None, and the artifact serves by a lower level.
    8,016 bars of 15 minutes are enough for every feature, 1,250 for all but one strategy signal and the
    correlation; `history_bars` has the figure of each. After a gap inside the tail smoothing starts anew, as
    it does in training, and the bars since then are enough.

    Args:
        candles_tail: `timestamp` (ISO 8601, epoch or datetime), `open`, `high`, `low`, `close`, `volume`, up
            to the last complete bar. Shorter bars are resampled.
        macro_tail: `date` and the daily series, the latest 60 days or more; None where there are none.
        names: Which features, in which order; all built-in ones by default.
        settings: As in training: length of a bar, time zone, days of carrying.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.

    Returns:
        Feature name to value, None where unavailable: what `Predictor.decide` takes.

    Raises:
        DataError: The rows break a rule of candles or of daily series.
        ConfigError: A name is not of a built-in feature.
    """
    rules = settings or FeatureSettings()
    table = RawTable.of(_frame(candles_tail), "candles_tail", lines=False)
    bars = candles_from_table(table, bar_ms=rules.bar_ms, timezone=timezone, stamps=stamps)
    daily = None
    if macro_tail is not None:
        daily = daily_from_table(RawTable.of(_frame(macro_tail), "macro_tail", lines=False))
    return latest_of(bars, daily, known_features() if names is None else names, rules)


def latest_of(
    candles: Candles, daily: Daily | None, names: Sequence[str], settings: FeatureSettings
) -> Mapping[str, float | None]:
    """As `latest_features`, of what was read already."""
    bars = candles.frame
    last = compute_features(bars, daily.frame if daily else None, names, settings).row(-1)
    newest = with_segments(bars, settings.bar_ms).row(-1, named=True)
    # The first segment may have begun before the tail; a later one begins where it begins.
    known = newest["position"] + 1 if newest["segment"] == 0 else None
    return {
        name: value if known is None or known >= history_bars(name, settings.bar_ms) else None
        for name, value in zip(names, map(_float32, last), strict=True)
    }


def _frame(rows: Table) -> pl.DataFrame:
    return rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)


def _float32(value: float | None) -> float | None:
    """Round as the dataset does; None where that is not finite."""
    if value is None:
        return None
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    return float(rounded) if np.isfinite(rounded) else None
