"""A table of the user's own features: rows in time order, columns by name, labels or closes beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from gradus_live.labels import NO_LABEL, Column, LabelRule, Meta, TripleBarrier
from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted, plural
from gradus_train.ingest.candles import most_common_step, rising_stamps
from gradus_train.ingest.columns import find_column
from gradus_train.ingest.numbers import to_numbers
from gradus_train.ingest.table_file import RawTable

__all__ = [
    "REACH_COLUMN",
    "FeatureTable",
    "feature_column",
    "feature_table",
    "outside_features",
    "stated_reach",
]

REACH_COLUMN = "label_reach"
_PRICES = ("open", "high", "low")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Rows of features, rising in time.

    Attributes:
        timestamps: int64 [N], ms UTC of the bar's open.
        features: One float64 column a feature, in the asked order; null where unavailable.
        rule: What the labels mean: the rule that was asked for, or a column that the table brings.
        labels: int64 [N] class indices, -1 where there is none; or None where they are to be made of prices.
        close: float64 [N], NaN where there is none.
        prices: `open`, `high` and `low`, float64 [N] each, where the table has all three; else empty.
        side: float64 [N]: for a meta label, the column that proposes sides; NaN where it is empty.
        simulated: True where the table says so.
    """

    timestamps: pl.Series
    features: pl.DataFrame
    rule: LabelRule
    labels: Integers | None
    close: Floats
    prices: Mapping[str, Floats]
    side: Floats | None
    simulated: bool


def feature_table(
    table: RawTable,
    names: Sequence[str],
    rule: LabelRule,
    *,
    bar_ms: int,
    table_reach: int | None = None,
    timezone: str | None = None,
    stamps: str = "open",
) -> FeatureTable:
    """Check a table and take the asked features, the labels and the closes from it.

    Args:
        table: Has `timestamp`, every name, and labels (class names or indices) or `close`, or both. Cells of
            features and labels may be empty or NaN: unavailable. A column `label_reach` states, by one whole
            number, how many bars the labels look ahead.
        names: Feature names; they must match columns exactly, as they will at prediction time.
        rule: How rows are labelled. A column `label` that the table brings comes before rules on prices.
        bar_ms: Length of a bar.
        table_reach: Reach of labels in a column `label` of a table that does not state it.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.

    Raises:
        DataError: A column is missing, a cell is not a number, stamps do not rise, a label is unknown, or
            how far the table's labels look ahead is not stated.
    """
    timestamps = rising_stamps(table, stamps=stamps, timezone=timezone)
    columns = {name: _asked(table, name) for name in names}
    rule = _own_rule(table, rule, table_reach)
    labels = _labels(table, rule) if isinstance(rule, Column) else None
    close = _close(table, required=labels is None)
    minutes, step = bar_ms // 60_000, most_common_step(timestamps) / 60_000
    if labels is None and step != minutes:
        raise DataError(
            f"rows to be labelled by close must be {counted(minutes, 'minute')} apart",
            place=table.name,
            value=f"{step:g} {plural(step, 'minute')}",
            hint="Set the bar's length: --bar MINUTES.",
        )
    if stamps == "close":
        timestamps = timestamps - bar_ms
    return FeatureTable(
        timestamps=timestamps,
        features=pl.DataFrame(columns),
        rule=rule,
        labels=labels,
        close=close,
        prices=_prices(table, needed=_needs_range(rule)),
        side=_side(table, rule.side) if isinstance(rule, Meta) else None,
        simulated=table.simulated,
    )


def outside_features(
    table: RawTable,
    names: Sequence[str],
    bars: pl.Series,
    *,
    bar_ms: int,
    timezone: str | None = None,
    stamps: str = "open",
) -> pl.DataFrame:
    """Take features that come from outside from a table, for the bars of candles.

    Args:
        table: Has `timestamp` and every name; cells may be empty or NaN: unavailable.
        names: Feature names; they must match columns exactly.
        bars: int64 [N], ms UTC of the open of each bar, rising.
        bar_ms: Length of a bar.
        timezone: IANA name of the zone of stamps that carry none.
        stamps: "open" or "close": which end of a bar its stamp names.

    Returns:
        One float64 column a name, one row a bar; null where the table has no row or no value.

    Raises:
        DataError: A column is missing, a cell is not a number, stamps do not rise.
    """
    time = rising_stamps(table, stamps=stamps, timezone=timezone)
    time = time - bar_ms if stamps == "close" else time
    columns = {name: _asked(table, name) for name in names}
    given = pl.DataFrame({"timestamp": time, **columns})
    rows = pl.DataFrame({"timestamp": bars}).join(given, on="timestamp", how="left", maintain_order="left")
    return rows.select(names)


