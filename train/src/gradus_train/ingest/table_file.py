"""A file as a table of raw columns, and how errors name its rows."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted
from gradus_train.ingest.columns import is_simulated_name

__all__ = ["RawTable", "has_torn_line", "read_raw_table"]

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_OTHERS = {b"(\xb5/\xfd": "zstd", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"PK\3\4": "zip"}
_MARK = b"\xef\xbb\xbf"  # of UTF-8


@dataclass(frozen=True, slots=True)
class RawTable:
    """Columns as they were found: text from CSV, typed from Parquet or from memory.

    Attributes:
        frame: The columns, and the row number of each row in the file as `number` (from 0).
        number: Name of that column; no column of a file can have it.
        name: How errors name the table.
        lines: True where rows are lines of a text file, after one header line.
    """

    frame: pl.DataFrame
    name: str
    lines: bool
    number: str = "\0row"

    @classmethod
    def of(cls, frame: pl.DataFrame, name: str, *, lines: bool) -> RawTable:
        """Number the rows, then leave out those that are empty in every column."""
        numbered = frame.with_row_index("\0row")
        if frame.width:
            numbered = numbered.filter(~pl.all_horizontal(pl.col(frame.columns).is_null()))
        return cls(numbered, name, lines)

    @property
    def columns(self) -> list[str]:
        """Names of the file's columns."""
        return [c for c in self.frame.columns if c != self.number]

    @property
    def simulated(self) -> bool:
        """Whether a column `simulated` says, on any row, that the data is not of a real market."""
        marks = [c for c in self.columns if is_simulated_name(c)]
        if not marks:
            return False
        text = self.frame[marks[0]].cast(pl.String).str.to_lowercase()
        return bool((~text.is_in(["false", "0", "0.0", "no"])).any())

    def called(self, names: Mapping[str, str]) -> RawTable:
        """Return the table with other names of columns.

        Args:
            names: Each new name, and the column that it stands for. A column that has a new name itself,
                without standing for another, is left out.

        Raises:
            DataError: A column is not there.
        """
        for name, column in names.items():
            if column not in self.columns:
                raise DataError(
                    "a column that the configuration names must be in the table",
                    place=self.name,
                    value=column,
                    hint=f"It is to be {name}: correct [data.columns], or the table.",
                )
        others = [c for c in self.frame.columns if c not in names and c not in names.values()]
        chosen = [pl.col(c) for c in others] + [pl.col(c).alias(n) for n, c in names.items()]
        return replace(self, frame=self.frame.select(chosen)) if names else self

    def place(self, row: int) -> str:
        """Name the row at this position of `frame`, as a person finds it in the file."""
        number = int(self.frame[self.number][row])
        return f"{self.name}:{number + 2}" if self.lines else f"{self.name}: row {number + 1}"

    def refuse_first(self, bad: pl.Series, rule: str, value: pl.Series, hint: str | None = None) -> None:
        """Raise for the first row where `bad` is true, if any.

        Raises:
            DataError: With the place, the rule and the value of that row.
        """
        rows = bad.fill_null(True).arg_true()
        if len(rows):
            raise DataError(rule, place=self.place(rows[0]), value=_shown(value[rows[0]]), hint=hint)


def _shown(value: object) -> object:
    return "an empty cell" if value is None else value


def has_torn_line(path: Path) -> bool:
    """Whether the last line of a CSV file has no end: it may be one that is being written.

    Raises:
        DataError: The file cannot be read.
    """
    data = _content(path)
    return not data.startswith(_PARQUET) and not data.endswith((b"\n", b"\r"))


def read_raw_table(path: Path, *, growing: bool = False) -> RawTable:
    """Read a CSV or Parquet file; either may be compressed with gzip. The content decides, not the name.

    Args:
        path: The file.
        growing: Others may be writing it: a last line of CSV without its end is left out.

    Raises:
        DataError: Missing, unreadable, empty, or not a table.
    """
    name = str(path)
    data = _content(path)
    try:
        if data.startswith(_PARQUET):
            return RawTable.of(pl.read_parquet(io.BytesIO(data)), name, lines=False)
        if growing and not data.endswith(b"\r"):
            data = data[: data.rfind(b"\n") + 1]
        return RawTable.of(_read_csv(data, name), name, lines=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as e:
        raise DataError(
            "a data file must be CSV or Parquet",
            place=name,
            cause=(str(e).splitlines() or [type(e).__name__])[0],
            hint="CSV has one header line and as many fields on every line.",
        ) from None


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked."""
    name = str(path)
    try:
        data = path.read_bytes()
    except OSError as e:
        raise DataError("a data file must be readable", place=name, cause=e.strerror) from None
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as e:
            raise DataError("a gzip file must be complete", place=name, cause=str(e)) from None
    for magic, form in _OTHERS.items():
        if data.startswith(magic):
            raise DataError(
                "a data file may be compressed with gzip only",
                place=name,
                value=form,
                hint="Unpack it, or compress it with gzip.",
            )
    return data


def _read_csv(data: bytes, name: str) -> pl.DataFrame:
    if not data.strip():
        raise DataError("a data file must not be empty", place=name)
    if b"\0" in data:
        raise DataError("a CSV file must be text", place=name, cause="it holds a zero byte")
    body = data.removeprefix(_MARK)
    header = body.split(b"\n", 1)[0]
    separator = max((",", ";", "\t"), key=lambda s: header.count(s.encode()))
    try:
        # Without the mark, polars unpacks what begins as zlib does: "x^" is also how a header can begin.
        frame = pl.read_csv(_MARK + body, infer_schema=False, separator=separator)
    except pl.exceptions.ComputeError:
        _check_fields(data, name, separator.encode())
        raise
    for column in frame.columns:
        if column.endswith("_duplicated_0"):
            raise DataError(
                "a column's name must occur once",
                place=f"{name}:1",
                value=column.removesuffix("_duplicated_0"),
            )
    text = frame.with_columns(pl.all().str.strip_chars())
    return text.with_columns(pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep())


def _check_fields(data: bytes, name: str, separator: bytes) -> None:
    """Refuse the first line with more fields than the header, if it is this that broke the file."""
    lines = data.splitlines()
    fields = lines[0].count(separator) + 1
    for number, line in enumerate(lines, start=1):
        if line.count(separator) >= fields and b'"' not in line:
            raise DataError(
                f"a line must have at most {counted(fields, 'field')}, as the header has",
                place=f"{name}:{number}",
                value=line.decode(errors="replace"),
            )
