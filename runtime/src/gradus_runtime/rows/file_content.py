"""The bytes of a file of rows: unpacked, told apart by their beginning, cut into lines."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gradus_runtime.errors import DataError

__all__ = ["LINE_CHARACTERS", "PARQUET", "Content", "Line", "first_characters", "opened", "text_lines"]

LINE_CHARACTERS = 1 << 20
PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_KNOWN = (
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"PK\x03\x04", "a zip or a spreadsheet"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (_GZIP, "gzip in gzip"),
)


@dataclass(slots=True)
class Content:
    """An open file.

    Attributes:
        stream: Its bytes, unpacked.
        head: The first of them, without taking them from the stream.
        packed: Whether it was gzip.
        text: The stream as text, once it is read as text.
    """

    stream: io.BufferedReader
    head: bytes
    packed: bool
    text: io.TextIOWrapper | None = None

    def let_go(self) -> None:
        """Part from the stream, which may be standard input: text that is dropped would close it."""
        if self.text is not None:
            self.text.detach()


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its number from 1, and its text; what is not UTF-8 stands as lone surrogates."""

    number: int
    text: str

    @property
    def is_utf8(self) -> bool:
        """Whether all of it was UTF-8."""
        return self.text.isascii() or not any("\udc80" <= c <= "\udcff" for c in self.text)


@contextmanager
def opened(path: str) -> Iterator[Content]:
    """Open a file, or standard input for "-", and look at how it begins.

    Raises:
        DataError: It cannot be opened, or a gzip file is torn; also where its reader meets the tear.
    """
    try:
        with _raw(path) as raw:
            content = _content(raw)
            try:
                yield content
            finally:
                content.let_go()
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise DataError("a gzip file must be complete", place=path, cause=str(e)) from None


def _content(raw: io.BufferedReader) -> Content:
    head = raw.peek(8192)
    if not head.startswith(_GZIP):
        return Content(raw, head, packed=False)
    unpacked = gzip.GzipFile(fileobj=raw)
    return Content(cast(io.BufferedReader, unpacked), unpacked.peek(8192), packed=True)


@contextmanager
def _raw(path: str) -> Iterator[io.BufferedReader]:
    if path == "-":
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    with _file(path) as stream:
        yield stream


def _file(path: str) -> io.BufferedReader:
    try:
        return Path(path).open("rb")
    except OSError as e:
        raise DataError("rows must be a readable file", place=path, cause=e.strerror) from None


def text_lines(content: Content, path: str) -> Iterator[Line]:
    """Cut text into lines, each without its end; lines end as in Unix, Windows or the old Mac.

    Raises:
        DataError: It is no UTF-8 text, or a line has more than 1,048,576 characters.
    """
    _check_text(content.head, path)
    content.text = io.TextIOWrapper(
        content.stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    number = 0
    while text := content.text.readline(LINE_CHARACTERS + 2):
        number += 1
        line = Line(number, text.rstrip("\r\n"))
        if len(line.text) > LINE_CHARACTERS:
            rule = f"a line must have at most {LINE_CHARACTERS} characters"
            raise DataError(rule, place=f"{path}:{number}")
        yield line


def _check_text(head: bytes, path: str) -> None:
    """Refuse what does not begin with a line of UTF-8 text."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    first = start.replace(b"\r", b"\n").split(b"\n", 1)[0]
    known = next((name for magic, name in _KNOWN if start.startswith(magic)), None)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
        plain = min(first.replace(b"\t", b" ").replace(b"\f", b" "), default=32) >= 32
    except UnicodeDecodeError:
        plain = False
    if known is None and plain:
        return
    if known is None and b"\0" in first:
        known = "UTF-16 or no text at all"
    raise DataError(
        "rows must be UTF-8 text (CSV, JSON Lines or a JSON array) or Parquet",
        place=path,
        value=known or first[:16],
        hint="Save the table as CSV in UTF-8.",
    )


def first_characters(text: str) -> str:
    """The first character of a line that is no blank; all of it, if that is one character."""
    bare = text.strip()
    return bare if len(bare) == 1 else bare[:1]
