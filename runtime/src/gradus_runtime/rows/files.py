"""Rows out of files: CSV, JSON Lines, a JSON array, Parquet. The one reader of all commands.

What a file is, its content says, not its name. A row that cannot be read is a row with a problem: nothing is
shifted, filled or guessed. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradus_runtime.errors import DataError
from gradus_runtime.rows import parquet_rows, text_rows
from gradus_runtime.rows.file_content import PARQUET, first_characters, opened, text_lines
from gradus_runtime.rows.file_row import FileRow
from gradus_runtime.rows.near_names import near_names

__all__ = ["FORMATS", "FileRow", "Notes", "RowTable", "read_rows", "read_table"]

FORMATS = ("csv", "jsonl", "json", "parquet")
SEPARATORS = (",", ";", "\t")


@dataclass(slots=True)
class Notes:
    """What a reader saw that its caller should say.

    Attributes:
        texts: Values of features that are text and no blank: none of them is a number.
        first_text: The first of them, and where.
        near: Columns that are a feature's name but for capitals, blanks, dashes and underscores, with it.
        numbers: Whether any value of a feature was there and no text.
    """

    texts: int = 0
    first_text: str = ""
    near: tuple[tuple[str, str], ...] = ()
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class RowTable:
    """All rows of a file.

    Attributes:
        columns: By name, `count` values each; None where a row has none.
        count: Rows that could be read.
        problems: A sentence for each row that could not.
    """

    columns: Mapping[str, Sequence[Any]]
    count: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    """Whether a row with names has come, and what it told."""

    features: Set[str]
    notes: Notes
    named: bool = field(default=False)

    def names(self, columns: Iterable[str], path: str) -> None:
        """Look at the names of columns: one of them at least must be a feature's."""
        self.named = True
        present = [name for name in columns if isinstance(name, str)]
        others = [name for name in present if name not in self.features]
        near = near_names(others, [*set(self.features).difference(present)])
        if any(name in self.features for name in present):
            self.notes.near = near
            return
        some = ", ".join(repr(name) for name in present[:3]) + (" ..." if len(present) > 3 else "")
        hint = "Names are as `gradus info --json` lists them, in a first line of their own."
        if near:
            hint = f"Write {near[0][1]!r} instead of {near[0][0]!r}: names must be the same to the letter."
        raise DataError(
            "rows must have a column that is a feature of the artifact",
            place=path,
            cause=f"the columns are {some}",
            hint=hint,
        )

    def row(self, row: FileRow, path: str) -> FileRow:
        """Look at a row as it passes."""
        if row.problem is not None:
            return row
        if not self.named and row.values:
            self.names(row.values, path)
        if not self.notes.numbers:
            self.notes.numbers = any(
                value is not None and type(value) is not str and name in self.features
                for name, value in row.values.items()
            )
        for name, value in row.values.items():
            if type(value) is str and name in self.features and not text_rows.is_blank(value):
                self.notes.texts += 1
                if self.notes.texts == 1:
                    self.notes.first_text = f"{name} in {row.place}: {value[:40]!r}"
        return row


def read_rows(
    path: str, features: Set[str], *, kind: str | None = None, notes: Notes | None = None
) -> Iterator[FileRow]:
    """Read rows, one after the other.

    Args:
        path: A file, or "-" for standard input.
        features: Names of the artifact's features: their cells are read as numbers, others stay text. It is
            looked at for each row: a stream may change it.
        kind: One of `FORMATS`; by default what the content says.
        notes: Filled in as rows are read.

    Raises:
        DataError: There is no such file; it is no text and no Parquet; no column is a feature; a column is
            given twice; a JSON array or a gzip file is torn, after the rows before.
        EnvironmentFailedError: Parquet, and neither pyarrow nor polars is installed.
    """
    seen = _Seen(features, notes or Notes())
    with opened(path) as content:
        if content.head.startswith(PARQUET) or kind == "parquet":
            columns, rows = parquet_rows.read_parquet(path, content)
        else:
            lines = text_lines(content, path)
            first = next((line for line in lines if line.text.strip()), None)
            if first is None:
                return
            start = first_characters(first.text)
            if kind == "json" or (kind is None and start == "["):
                columns, rows = None, text_rows.array_rows(first, lines, path)
            elif kind == "jsonl" or (kind is None and start == "{"):
                columns, rows = None, text_rows.json_rows(first, lines, path)
            else:
                columns, rows = text_rows.csv_rows(first, lines, path, seen.features, SEPARATORS)
        if columns is not None:
            seen.names(columns, path)
        for row in rows:
            yield seen.row(row, path)


def read_table(path: Path, features: Collection[str], *, whole: bool = False) -> RowTable:
    """Read all rows of a file into columns.

    Args:
        path: The file.
        features: As `read_rows`.
        whole: Refuse the file for its first row that cannot be read.

    Raises:
        DataError: As `read_rows`; there is no row; with `whole`, a row cannot be read.
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    problems: list[str] = []
    for row in read_rows(str(path), frozenset(features)):
        if row.problem is not None:
            if whole:
                raise DataError("every row must be readable", place=str(path), cause=row.problem)
            problems.append(row.problem)
            continue
        for name in row.values.keys() - columns.keys():
            columns[name] = [None] * count
        for name, values in columns.items():
            values.append(row.values.get(name))
        count += 1
    if count == 0:
        raise DataError("there must be a row", place=str(path), cause=problems[0] if problems else None)
    return RowTable(columns, count, tuple(problems))
