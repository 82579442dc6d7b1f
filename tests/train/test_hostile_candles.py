"""Whatever is in a candle file: it is read as it is, or refused by its place; never read as another thing."""

from __future__ import annotations

import bz2
import lzma
import math
import string
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.candles import BAR_MS, START_MS, csv_text, random_bars, stamp
from tests.support.features import NAMES, features

from gradus_runtime.errors import DataError
from gradus_train.ingest import RawTable, candles_from_table, load_candles
from gradus_train.ingest.table_file import read_raw_table

RULES = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
BARS = random_bars(24, 1)
LARGEST = float(np.finfo(np.float32).max)
LINES = csv_text(BARS).splitlines()
NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", " ", "nan", "NaN", "inf", "-inf", "1e400", "1,5", "1_000", "0x10", "١٢", "None", "-0", "+5"]
    ),
    st.text(string.printable, max_size=8),
)


def outcome(path: Path) -> pl.DataFrame | str:
    """The candles, or the text of the refusal."""
    try:
        return load_candles(path, bar_ms=BAR_MS).frame
    except DataError as error:
        return str(error)


def as_plain_number(cell: str) -> float | None:
    """What a person would read; None where it is no finite number."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and cell.isascii() and "_" not in cell else None


@RULES
@given(row=st.integers(1, 24), column=st.integers(1, 5), cell=NUMBERS)
@example(row=3, column=5, cell="-0")
@example(row=1, column=1, cell="nan")
def test_a_strange_cell_is_read_as_its_number_or_refused_at_its_line(
    tmp_path: Path, row: int, column: int, cell: str
) -> None:
    if any(c in cell for c in ',\n\r"\0;\t\x0b\x0c\x1c\x1d\x1e\x85'):
        return
    cells = LINES[row].split(",")
    cells[column] = cell
    path = tmp_path / "c.csv"
    path.write_text("\n".join([*LINES[:row], ",".join(cells), *LINES[row + 1 :]]) + "\n", newline="")
    got = outcome(path)
    if isinstance(got, str):
        assert got.startswith(f"{path}:{row + 1}: ")
        return
    assert got.row(row - 1)[column] == as_plain_number(cell.strip())
    assert got.drop(got.columns[column]).equals(BARS.drop(BARS.columns[column]))


@RULES
@given(data=st.binary(max_size=400))
@example(data=b"timestamp,open,high,low,close,volume\n\n\n")
@example(data=b"\x1f\x8b")
@example(data=b"PAR1PAR1")
@example(data="timestamp".encode("utf-16"))
@example(data=b"(\xb5/\xfd")
@example(data=b"x\x9c" + bytes(8))
def test_any_bytes_are_refused_with_the_name_of_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(data)
    assert str(outcome(path)).startswith(str(path))


@RULES
@given(order=st.lists(st.integers(0, 23), min_size=2, max_size=24))
def test_stamps_are_accepted_only_where_every_one_is_later_than_the_last(
    tmp_path: Path, order: list[int]
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("\n".join([LINES[0], *(LINES[1 + i] for i in order)]) + "\n")
    steps = np.diff(order).tolist()
    got = outcome(path)
    if any(s == 0 for s in steps):
        assert got == refused(path, steps.index(0), "a stamp must occur once", order)
    elif any(s < 0 for s in steps):
        first = next(i for i, s in enumerate(steps) if s < 0)
        assert (
            got
            == refused(path, first, "stamps must rise from line to line", order) + ". Sort the file by time."
        )
    elif max(sorted(set(steps)), key=steps.count) > 1:  # mostly steps of several bars: longer bars
        assert isinstance(got, str)
    else:
        assert isinstance(got, pl.DataFrame)
        assert got["timestamp"].to_list() == [START_MS + i * BAR_MS for i in order]


def refused(path: Path, step: int, rule: str, order: list[int]) -> str:
    """The message for the second row of a step; the header and the first row stand before it."""
    return f"{path}:{step + 3}: {rule}, but got {stamp(START_MS + order[step + 1] * BAR_MS)!r}"


PRICES = st.sampled_from([1e-300, 1e-9, 0.1, 1.0, 1e6, 1e15, 1e200, 1.7e308])


@settings(RULES, max_examples=25)
@given(
    price=st.lists(PRICES, min_size=60, max_size=60),
    volume=st.lists(st.sampled_from([0.0, 1e-300, 1.0, 1e300]), min_size=60, max_size=60),
    gaps=st.sets(st.integers(1, 59), max_size=4),
)
def test_extreme_prices_give_finite_features_or_none(
    price: list[float], volume: list[float], gaps: set[int]
) -> None:
    time = [START_MS + i * BAR_MS for i in range(60)]
    frame = pl.DataFrame(
        {"timestamp": time, "open": price, "high": price, "low": price, "close": price, "volume": volume}
    )[[i for i in range(60) if i not in gaps]]
    bars = candles_from_table(RawTable.of(frame, "memory", lines=False), bar_ms=BAR_MS).frame
    names = NAMES
    got = features(bars)
    assert len(got) == len(frame)
    assert got["close"].to_list() == [
        None if abs(c) > LARGEST else float(np.float32(c)) for c in bars["close"]
    ]
    signals = [n for n in names if n.startswith("strategy_signal_")]
    for name in (*signals, "bb_position", "channel_position"):
        values = got[name].drop_nulls().drop_nans()
        assert values.abs().max() is None or values.is_finite().all(), name
    assert all(got[n].drop_nulls().drop_nans().is_between(-1, 1).all() for n in signals)


def test_the_lines_of_this_file_are_good_candles(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("\n".join(LINES) + "\n")
    assert load_candles(path, bar_ms=BAR_MS).frame.equals(BARS)
    assert stamp(START_MS) in LINES[1]


@pytest.mark.parametrize("first", ["x^2", "x\x01", "xÚ"])
def test_a_header_that_begins_as_a_compressed_file_does_is_text(tmp_path: Path, first: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"{first},{csv_text(BARS).splitlines()[0]}\n" + "".join(f"1,{x}\n" for x in LINES[1:]))
    assert read_raw_table(path).columns[0] == first
    assert load_candles(path, bar_ms=BAR_MS).frame.equals(BARS)


@pytest.mark.parametrize(
    "packed", [b"(\xb5/\xfd rest", lzma.compress(b"a,b\n1,2\n"), bz2.compress(b"a,b\n1,2\n"), b"PK\3\4 rest"]
)
def test_another_compression_than_gzip_is_named(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(packed)
    with pytest.raises(DataError, match=r"compressed with gzip only, but got '(zstd|xz|bzip2|zip)'"):
        read_raw_table(path)


def test_where_polars_panics_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(_: object) -> pl.DataFrame:
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    monkeypatch.setattr(pl, "read_parquet", panic)
    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1PAR1")
    with pytest.raises(DataError, match=r"must be CSV or Parquet: assertion failed"):
        read_raw_table(path)
