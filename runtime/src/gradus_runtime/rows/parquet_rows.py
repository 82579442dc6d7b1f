"""Rows out of Parquet, by pyarrow or polars, whichever is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from gradus_runtime.errors import DataError, EnvironmentFailedError
from gradus_runtime.rows.file_content import PARQUET, Content
from gradus_runtime.rows.file_row import FileRow

__all__ = ["read_parquet"]

ROWS = 512
_OF_DAMAGE = (OSError, ValueError, OverflowError)
"""What a damaged file raises beside a library's own errors: text that is no UTF-8, a date no calendar has."""


def read_parquet(path: str, content: Content) -> tuple[list[str], Iterator[FileRow]]:
    """Return the names of a Parquet file's columns, and its rows.

    Raises:
        DataError: It is no Parquet file, or it is packed or piped, or a column stands twice.
        EnvironmentFailedError: Neither pyarrow nor polars is installed.
    """
    if path == "-" or content.packed:
        raise DataError("Parquet must be a file of its own: it is read from its end", place=path)
    if not content.head.startswith(PARQUET):
        raise DataError("rows must be Parquet", place=path, value=content.head[:16])
    problems: list[str] = []
    errors: tuple[type[BaseException], ...]
    arrow, polars = _installed("pyarrow.parquet", problems), _installed("polars", problems)
    if arrow is not None:
        errors = (import_module("pyarrow").ArrowException, *_OF_DAMAGE)
        names, rows = _guarded(lambda: _by_arrow(arrow, path), errors, path)
    elif polars is not None:
        known = polars.exceptions
        errors = (known.PolarsError, known.PanicException, *_OF_DAMAGE)
        names, rows = _guarded(lambda: _by_polars(polars, path), errors, path)
    else:
        raise EnvironmentFailedError(
            "reading Parquet needs pyarrow or polars",
            place=path,
            cause="; ".join(problems) or None,
            hint="pip install pyarrow, or convert the file to CSV or JSON Lines.",
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("a column must occur once", place=path, value=twice)
    return names, _numbered(rows, errors, path)


def _installed(name: str, problems: list[str]) -> Any:
    """The module, or None; one that is there and does not start, as pyarrow 26 with numpy 1, says why."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None
    except ImportError as e:
        problems.append(str(e))
        return None


def _guarded(read: Any, errors: tuple[type[BaseException], ...], path: str) -> Any:
    try:
        return read()
    except errors as e:
        raise _no_parquet(path, e) from None


def _no_parquet(path: str, error: BaseException) -> DataError:
    return DataError("rows must be Parquet", place=path, cause=(str(error).splitlines() or [""])[0])


def _by_arrow(arrow: Any, path: str) -> tuple[list[str], Iterator[dict[str, Any]]]:
    file = arrow.ParquetFile(path)

    def rows() -> Iterator[dict[str, Any]]:
        with file:
            for batch in file.iter_batches(batch_size=ROWS):
                yield from batch.to_pylist()

    return list(file.schema_arrow.names), rows()


def _by_polars(polars: Any, path: str) -> tuple[list[str], Iterator[dict[str, Any]]]:
    frame = polars.scan_parquet(path)

    def rows() -> Iterator[dict[str, Any]]:
        start = 0
        while chunk := frame.slice(start, ROWS).collect().to_dicts():
            yield from chunk
            start += len(chunk)

    return list(frame.collect_schema().names()), rows()


def _numbered(
    rows: Iterator[dict[str, Any]], errors: tuple[type[BaseException], ...], path: str
) -> Iterator[FileRow]:
    number = 0
    while True:
        try:
            row = next(rows, None)
        except errors as e:
            raise _no_parquet(path, e) from None
        if row is None:
            return
        number += 1
        yield FileRow(f"row {number}", row)
