"""Rows from CSV, JSON Lines or Parquet, a chunk at a time, so that memory does not grow with the file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["FORMATS", "Chunk", "Unreadable", "read_chunks"]

FORMATS = ("csv", "jsonl", "parquet")
LINE_CHARACTERS = 1 << 20

Chunk = list[dict[str, Any]]


@dataclass(slots=True)
class Unreadable:
    """Lines that are no JSON object: how many, and the number of the first."""

    count: int = 0
    first: int = 0


def read_chunks(path: str, kind: str | None, rows: int, unreadable: Unreadable) -> Iterator[Chunk]:
    """Read rows as mappings.

    Args:
        path: A file, or "-" for standard input.
        kind: One of `FORMATS`; by default what the file's name, or its first character, says.
        rows: Rows in a chunk.
        unreadable: Counts lines that are no JSON object; each is a row without any value.

    Raises:
        DataError: The file is missing, or not of its kind.
        EnvironmentFailedError: Parquet, and neither pyarrow nor polars is installed.
    """
    suffix = Path(path).suffix.removeprefix(".").replace("ndjson", "jsonl")
    kind = kind or (suffix if suffix in FORMATS else None)
    if kind == "parquet":
        yield from _parquet(path, rows)
        return
    with _opened(path) as stream:
        lines = _lines(stream, path)
        first = next(lines, None)
        if first is None:
            return
        if kind is None:
            kind = "jsonl" if first.lstrip().startswith("{") else "csv"
        found = _json_rows(first, lines, unreadable) if kind == "jsonl" else _csv_rows(first, lines, path)
        while chunk := list(islice(found, rows)):
            yield chunk


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    if path == "-":
        yield sys.stdin
        return
    try:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            yield stream
    except OSError as e:
        raise DataError("the input must be a readable file", place=path, cause=e.strerror) from None


def _lines(stream: TextIO, path: str) -> Iterator[str]:
    while line := stream.readline(LINE_CHARACTERS + 1):
        if len(line) > LINE_CHARACTERS:
            raise DataError(f"a line must have at most {LINE_CHARACTERS} characters", place=path)
        yield line


def _json_rows(first: str, lines: Iterator[str], unreadable: Unreadable) -> Iterator[dict[str, Any]]:
    number = 0
    line: str | None = first
    while line is not None:
        number += 1
        if line.strip():
            row = _json_object(line)
            if row is None:
                unreadable.count += 1
                unreadable.first = unreadable.first or number
            yield row or {}
        line = next(lines, None)


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _csv_rows(first: str, lines: Iterator[str], path: str) -> Iterator[dict[str, Any]]:
    def all_lines() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(all_lines())
    try:
        names = next(reader, [])
        for values in reader:
            if values:
                yield {name: _number(value) for name, value in zip(names, values, strict=False)}
    except csv.Error as e:
        raise DataError("the input must be CSV", place=f"{path}:{reader.line_num}", cause=str(e)) from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _parquet(path: str, rows: int) -> Iterator[Chunk]:
    if path == "-":
        raise DataError("Parquet must be a file: it is read from its end", place="-")
    if not Path(path).is_file():
        raise DataError("the input must be a readable file", place=path)
    try:
        yield from _parquet_chunks(path, rows)
    except (DataError, EnvironmentFailedError):
        raise
    except Exception as e:  # the libraries' own errors, which cannot be named without importing them
        raise DataError("the input must be Parquet", place=path, cause=str(e)) from None


def _parquet_chunks(path: str, rows: int) -> Iterator[Chunk]:
    pyarrow = _installed("pyarrow.parquet")
    if pyarrow is not None:
        with pyarrow.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=rows):
                yield batch.to_pylist()
        return
    polars = _installed("polars")
    if polars is None:
        raise EnvironmentFailedError(
            "reading Parquet needs pyarrow or polars",
            place=path,
            hint="pip install pyarrow, or convert the file to CSV or JSON Lines.",
        )
    frame = polars.scan_parquet(path)
    start = 0
    while chunk := frame.slice(start, rows).collect().to_dicts():
        yield chunk
        start += len(chunk)


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None
