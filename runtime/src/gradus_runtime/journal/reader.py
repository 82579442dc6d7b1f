"""Reads journals: folders, files, and logs that were exported from where they were kept.

A line of a journal may stand alone, or inside a log's own JSON: in `jsonPayload` or `textPayload` (Google
Cloud Logging), or in `log` (Docker's json-file). Other lines are foreign: they are counted and passed over.
The same line twice counts once, as exports repeat lines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gradus_runtime.contracts import strict_json
from gradus_runtime.errors import DataError, EnvironmentFailedError, UsageError, let_signals_through
from gradus_runtime.journal.line import DecisionLine, EventLine, parse_value
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk

__all__ = ["MAX_LINE", "JournalContent", "decisions_of", "entry_of", "files_of", "lines_of", "read_journal"]

MAX_LINE = 1 << 20
_MARK = b"gradus"
_KINDS = ("decision/", "event/")
_PAYLOADS = ("jsonPayload", "textPayload", "log", "message")


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What journals hold.

    Attributes:
        decisions: In order of `decided`, then of id; each once.
        events: Likewise.
        lines: Lines read.
        foreign: Lines that are none of ours.
        repeated: Lines that were there before.
        torn: Files whose last line has no newline (yet).
        damaged: A text for each line of ours that breaks the format, the first hundred.
    """

    decisions: tuple[DecisionLine, ...]
    events: tuple[EventLine, ...]
    lines: int
    foreign: int
    repeated: int
    torn: int
    damaged: tuple[str, ...]


class _Reading:
    def __init__(self) -> None:
        self.found: dict[str, DecisionLine | EventLine] = {}
        self.lines = self.foreign = self.repeated = self.torn = 0
        self.damaged: list[str] = []

    def file(self, stream: BinaryIO, place: str) -> None:
        for number, (line, whole) in enumerate(lines_of(stream), start=1):
            marked = _MARK in line
            value = _ours(line, f"{place}:{number}") if marked else None
            if value is None and marked and not whole:
                self.torn += 1
                continue
            self.lines += 1
            self._line(value, f"{place}:{number}")

    def _line(self, value: dict[str, Any] | None, place: str) -> None:
        if value is None:
            self.foreign += 1
            return
        try:
            entry = parse_value(value, place)
        except DataError as e:
            let_signals_through(e)
            if len(self.damaged) < 100:
                self.damaged.append(str(e))
            return
        if entry.id in self.found:
            self.repeated += 1
        else:
            self.found[entry.id] = entry


def read_journal(sources: Iterable[str | Path]) -> JournalContent:
    """Read journals.

    Args:
        sources: Folders (every `.jsonl`, `.json` and `.log` file in them), files, or "-" for standard input.

    Raises:
        UsageError: There is no such file or folder.
        EnvironmentFailedError: It cannot be read.
    """
    reading = _Reading()
    for source in sources:
        if str(source) == "-":
            reading.file(sys.stdin.buffer, "standard input")
            continue
        for path in files_of(Path(source)):
            try:
                with path.open("rb") as stream:
                    reading.file(stream, str(path))
            except FileNotFoundError:
                continue  # removed since the folder was listed
            except OSError as e:
                raise EnvironmentFailedError(
                    "a journal must be readable", place=str(path), cause=e.strerror
                ) from None
    entries = sorted(reading.found.values(), key=lambda entry: (entry.decided, entry.id))
    return JournalContent(
        tuple(entry for entry in entries if isinstance(entry, DecisionLine)),
        tuple(entry for entry in entries if isinstance(entry, EventLine)),
        reading.lines,
        reading.foreign,
        reading.repeated,
        reading.torn,
        tuple(reading.damaged),
    )


def decisions_of(folder: Path, digest: str) -> Iterator[DecisionLine]:
    """Yield the decisions of one version, a line at a time, the newest file first.

    Files older than the first without a decision of this version are not read: versions follow each other.

    Raises:
        EnvironmentFailedError: The folder or a file cannot be read.
    """
    mark = digest.encode()
    try:
        for path in reversed(files_of(folder) if disk.is_folder(folder) else []):
            found = False
            with path.open("rb") as stream:
                for line, whole in lines_of(stream):
                    entry = entry_of(line, str(path)) if whole and mark in line else None
                    if isinstance(entry, DecisionLine) and entry.digest == digest:
                        found = True
                        yield entry
            if not found and path.stat().st_size:
                return
    except OSError as e:
        rule = "a journal must be readable"
        raise EnvironmentFailedError(rule, place=str(folder), cause=e.strerror) from None


def entry_of(line: bytes, place: str) -> DecisionLine | EventLine | None:
    """Read one line; None for a foreign or a damaged one, which `gradus replay` names."""
    value = _ours(line, place) if _MARK in line else None
    try:
        return None if value is None else parse_value(value, place)
    except DataError as e:
        let_signals_through(e)
        return None


def files_of(path: Path) -> list[Path]:
    """Files of a journal: every one of a folder that may be one, or the file itself.

    Raises:
        UsageError: There is none.
    """
    if disk.is_folder(path):
        found = (p for p in path.iterdir() if p.suffix in (".jsonl", ".json", ".log"))
        return sorted(p for p in found if disk.is_file(p))
    if not disk.exists(path):
        raise UsageError(
            "a journal must exist",
            place=str(path),
            hint='Open the bot with Predictor.open(..., journal="journal/").',
        )
    return [path]


def lines_of(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines, and whether they have their newline; of a line that is too long nothing is kept."""
    while line := stream.readline(MAX_LINE):
        if line.endswith(b"\n"):
            yield line[:-1], True
        elif len(line) < MAX_LINE:
            yield line, False
        else:
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                continue
            yield b"", True


def _ours(line: bytes, place: str) -> dict[str, Any] | None:
    """The value of a line of ours, taken out of what wraps it; None for a foreign line."""
    for _ in range(3):
        try:
            value = strict_json.parse(line, place=place, max_bytes=MAX_LINE, error=DataError)
        except DataError as e:
            let_signals_through(e)
            return None
        if not isinstance(value, dict):
            return None
        if _is_ours(value):
            return value
        inner = next((value[key] for key in _PAYLOADS if value.get(key)), None)
        if isinstance(inner, dict):
            return inner if _is_ours(inner) else None
        if not isinstance(inner, str):
            return None
        line = inner.encode("utf-8", "surrogatepass")
    return None


def _is_ours(value: dict[str, Any]) -> bool:
    kind = value.get("gradus")
    return isinstance(kind, str) and kind.startswith(_KINDS)
