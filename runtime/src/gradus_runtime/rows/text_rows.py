"""Rows out of lines of text: CSV, JSON Lines, a JSON array.

A line of CSV or of JSON Lines is one row, whatever stands in it: a line that cannot be read takes no other
line with it. A cell of CSV may therefore hold no line break.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence, Set
from typing import Any

from gradus_runtime.errors import DataError, let_signals_through
from gradus_runtime.rows.file_content import LINE_CHARACTERS, Line
from gradus_runtime.rows.file_row import FileRow
from gradus_runtime.wording import counted

__all__ = ["array_rows", "csv_rows", "is_blank", "json_rows"]

_BLANKS = frozenset({"", "na", "nan", "null", "none"})
_JSON_BLANKS = " \t\r\n"
_COMMAS = ": if these are decimal commas, write 1.5 instead of 1,5"
"""What is said of a line with cells too many and no decimal point."""


class _TwiceError(ValueError):
    """A key stands twice in an object."""


def is_blank(text: str) -> bool:
    """Whether a cell says that there is no value: empty, `na`, `nan`, `null` or `none`."""
    return text.strip().lower() in _BLANKS


def csv_rows(
    first: Line, lines: Iterator[Line], path: str, features: Set[str], separators: Sequence[str]
) -> tuple[list[str], Iterator[FileRow]]:
    """Return the names of a CSV file's columns, and its rows.

    Args:
        first: The header.
        lines: The lines after it.
        path: How errors name the file.
        features: Columns whose cells are numbers.
        separators: The one that finds most features in the header, else most columns, separates.

    Raises:
        DataError: The header is no line of CSV, or names a column twice.
    """
    place = f"{path}:{first.number}"
    if not first.is_utf8:
        raise DataError("a header must be UTF-8 text", place=place)
    heads = {separator: _header(first, separator) for separator in separators}
    separator = max(separators, key=lambda s: (sum(name in features for name in heads[s]), len(heads[s])))
    names = heads[separator]
    if not names:
        raise DataError("a header must be a line of CSV", place=place, value=first.text[:80])
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError("a column must occur once", place=place, value=name)
        seen.add(name)
    return names, _csv_rows(names, lines, features, separator)


def _header(line: Line, separator: str) -> list[str]:
    cells = _cells(line.text, separator)
    return [] if isinstance(cells, str) else [name.strip() for name in cells]


def _csv_rows(
    names: list[str], lines: Iterator[Line], features: Set[str], separator: str
) -> Iterator[FileRow]:
    for line in lines:
        if not line.text.strip():
            continue
        place = f"line {line.number}"
        if not line.is_utf8:
            yield FileRow.broken(place, "not UTF-8")
            continue
        cells = _cells(line.text, separator)
        if isinstance(cells, str):
            yield FileRow.broken(place, cells)
        elif len(cells) != len(names):
            commas = "" if len(cells) < len(names) or separator != "," or "." in line.text else _COMMAS
            count = counted(len(cells), "cell")
            yield FileRow.broken(place, f"{count}, the header has {len(names)}{commas}")
        else:
            values: dict[str, Any] = dict(zip(names, cells, strict=True))
            for name in names:
                if name in features:
                    values[name] = _number(values[name])
            yield FileRow(place, values)


def _cells(text: str, separator: str) -> list[str] | str:
    """The cells of a line, or why it has none."""
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error as e:
        return "a quote is not closed" if "end of data" in str(e) else str(e)


def _number(text: str) -> float | str | None:
    try:
        number = float(text)
    except ValueError as e:
        let_signals_through(e)
        return None if is_blank(text) else text
    if number != number:
        return None
    return text if "_" in text else number  # Python alone reads 1_000 as a number


def json_rows(first: Line, lines: Iterator[Line], path: str) -> Iterator[FileRow]:
    """Return the rows of JSON Lines: an object a line; empty lines are passed over.

    Raises:
        DataError: The first line opens an object and does no more.
    """
    if first.text.strip() == "{":
        raise DataError(
            "a JSON object must stand on one line",
            place=f"{path}:{first.number}",
            hint="Write JSON Lines, or an array of objects in [ ].",
        )
    return _json_rows(first, lines)


def _json_rows(first: Line, lines: Iterator[Line]) -> Iterator[FileRow]:
    line: Line | None = first
    while line is not None:
        if line.text.strip():
            yield _json_row(line)
        line = next(lines, None)


def _json_row(line: Line) -> FileRow:
    place = f"line {line.number}"
    if not line.is_utf8:
        return FileRow.broken(place, "not UTF-8")
    try:
        value = json.loads(line.text, object_pairs_hook=_once)
    except _TwiceError as e:
        return FileRow.broken(place, f"{e.args[0]!r:.100} occurs twice")
    except (ValueError, RecursionError) as e:
        let_signals_through(e)
        value = None
    return FileRow(place, value) if isinstance(value, dict) else FileRow.broken(place, "not a JSON object")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return result


def array_rows(first: Line, lines: Iterator[Line], path: str) -> Iterator[FileRow]:
    """Return the rows of a JSON array of objects, an element at a time.

    Raises:
        DataError: The array is torn, or an element has more than 1,048,576 characters.
    """
    text = _Text(first, lines)
    text.skip(1)
    number = 0
    if text.peek() == "]":
        _end(text, path, number)
        return
    while True:
        number += 1
        yield _element(text, path, number)
        mark = text.peek()
        text.skip(1)
        if mark == "]":
            _end(text, path, number, closed=True)
            return
        if mark != ",":
            raise _torn(path, number)


def _end(text: _Text, path: str, number: int, *, closed: bool = False) -> None:
    if not closed:
        text.skip(1)
    if text.peek():
        raise DataError("nothing must follow a JSON array", place=path, value=text.peek())


def _torn(path: str, number: int) -> DataError:
    return DataError("a JSON array must be complete", place=path, value=f"a cut in row {number}")


def _element(text: _Text, path: str, number: int) -> FileRow:
    place = f"row {number}"
    text.peek()
    try:
        value = text.value()
    except _TwiceError as e:
        raise DataError("a name must occur once", place=f"{path}: {place}", value=e.args[0]) from None
    except (ValueError, RecursionError):
        raise _torn(path, number) from None
    return FileRow(place, value) if isinstance(value, dict) else FileRow.broken(place, "not a JSON object")


class _Text:
    """A window on a long text of many lines, which grows while a value does not end in it."""

    def __init__(self, first: Line, lines: Iterator[Line]) -> None:
        self._window = first.text.strip()
        self._lines = lines
        self._at = 0
        self._decode = json.JSONDecoder(object_pairs_hook=_once).raw_decode

    def peek(self) -> str:
        """The next character that is no blank, without taking it; "" at the end."""
        while True:
            rest = self._window[self._at :].lstrip(_JSON_BLANKS) if self._at else self._window
            if self._at:
                self._window, self._at = rest, 0
            self._window = self._window.lstrip(_JSON_BLANKS)
            if self._window:
                return self._window[0]
            if not self._grow():
                return ""

    def skip(self, count: int) -> None:
        """Take characters."""
        self._at += count

    def value(self) -> Any:
        """Take the value that begins here.

        Raises:
            ValueError: It is no JSON, or does not end.
        """
        tried = 0
        while True:
            if len(self._window) >= 2 * tried:  # each try reads from its beginning: double what it reads
                tried = len(self._window)
                try:
                    value, end = self._decode(self._window)
                except _TwiceError:
                    raise
                except ValueError as e:
                    let_signals_through(e)
                    if tried > LINE_CHARACTERS:
                        raise
                else:
                    if end < len(self._window) or isinstance(value, dict | list | str):
                        self._at = end
                        return value
            if not self._grow():
                value, self._at = self._decode(self._window)
                return value

    def _grow(self) -> bool:
        line = next(self._lines, None)
        if line is None:
            return False
        self._window += "\n" + line.text
        return True