def _asked(table: RawTable, name: str) -> pl.Series:
    if name not in table.columns:
        raise DataError(
            "every feature of the order must be a column",
            place=table.name,
            value=name,
            hint="Add the column, or take the feature out of the feature order.",
        )
    return feature_column(table, name)


def _needs_range(rule: LabelRule) -> bool:
    return isinstance(rule.trade if isinstance(rule, Meta) else rule, TripleBarrier)


def _own_rule(table: RawTable, rule: LabelRule, table_reach: int | None) -> LabelRule:
    """Return the asked rule; or that of the column `label`, where the table brings one of known reach."""
    if isinstance(rule, Column) or not any(c.lower() == "label" for c in table.columns):
        return rule
    reach = stated_reach(table)
    if reach is None:
        reach = table_reach
    if reach is None:
        raise DataError(
            "how many bars ahead the table's own labels look must be stated",
            place=table.name,
            cause="the table has a column label without a reach",
            hint='Write [labels] kind = "column" and reach = N in the configuration, or add a column '
            f"{REACH_COLUMN}; to have labels made of the prices, remove the column label.",
        )
    names = [rule.classes[i] for i in rule.sides] if rule.sides else ["", ""]
    return Column(reach, rule.classes, "label", *names)


def stated_reach(table: RawTable) -> int | None:
    """Return the reach of the labels as the table's column `label_reach` says it; None without that column.

    Raises:
        DataError: The column does not hold one whole number.
    """
    if REACH_COLUMN not in table.columns:
        return None
    raw = table.frame[REACH_COLUMN]
    values = raw.drop_nulls().cast(pl.Float64, strict=False).unique().to_list()
    if len(values) != 1 or values[0] is None or not values[0].is_integer() or values[0] < 1:
        raise DataError(
            f"{REACH_COLUMN} must hold one whole number, at least 1",
            place=table.name,
            value=raw.unique().to_list()[:3],
        )
    return int(values[0])


def _side(table: RawTable, name: str) -> Floats:
    if name not in table.columns:
        raise DataError(
            "the column that a meta label takes its sides from must be in the table",
            place=table.name,
            value=name,
            hint="Add the column, or name another: [labels] side.",
        )
    return feature_column(table, name).fill_null(np.nan).to_numpy()


def _prices(table: RawTable, *, needed: bool) -> dict[str, Floats]:
    """Return open, high and low where the table has all of them.

    Where nothing needs them they may be features that only bear these names: then they are left alone.
    """
    if not all(name in table.columns for name in _PRICES):
        return {}
    prices = {}
    for name in _PRICES:
        if needed:
            column = to_numbers(table, name, name)
            table.refuse_first(column <= 0, f"{name} must be above 0", column)
        else:
            column = table.frame[name].cast(pl.Float64, strict=False)
            if not bool((column.is_finite() & (column > 0)).fill_null(False).all()):
                return {}
        prices[name] = column.to_numpy()
    return prices


def feature_column(table: RawTable, name: str) -> pl.Series:
    """Return a column as float64, where empty and NaN mean unavailable (then null).

    Raises:
        DataError: A cell is not a number, or is infinite.
    """
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


def _labels(table: RawTable, rule: Column) -> Integers:
    classes = rule.classes
    raw = table.frame[find_column(table.columns, rule.column, (), table.name)]
    text = raw.cast(pl.String).str.replace(r"\.0$", "")
    meaning = {"-1": NO_LABEL} | {str(i): i for i in range(len(classes))}
    meaning |= {c: i for i, c in enumerate(classes)}  # a class may be called -1
    index = text.replace_strict(meaning, default=None, return_dtype=pl.Int64)
    absent = raw.is_null() | (text == "NaN").fill_null(False)
    table.refuse_first(
        index.is_null() & ~absent,
        "a label must be a class or its index",
        raw,
        f"Classes: {', '.join(classes)}.",
    )
    return index.fill_null(NO_LABEL).to_numpy()
