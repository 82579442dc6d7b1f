"""Candle files of every kind that is read, and every rule that refuses one."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS, csv_text, random_bars, stamp, without_bars

from gradus_runtime.errors import DataError
from gradus_train.ingest import Candles, load_candles, load_daily

SERIES = ("usd_jpy", "nikkei_225", "us_10y_yield", "fear_greed_index")


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return random_bars(40, 1)


def write(folder: Path, text: str, name: str = "c.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def load(path: Path, **options: str) -> Candles:
    return load_candles(path, bar_ms=BAR_MS, **options)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what is read


def test_csv_parquet_and_gzip_give_the_same_candles(tmp_path: Path, bars: pl.DataFrame) -> None:
    plain = write(tmp_path, csv_text(bars))
    packed = tmp_path / "c.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    parquet = tmp_path / "c.parquet"
    bars.with_columns(pl.from_epoch("timestamp", "ms").dt.replace_time_zone("UTC")).write_parquet(parquet)
    zipped = tmp_path / "c.parquet.gz"
    zipped.write_bytes(gzip.compress(parquet.read_bytes()))
    for path in (plain, packed, parquet, zipped):
        assert load(path).frame.equals(bars), path.name
        assert not load(path).simulated


@pytest.mark.parametrize(
    "header",
    [
        "Time,Open,High,Low,Close,Volume",
        "open_time,OPEN,HIGH,LOW,CLOSE,VOL",
        "Date,o,h,l,c,v",
        " datetime ,Open Price,High-Price,low_price,last,Base Volume",
    ],
)
def test_columns_are_known_by_aliases_without_case(tmp_path: Path, bars: pl.DataFrame, header: str) -> None:
    rest = csv_text(bars).split("\n", 1)[1]
    assert load(write(tmp_path, f"{header}\n{rest}")).frame.equals(bars)


def test_a_columns_own_name_comes_before_aliases(tmp_path: Path, bars: pl.DataFrame) -> None:
    lines = csv_text(bars).splitlines()
    text = "\n".join([lines[0] + ",last,time", *(line + ",9,x" for line in lines[1:])])
    assert load(write(tmp_path, text)).frame.equals(bars)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_byte_order_marks_and_blank_lines_are_read(
    tmp_path: Path, bars: pl.DataFrame, separator: str
) -> None:
    text = csv_text(bars).replace(",", separator).replace("\n", "\r\n")
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    assert load(path).frame.equals(bars)


def stamped(bars: pl.DataFrame, stamps: list[str]) -> str:
    lines = csv_text(bars).splitlines()
    body = [s + "," + line.split(",", 1)[1] for s, line in zip(stamps, lines[1:], strict=True)]
    return "\n".join([lines[0], *body]) + "\n"


@pytest.mark.parametrize(
    "kind",
    ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S.000Z", "%Y-%m-%d %H:%M UTC"],
)
def test_iso_stamps_with_a_zone_are_read(tmp_path: Path, bars: pl.DataFrame, kind: str) -> None:
    stamps = [datetime.fromtimestamp(t / 1000, UTC).strftime(kind) for t in bars["timestamp"]]
    assert load(write(tmp_path, stamped(bars, stamps))).frame.equals(bars)


@pytest.mark.parametrize(("up", "down", "end"), [(1, 1000, ""), (1, 1, ""), (1000, 1, ""), (1, 1000, ".0")])
def test_seconds_milliseconds_and_microseconds_since_1970_are_read(
    tmp_path: Path, bars: pl.DataFrame, up: int, down: int, end: str
) -> None:
    stamps = [f"{t * up // down}{end}" for t in bars["timestamp"]]
    assert load(write(tmp_path, stamped(bars, stamps))).frame.equals(bars)


def test_integers_in_parquet_are_read_too(tmp_path: Path, bars: pl.DataFrame) -> None:
    bars.with_columns(pl.col("timestamp") // 1000).write_parquet(tmp_path / "c.parquet")
    assert load(tmp_path / "c.parquet").frame.equals(bars)


def test_another_offset_is_taken_to_utc(tmp_path: Path, bars: pl.DataFrame) -> None:
    shift = 9 * 3_600_000
    stamps = [stamp(t + shift).replace("Z", "+09:00") for t in bars["timestamp"]]
    assert load(write(tmp_path, stamped(bars, stamps))).frame.equals(bars)
    west = [stamp(t - shift // 2).replace("Z", "-0430") for t in bars["timestamp"]]
    assert load(write(tmp_path, stamped(bars, west))).frame.equals(bars)


def test_stamps_without_a_zone_are_read_in_the_named_zone(tmp_path: Path, bars: pl.DataFrame) -> None:
    shift = 9 * 3_600_000
    stamps = [stamp(t + shift)[:-1].replace("T", " ") for t in bars["timestamp"]]
    path = write(tmp_path, stamped(bars, stamps))
    assert load(path, timezone="Asia/Tokyo").frame.equals(bars)
    parquet = tmp_path / "c.parquet"
    local = (pl.col("timestamp") + shift).cast(pl.Datetime("ms"))
    bars.with_columns(local).write_parquet(parquet)
    assert load(parquet, timezone="Asia/Tokyo").frame.equals(bars)


@pytest.mark.parametrize("late", [0, 1])
def test_stamps_of_the_close_are_taken_back_to_the_open(
    tmp_path: Path, bars: pl.DataFrame, late: int
) -> None:
    stamps = [str(t + BAR_MS - late) for t in bars["timestamp"]]
    text = stamped(bars, stamps).replace("timestamp", "close_time")
    assert load(write(tmp_path, text), stamps="close").frame.equals(bars)


def test_shorter_bars_are_resampled_and_only_complete_ones_kept(tmp_path: Path) -> None:
    minutes = without_bars(random_bars(60, 2, bar_ms=60_000), [20])
    got = load(write(tmp_path, csv_text(minutes)))
    kept = [minutes[0:15], minutes[29:44], minutes[44:59]]
    assert (got.source_bar_ms, got.partial_bars) == (60_000, 1)
    assert got.frame.rows() == [
        (
            part["timestamp"][0],
            part["open"][0],
            max(part["high"]),
            min(part["low"]),
            part["close"][-1],
            pytest.approx(sum(part["volume"])),
        )
        for part in kept
    ]


def test_missing_bars_are_not_filled(tmp_path: Path, bars: pl.DataFrame) -> None:
    holed = without_bars(bars, [3, 4, 17])
    assert load(write(tmp_path, csv_text(holed))).frame.equals(holed)


def test_a_column_simulated_marks_the_data(tmp_path: Path, bars: pl.DataFrame) -> None:
    lines = csv_text(bars).splitlines()
    for value, expected in (("true", True), ("1", True), ("False", False), ("0", False)):
        text = "\n".join([lines[0] + ",Simulated", *(f"{line},{value}" for line in lines[1:])])
        assert load(write(tmp_path, text)).simulated is expected


# ---------------------------------------------------------------- what is refused


def refusal(folder: Path, text: str, **options: str) -> str:
    path = write(folder, text)
    with pytest.raises(DataError) as caught:
        load(path, **options)
    return str(caught.value).replace(str(path), "FILE")


def broken(bars: pl.DataFrame, line: int, column: str, value: str) -> str:
    """The file with one cell replaced; line 2 is the first bar."""
    lines = csv_text(bars).splitlines()
    cells = lines[line - 1].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[line - 1] = ",".join(cells)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("close", "abc", "close must be a finite number, but got 'abc'"),
        ("close", "", "close must be a finite number, but got 'an empty cell'"),
        ("open", "NaN", "open must be a finite number, but got 'NaN'"),
        ("high", "inf", "high must be a finite number, but got 'inf'"),
        ("volume", "1e999", "volume must be a finite number, but got '1e999'"),
        ("low", "-5", "low must be above 0, but got -5.0"),
        ("open", "0", "open must be above 0, but got 0.0"),
        ("volume", "-0.1", "volume must be at least 0, but got -0.1"),
        ("high", "1", "high must be at least low, but got 'high=1.0, low="),
        ("low", "1e9", "high must be at least low, but got 'high="),
        ("timestamp", "yesterday", "a stamp must be ISO 8601 (2018-01-03T00:00:00Z) or whole seconds"),
        ("timestamp", "2023-02-30T00:00:00Z", "a stamp must be ISO 8601"),
        ("timestamp", "", "a stamp must be ISO 8601"),
        (
            "timestamp",
            "2023-11-15T02:15:00",
            "all stamps must have one time zone, but got '2023-11-15T02:15:00'",
        ),
        ("timestamp", "2023-11-15T02:15:00+09:00", "all stamps must have one time zone"),
        ("timestamp", "2023-11-15T00:00:00Z", "stamps must rise from line to line"),
        ("timestamp", "2023-11-15T02:00:00Z", "a stamp must occur once, but got '2023-11-15T02:00:00Z'"),
        ("timestamp", "2023-11-15T02:16:00Z", "a stamp must be a multiple of 900 seconds in UTC"),
    ],
)
def test_a_broken_cell_is_refused_by_file_line_and_value(
    tmp_path: Path, bars: pl.DataFrame, column: str, value: str, rule: str
) -> None:
    assert refusal(tmp_path, broken(bars, 11, column, value)).startswith(f"FILE:11: {rule}")


def test_the_middle_of_a_bar_must_lie_within_it(tmp_path: Path, bars: pl.DataFrame) -> None:
    high, low = bars["high"][9], bars["low"][9]
    assert "FILE:11: high must be at least open" in refusal(tmp_path, broken(bars, 11, "open", str(high + 1)))
    assert "FILE:11: low must be at most close" in refusal(tmp_path, broken(bars, 11, "close", str(low - 1)))


def test_lines_are_counted_with_blank_lines(tmp_path: Path, bars: pl.DataFrame) -> None:
    text = broken(bars, 11, "close", "x").replace("\n", "\n\n", 3)
    assert refusal(tmp_path, text).startswith("FILE:14: close must be a finite number, but got 'x'")


def test_rows_of_parquet_are_named_by_number(tmp_path: Path, bars: pl.DataFrame) -> None:
    path = tmp_path / "c.parquet"
    bars.with_columns(close=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("close")).write_parquet(
        path
    )
    with pytest.raises(DataError, match=r"c\.parquet: row 5: close must be a finite number"):
        load(path)


FAR = {
    "date": pl.Series([2_932_897 + i for i in range(40)], dtype=pl.Int32).cast(
        pl.Date
    ),  # from the year 10000 on
    "early date": pl.Series([-96_465_658 + i for i in range(40)], dtype=pl.Int32).cast(pl.Date),
    "datetime": pl.Series([2**62 + i for i in range(40)]).cast(pl.Datetime("us")),
    "datetime of UTC": pl.Series([2**62 + i for i in range(40)]).cast(pl.Datetime("us", "UTC")),
    "milliseconds": pl.Series([-(2**62) + i for i in range(40)]).cast(pl.Datetime("ms", "UTC")),
    "a year before 1": pl.Series([-719_163 + i for i in range(40)], dtype=pl.Int32).cast(pl.Date),
}


@pytest.mark.parametrize("kind", FAR)
def test_a_stamp_of_a_year_that_no_calendar_has_is_refused(
    tmp_path: Path, bars: pl.DataFrame, kind: str
) -> None:
    """A damaged file has them. Python has no such date, and polars panics where it is to write one."""
    path = tmp_path / "c.parquet"
    bars.with_columns(timestamp=FAR[kind][: len(bars)]).write_parquet(path)
    first = int(FAR[kind].to_physical()[0])
    with pytest.raises(
        DataError, match=rf"row 1: a stamp must be in the years 1000 to 8999, but got {first}"
    ):
        load(path, timezone="UTC")


@pytest.mark.parametrize("year", ["0000", "0999", "9000", "9999"])
def test_so_is_one_of_text(tmp_path: Path, bars: pl.DataFrame, year: str) -> None:
    text = csv_text(bars).replace("2023-11-15T00:00", f"{year}-11-15T00:00", 1)
    message = refusal(tmp_path, text)
    assert message.startswith(f"FILE:2: a stamp must be in the years 1000 to 8999, but got '{year}-11-15T")


@pytest.mark.parametrize("year", [1000, 8999])
def test_the_first_and_the_last_year_are_stamps(tmp_path: Path, year: int) -> None:
    days = pl.select(pl.date_range(pl.date(year, 1, 1), pl.date(year, 12, 31))).to_series()
    path = tmp_path / "d.parquet"
    pl.DataFrame({"date": days, "usd_jpy": 150.0}).write_parquet(path)
    assert load_daily(path, ["usd_jpy"]).frame["date"].to_list() == days.to_list()


def test_stamps_without_a_zone_are_refused_unless_one_is_named(tmp_path: Path, bars: pl.DataFrame) -> None:
    text = csv_text(bars).replace("Z,", ",")
    message = refusal(tmp_path, text)
    assert message.startswith("FILE:2: stamps without a time zone need one, but got '2023-11-15T00:00:00'")
    assert "--timezone" in message


def test_a_local_time_that_clocks_skip_or_repeat_is_refused(tmp_path: Path) -> None:
    for start, line in ((1_699_135_200_000, 14), (1_678_575_600_000, 14)):
        bars = random_bars(30, start=start)
        text = csv_text(bars).replace("Z,", ",")
        message = refusal(tmp_path, text, timezone="America/New_York")
        assert message.startswith(f"FILE:{line}: a local time must exist once in America/New_York"), message
        assert "write the stamps in UTC" in message


def test_mixed_units_of_epoch_stamps_are_refused(tmp_path: Path, bars: pl.DataFrame) -> None:
    stamps = [str(t) for t in bars["timestamp"]]
    stamps[5] = str(bars["timestamp"][5] // 1000)
    assert refusal(tmp_path, stamped(bars, stamps)).startswith("FILE:7: all stamps must have one unit")
    stamps[5] = "1700000000000000000"
    assert refusal(tmp_path, stamped(bars, stamps)).startswith("FILE:2: a stamp must be ISO 8601")


def test_floats_are_no_stamps(tmp_path: Path, bars: pl.DataFrame) -> None:
    path = tmp_path / "c.parquet"
    bars.with_columns(pl.col("timestamp").cast(pl.Float64)).write_parquet(path)
    with pytest.raises(
        DataError, match="a stamp must be text, a whole number or a datetime, but got 'Float64'"
    ):
        load(path)


def test_a_missing_stamp_in_parquet_is_refused(tmp_path: Path, bars: pl.DataFrame) -> None:
    path = tmp_path / "c.parquet"
    gone = pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise(pl.col("timestamp"))
    bars.with_columns(timestamp=gone.cast(pl.Datetime("ms", "UTC"))).write_parquet(path)
    with pytest.raises(DataError, match=r"row 3: a stamp must be present, but got 'an empty cell'"):
        load(path)


def test_columns_that_are_missing_or_ambiguous_are_refused(tmp_path: Path, bars: pl.DataFrame) -> None:
    text = csv_text(bars)
    assert refusal(tmp_path, text.replace("volume", "turnover", 1)).startswith(
        "FILE: a column 'volume' must be present, but got 'timestamp, open, high, low, close, turnover'."
    )
    assert "one column must be 'timestamp', but got 'time, date'" in refusal(
        tmp_path, "time,date,open,high,low,close,volume\n1,2,3,4,5,6,7\n1,2,3,4,5,6,7\n"
    )
    doubled = text.replace("volume", "close", 1)
    assert refusal(tmp_path, doubled).startswith("FILE:1: a column's name must occur once, but got 'close'")


def test_files_that_are_no_tables_are_refused(tmp_path: Path, bars: pl.DataFrame) -> None:
    assert refusal(tmp_path, "") == "FILE: a data file must not be empty"
    assert refusal(tmp_path, " \n\n") == "FILE: a data file must not be empty"
    assert refusal(tmp_path, "a\0b") == "FILE: a CSV file must be text: it holds a zero byte"
    assert refusal(tmp_path, "timestamp,open,high,low,close,volume\n") == (
        "FILE: at least 2 rows are needed, but got 0"
    )
    text = csv_text(bars) + "1,2,3,4,5,6,7\n"
    assert refusal(tmp_path, text).startswith("FILE:42: a line must have at most 6 fields")
    for name, data in (
        ("cut.gz", gzip.compress(csv_text(bars).encode())[:-20]),
        ("broken.parquet", b"PAR1 nothing"),
        ("latin.csv", b"timestamp,open\n\xff,1\n"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=r"a gzip file must be complete|must be CSV or Parquet"):
            load(tmp_path / name)
    with pytest.raises(DataError, match=r"a data file must be readable: No such file"):
        load(tmp_path / "absent.csv")


def test_bars_longer_than_the_configured_one_are_refused(tmp_path: Path) -> None:
    for minutes in (20, 60):
        text = csv_text(random_bars(30, bar_ms=minutes * 60_000))
        message = refusal(tmp_path, text)
        assert message.startswith(
            f"FILE: candles must be of 15 minutes, or of a part of that, but got '{minutes}"
        )
        assert "--bar MINUTES" in message


def test_candles_without_any_complete_bar_are_refused(tmp_path: Path) -> None:
    text = csv_text(random_bars(10, bar_ms=60_000))
    assert "at least one complete bar of 15 minutes is needed" in refusal(tmp_path, text)


# ---------------------------------------------------------------- daily series

HEADER = "date,usd_jpy,nikkei_225,us_10y_yield,fear_greed_index\n"


def daily_refusal(folder: Path, body: str, header: str = HEADER) -> str:
    path = write(folder, header + body, "d.csv")
    with pytest.raises(DataError) as caught:
        load_daily(path, SERIES)
    return str(caught.value).replace(str(path), "FILE")


def test_daily_series_may_have_empty_cells(tmp_path: Path) -> None:
    text = "Date,USDJPY,Nikkei,DGS10,Fear_Greed,other\n2024-01-01,,,,50,x\n2024-01-02,141.5,33000,3.9,,x\n"
    got = load_daily(write(tmp_path, text), SERIES).frame
    assert got.columns == ["date", "usd_jpy", "nikkei_225", "us_10y_yield", "fear_greed_index"]
    assert [row[1:] for row in got.rows()] == [(None, None, None, 50.0), (141.5, 33000.0, 3.9, None)]


def test_broken_daily_series_are_refused_by_file_line_and_value(tmp_path: Path) -> None:
    good = "2024-01-01,140,30000,4,50\n"
    for body, message in (
        (good + good, "FILE:3: a date must occur once, but got '2024-01-01'"),
        (good + "2023-12-31,1,1,1,1\n", "FILE:3: dates must rise from line to line, but got '2023-12-31'"),
        ("2024-01-01T10:00:00Z,1,1,1,1\n", "FILE:2: a date must have no time of day"),
        ("2024-01-01,x,1,1,1\n", "FILE:2: usd_jpy must be a finite number, but got 'x'"),
        ("2024-01-01,0,1,1,1\n", "FILE:2: usd_jpy must be above 0, but got 0.0"),
        ("2024-01-01,1,-3,1,1\n", "FILE:2: nikkei_225 must be above 0, but got -3.0"),
        ("2024-01-01,1,1,-1,101\n", "FILE:2: fear_greed_index must be in 0 to 100, but got 101.0"),
    ):
        assert daily_refusal(tmp_path, body).startswith(message)
    missing = daily_refusal(tmp_path, "", HEADER.replace("nikkei_225,", ""))
    assert missing.startswith("FILE: a column 'nikkei_225' must be present")


def test_start_of_the_test_history_is_a_midnight() -> None:
    assert stamp(START_MS) == "2023-11-15T00:00:00Z"
