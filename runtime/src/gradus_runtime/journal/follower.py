"""Follows journals that are being written: each call gives what is new."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradus_runtime.errors import EnvironmentFailedError
from gradus_runtime.journal.line import DecisionLine, EventLine
from gradus_runtime.journal.reader import entry_of, files_of, lines_of
from gradus_runtime.store import disk

__all__ = ["Follower"]


class Follower:
    """Reads the whole lines that were appended since the last call.

    Args:
        sources: Folders and files, as `read_journal` takes them; those that are not there yet are waited for.
    """

    def __init__(self, sources: Iterable[str | Path]) -> None:
        self._sources = [Path(source) for source in sources]
        self._read: dict[tuple[int, int], int] = {}

    def new(self) -> list[DecisionLine | EventLine]:
        """Return what is new, in order of time.

        Raises:
            EnvironmentFailedError: A file cannot be read.
        """
        found: list[DecisionLine | EventLine] = []
        for source in self._sources:
            for path in files_of(source) if disk.exists(source) else []:
                try:
                    found += self._file(path)
                except FileNotFoundError:
                    continue  # removed since the folder was listed
                except OSError as e:
                    raise EnvironmentFailedError(
                        "a journal must be readable", place=str(path), cause=e.strerror
                    ) from None
        return sorted(found, key=lambda entry: (entry.decided, entry.id))

    def _file(self, path: Path) -> list[DecisionLine | EventLine]:
        found = []
        with path.open("rb") as stream:
            status = path.stat()
            key = status.st_dev, status.st_ino
            start = self._read.get(key, 0)
            stream.seek(start if start <= status.st_size else 0)  # a file that shrank is another one
            for line, whole in lines_of(stream):
                if not whole:
                    break
                self._read[key] = stream.tell()
                entry = entry_of(line, str(path))
                if entry is not None:
                    found.append(entry)
        return found
