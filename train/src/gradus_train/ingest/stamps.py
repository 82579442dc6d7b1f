"""Timestamps of any kind to milliseconds since 1970 UTC."""

from __future__ import annotations

from datetime import date

import polars as pl

from gradus_runtime.errors import DataError
from gradus_train.ingest.table_file import RawTable

__all__ = ["to_milliseconds"]

_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(\.\d{1,9})?)?)?"
    r"\s?(Z|z|UTC|[+-]\d{2}:?\d{2})?$"
)
_NUMBER = r"^\d{9,17}(?:\.0+)?$"
_KINDS = "ISO 8601 (2018-01-03T00:00:00Z) or whole seconds, milliseconds or microseconds since 1970"
# 1e11 s is the year 5138, and 1e11 ms is 1973: the three units do not overlap between 1973 and 5138.
_UNITS_PER_MS = ((10**11, 10**3, 1), (10**14, 1, 1), (10**17, 1, 10**3))
_OF_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_YEARS = (1000, 9000)


def to_milliseconds(table: RawTable, column: str, timezone: str | None) -> pl.Series:
    """Return the column as int64 milliseconds since 1970 UTC.

    Args:
        table: Where the column is.
        column: Text, integers, dates or datetimes.
        timezone: IANA name of the zone of stamps that carry none.

    Raises:
        DataError: A stamp is missing, unreadable or of a far year; some carry a zone and some do not, or
            another; a stamp without zone and no `timezone`; a local time that the zone skips or has twice.
    """
    raw = table.frame[column]
    if raw.dtype.is_integer():
        return _from_numbers(table, raw, raw.cast(pl.Int64))
    if raw.dtype == pl.Datetime or raw.dtype == pl.Date:
        return _from_datetimes(table, raw, timezone)
    if raw.dtype != pl.String:
        raise DataError(
            "a stamp must be text, a whole number or a datetime", place=table.name, value=f"{raw.dtype}"
        )
    numeric = raw.str.contains(_NUMBER).fill_null(False)
    if len(raw) and numeric.all():
        return _from_numbers(table, raw, raw.str.replace(r"\.0+$", "").cast(pl.Int64))
    return _from_text(table, raw, timezone)


def _refuse_far(table: RawTable, days: pl.Series, shown: pl.Series) -> None:
    """Refuse the first stamp of a year that a calendar may not have, in any time zone."""
    first, last = ((date(year, 1, 1) - date(1970, 1, 1)).days for year in _YEARS)
    rule = f"a stamp must be in the years {_YEARS[0]} to {_YEARS[1] - 1}"
    table.refuse_first((days < first) | (days >= last), rule, shown)


def _from_numbers(table: RawTable, raw: pl.Series, value: pl.Series) -> pl.Series:
    table.refuse_first(
        value.is_null() | (value < 10**8) | (value >= 10**17), f"a stamp must be {_KINDS}", raw
    )
    units = [pl.when(value < top).then(value * up // down) for top, up, down in _UNITS_PER_MS]
    picked = pl.select(pl.coalesce(units).alias("ms"))["ms"]
    scale = pl.select(pl.coalesce(pl.when(value < t).then(i) for i, (t, _, _) in enumerate(_UNITS_PER_MS)))
    unit = scale.to_series()
    table.refuse_first(unit != unit[0] if len(unit) else unit.is_null(), "all stamps must have one unit", raw)
    return picked


def _from_datetimes(table: RawTable, raw: pl.Series, timezone: str | None) -> pl.Series:
    table.refuse_first(raw.is_null(), "a stamp must be present", raw)
    count = raw.to_physical().cast(pl.Int64)
    a_day = _OF_A_DAY[raw.dtype.time_unit] if isinstance(raw.dtype, pl.Datetime) else 1
    _refuse_far(table, count // a_day, count)  # before anything makes text or a Python date of one
    zone = raw.dtype.time_zone if isinstance(raw.dtype, pl.Datetime) else None
    if zone is None:
        return _localise(table, raw, raw.cast(pl.Datetime("ms")), timezone)
    return raw.dt.convert_time_zone("UTC").dt.timestamp("ms")


def _from_text(table: RawTable, raw: pl.Series, timezone: str | None) -> pl.Series:
    parts = raw.str.extract_groups(_ISO)
    day, clock, second, fraction, zone = (parts.struct.field(str(i)) for i in range(1, 6))
    text = day + "T" + clock.fill_null("00:00") + ":" + second.fill_null("00") + fraction.fill_null(".0")
    value = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ms", strict=False)
    table.refuse_first(day.is_null() | value.is_null(), f"a stamp must be {_KINDS}", raw)
    _refuse_far(table, value.dt.timestamp("ms") // _OF_A_DAY["ms"], raw)
    offset = (
        zone.str.to_uppercase().replace({"Z": "+00:00", "UTC": "+00:00"}).str.replace(":", "").fill_null("")
    )
    if not len(offset):
        return value.dt.timestamp("ms")
    table.refuse_first(offset != offset[0], "all stamps must have one time zone", raw, "Write them in UTC.")
    if offset[0] == "":
        return _localise(table, raw, value, timezone)
    sign = -1 if offset[0][0] == "-" else 1
    shift = sign * (int(offset[0][1:3]) * 60 + int(offset[0][3:5])) * 60_000
    return value.dt.timestamp("ms") - shift


def _localise(table: RawTable, raw: pl.Series, value: pl.Series, timezone: str | None) -> pl.Series:
    if timezone is None:
        raise DataError(
            "stamps without a time zone need one",
            place=table.place(0) if len(raw) else table.name,
            value=str(raw[0]) if len(raw) else None,
            hint="Name it: --timezone UTC, or --timezone Asia/Tokyo.",
        )
    local = value.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    table.refuse_first(
        local.is_null(),
        f"a local time must exist once in {timezone}",
        raw.cast(pl.String),
        "Clocks are changed there: write the stamps in UTC.",
    )
    return local.dt.timestamp("ms")
