"""A table of the user's own features: rows in time order, columns by name, labels or closes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_runtime.errors import DataError
from gradus_train.ingest.candles import most_common_step, rising_stamps
from gradus_train.ingest.columns import find_column
from gradus_train.ingest.numbers import to_numbers
from gradus_train.ingest.table import RawTable
from gradus_train.labels import NO_LABEL

__all__ = ["FeatureTable", "feature_table"]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Rows of features, rising in time.

    Attributes:
        timestamps: int64 [N], ms UTC of the bar's open.
        features: One float64 column a feature, in the asked order; null where unavailable.
        labels: int64 [N] class indices, -1 where there is none; or None where the table has no labels.
        close: float64 [N], NaN where there is none.
        simulated: True where the table says so.
    """

    timestamps: pl.Series
    features: pl.DataFrame
    labels: npt.NDArray[np.int64] | None
    close: npt.NDArray[np.float64]
    simulated: bool


def feature_table(
    table: RawTable,
    names: Sequence[str],
    classes: Sequence[str],
    *,
    bar_ms: int,
    timezone: str | None = None,
    stamps: str = "open",
) -> FeatureTable:
    """Check a table and take the asked features, the labels and the closes from it.

    Args:
        table: Has `timestamp`, every name, and `label` (class names or indices) or `close`, or both. Cells of
            features and labels may be empty or NaN: unavailable.
        names: Feature names; they must match columns exactly, as they will at prediction time.
        classes: What a label may be.
        bar_ms: Length of a bar.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.

    Raises:
        DataError: A column is missing, a cell is not a number, stamps do not rise, a label is unknown.
    """
    timestamps = rising_stamps(table, stamps=stamps, timezone=timezone)
    columns = {}
    for name in names:
        if name not in table.columns:
            raise DataError(
                "every feature of the order must be a column",
                place=table.name,
                value=name,
                hint="Add the column, or take the feature out of the feature order.",
            )
        columns[name] = _feature(table, name)
    labels = _labels(table, classes)
    close = _close(table, required=labels is None)
    if labels is None and most_common_step(timestamps) != bar_ms:
        raise DataError(
            f"rows to be labelled by close must be {bar_ms // 60_000} minutes apart",
            place=table.name,
            value=f"{most_common_step(timestamps) / 60_000:g} minutes",
            hint="Set the bar's length: --bar MINUTES.",
        )
    if stamps == "close":
        timestamps = timestamps - bar_ms
    return FeatureTable(timestamps, pl.DataFrame(columns), labels, close, table.simulated)


def _feature(table: RawTable, name: str) -> pl.Series:
    """Numbers, where empty and NaN mean unavailable, and infinity is a mistake."""
    raw = table.frame[name]
    value = raw.cast(pl.Float64, strict=False)
    bad = (value.is_null() & raw.is_not_null()) | value.is_infinite().fill_null(False)
    table.refuse_first(bad, f"feature {name} must be a finite number, or empty", raw)
    return value.fill_nan(None)


def _close(table: RawTable, *, required: bool) -> npt.NDArray[np.float64]:
    if not required and not any(c.lower() == "close" for c in table.columns):
        return np.full(len(table.frame), np.nan)
    close = to_numbers(table, find_column(table.columns, "close", ("label",), table.name), "close")
    table.refuse_first(close <= 0, "close must be above 0", close)
    return close.to_numpy()


def _labels(table: RawTable, classes: Sequence[str]) -> npt.NDArray[np.int64] | None:
    found = [c for c in table.columns if c.lower() == "label"]
    if not found:
        return None
    raw = table.frame[find_column(table.columns, "label", (), table.name)]
    text = raw.cast(pl.String).str.replace(r"\.0$", "")
    meaning = {str(i): i for i in range(len(classes))} | {c: i for i, c in enumerate(classes)}
    index = text.replace_strict(meaning | {"-1": NO_LABEL}, default=None, return_dtype=pl.Int64)
    absent = raw.is_null() | (text == "NaN").fill_null(False)
    table.refuse_first(
        index.is_null() & ~absent,
        "a label must be a class or its index",
        raw,
        f"Classes: {', '.join(classes)}.",
    )
    return index.fill_null(NO_LABEL).to_numpy()
