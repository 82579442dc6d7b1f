"""Reads a sample of rows: CSV, JSON lines, or Parquet where a reader for it is installed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["SampleRows", "read_rows"]

_BLANKS = frozenset({"", "na", "nan", "null", "none"})


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Columns by name, each with `count` values as the file has them; None where there is none."""

    columns: Mapping[str, Sequence[Any]]
    count: int


def read_rows(path: Path) -> SampleRows:
    """Read all rows of a file, told by its ending: .csv, .jsonl, .ndjson, .parquet.

    In a CSV file an empty cell, `na`, `nan`, `null` and `none` are missing; other text is a number if it
    can be read as one.

    Raises:
        DataError: It cannot be read, or has no rows; the message names the line.
        EnvironmentFailedError: It is Parquet, and neither pyarrow nor polars is installed.
    """
    readers = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError("rows must be .csv, .jsonl, .ndjson or .parquet", place=str(path), value=path.suffix)
    try:
        columns = reader(path)
    except OSError as e:
        raise DataError("rows must be readable", place=str(path), cause=e.strerror or str(e)) from None
    except UnicodeDecodeError as e:
        raise DataError("rows must be UTF-8", place=str(path), cause=str(e)) from None
    count = len(next(iter(columns.values()), ()))
    if count == 0:
        raise DataError("there must be a row", place=str(path))
    return SampleRows(columns, count)


def _csv(path: Path) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            head = next(reader, [])
            if len(set(head)) != len(head):
                raise DataError("a column must occur once", place=f"{path}:1", value=head)
            columns: dict[str, list[Any]] = {name: [] for name in head}
            for cells in reader:
                if len(cells) != len(head):
                    place = f"{path}:{reader.line_num}"
                    raise DataError(f"{len(head)} cells are needed", place=place, value=len(cells))
                for name, cell in zip(head, cells, strict=True):
                    columns[name].append(_cell(cell))
        except csv.Error as e:
            raise DataError("rows must be CSV", place=f"{path}:{reader.line_num}", cause=str(e)) from None
    return columns


def _cell(text: str) -> float | str | None:
    if text.strip().lower() in _BLANKS:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _json_lines(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    count = 0
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as e:
                raise DataError("a line must be JSON", place=f"{path}:{number}", cause=str(e)) from None
            if not isinstance(row, dict):
                raise DataError("a line must be an object", place=f"{path}:{number}", value=row)
            for name in row.keys() - columns.keys():
                columns[name] = [None] * count
            for name, values in columns.items():
                values.append(row.get(name))
            count += 1
    return columns


def _parquet(path: Path) -> dict[str, list[Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return _parquet_by_polars(path)
    try:
        columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    except pyarrow.ArrowException as e:
        raise DataError("rows must be Parquet", place=str(path), cause=str(e).splitlines()[0]) from None
    return columns


def _parquet_by_polars(path: Path) -> dict[str, list[Any]]:
    try:
        import polars
    except ImportError:
        raise EnvironmentFailedError(
            "reading Parquet takes pyarrow or polars",
            place=str(path),
            hint="pip install pyarrow, or give the rows as .csv or .jsonl.",
        ) from None
    try:
        columns: dict[str, list[Any]] = polars.read_parquet(path).to_dict(as_series=False)
    except polars.exceptions.PolarsError as e:
        raise DataError("rows must be Parquet", place=str(path), cause=str(e).splitlines()[0]) from None
    return columns
