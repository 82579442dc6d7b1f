"""Columns of candles: texts, numbers and moments are read alike one by one and together, and none raises."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from gradus_runtime.candles.columns import numbers_of, row_or_table, table_columns, times_of
from gradus_runtime.candles.reading import read_candles, read_daily

MINUTES = 15 * 60_000
ISO = [
    "2025-01-06T00:00:00Z",
    "2025-01-06T09:15:00+09:00",
    "2025-01-06 00:30:00.250-00:30",
    "20250106T010000Z",
    "2025-01-06",
    "2025-W02-1T00:00Z",
]
NONE = ["2025-01-06T00:00:00", "2025-13-01", "20250106T", "x", "", "0001-01-01T00:00:00+05:00", "2025-W02-1"]


def ms(text: str) -> float:
    """By the difference to 1970, and not by `timestamp`."""
    moment = datetime.fromisoformat(text if len(text) > 10 else text + "T00:00:00+00:00")
    return float((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def bits(values: np.ndarray[Any, Any]) -> bytes:
    return values.astype(np.float64).tobytes()


def test_texts_are_the_moments_that_iso_8601_says() -> None:
    assert times_of(ISO).tolist() == [ms(text) for text in ISO]
    assert times_of(np.array(ISO)).tolist() == [ms(text) for text in ISO]


@pytest.mark.parametrize("wrong", NONE)
def test_a_text_that_is_no_moment_is_none_and_leaves_the_others(wrong: str) -> None:
    found = times_of([*ISO, wrong])
    assert found[:-1].tolist() == [ms(text) for text in ISO]
    assert math.isnan(found[-1])
    assert math.isnan(times_of([wrong])[0])


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (datetime(2025, 1, 6, tzinfo=timezone(timedelta(hours=9))), 1_736_089_200_000.0),
        (datetime(2025, 1, 6), math.nan),
        (date(2025, 1, 6), 1_736_121_600_000.0),
        (None, math.nan),
        (1_736_121_600_000, 1_736_121_600_000.0),
    ],
)
def test_values_of_other_kinds_may_stand_among_texts(one: object, expected: float) -> None:
    assert bits(times_of([ISO[0], one])) == bits(np.array([ms(ISO[0]), expected]))


@pytest.mark.parametrize(
    "far",
    [
        ["0001-01-01T00:00:00+05:00"],
        ["9999-12-31T23:59:59-05:00"],
        [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))],
        [-90_000_000_000_001],
        np.array(["20000-01-01"], "datetime64[ms]"),
        np.array(["-0001-01-01"], "datetime64[s]"),
    ],
    ids=str,
)
def test_a_moment_outside_of_the_years_1_to_9999_counts_as_missing(far: Any) -> None:
    columns = {key: [1.0] for key in ("open", "high", "low", "close")} | {"volume": [0.0]}
    read = read_candles({"timestamp": far, **columns}, bar_ms=MINUTES, now_ms=None)
    assert read.reasons == ("1 candle counts as missing: a time must be a date and a time of day",)
    assert not len(read_daily({"date": far, "x": [1.0]}, ["x"]).dates)


@pytest.mark.parametrize(
    "extra", [None, "x", "", " ", True, 7, 2.5, b"3", np.float32(1.5), object(), [1], 10**400]
)
def test_numbers_are_what_float_says_of_each_cell(extra: object) -> None:
    texts = ["1.50", " 2 ", "1_000", "nan", "-inf", "1e400", "9999459"]

    def alone(value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            return math.nan

    assert bits(numbers_of(texts, 7)) == bits(np.array([float(text) for text in texts]))
    if extra is not True:  # beside texts numpy makes it a word
        assert bits(numbers_of([*texts, extra], 8)) == bits(np.array([*map(float, texts), alone(extra)]))


class Row:
    """A row by name that is iterated over by values, as a Series of pandas is."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def keys(self) -> Any:
        return self.values.keys()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __iter__(self) -> Any:
        return iter(self.values.values())

    def get(self, name: str) -> Any:
        return self.values.get(name)


def test_rows_are_read_by_their_names_whatever_they_iterate_over() -> None:
    rows = [Row(timestamp=ISO[0], close="1"), Row(timestamp=ISO[1], close="2", volume="3")]
    expected = {"timestamp": ISO[:2], "close": ["1", "2"], "volume": [None, "3"]}
    assert table_columns(rows, "candles") == expected
    assert table_columns([row.values for row in rows], "candles") == expected
    assert table_columns(rows[0], "candles") == {"timestamp": ISO[0], "close": "1"}
    assert row_or_table(rows[0], "timestamp") == [rows[0]]
