"""Journal files in a folder: one a process, a new one each day and after so many bytes.

A process holds a lock on the file that it writes to; the lock ends with the process. A file that nobody
holds may be continued by another process of the same day. Readers take no lock: they see whole lines, and
perhaps a last one that has no newline yet.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

from gradus_runtime.errors import let_signals_through

__all__ = ["MAX_BYTES", "NAME", "FolderSink"]

MAX_BYTES = 32 << 20
"""A file of so many bytes is not continued."""
NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\.([0-9a-f]{4,16})\.jsonl")
"""The day in UTC, and a number; where the file system has no locks, random digits."""

_OPEN = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 16
_MOST_FILES = 10_000
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class FolderSink:
    """Appends lines to a file of a folder, whole or not at all. Not thread-safe: its journal is.

    Args:
        folder: Made when it is needed.
        durable: Whether new names in the folder are synced, too.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.place = str(folder)
        self._folder = folder
        self._durable = durable
        self._file = -1
        self._name = self._day = ""
        self._failed: set[str] = set()
        self._size = self._before = 0
        self._torn = False

    def write(self, data: bytes, day: str) -> None:
        """Append whole lines.

        Args:
            data: Lines, each with its newline.
            day: The day in UTC, as the name of the file has it.

        Raises:
            OSError: Nothing was appended; the next call tries anew.
        """
        if self._file >= 0 and (day != self._day or self._size >= MAX_BYTES or self._gone()):
            self.close()
        if self._file < 0:
            self._open(day)
        if self._torn:
            os.ftruncate(self._file, self._size)
            self._torn = False
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            self._torn = True
            os.ftruncate(self._file, self._size)
            self._torn = False
            raise
        self._before, self._size = self._size, self._size + len(data)

    def sync(self, *, undo: bool = False) -> None:
        """Sync what was written.

        Args:
            undo: Where that fails, take back what the last call of `write` appended.

        Raises:
            OSError: The disk failed; what follows goes to another file, as this one cannot be trusted.
        """
        if self._file < 0:
            return
        try:
            _fdatasync(self._file)
        except OSError:
            self._failed.add(self._name)
            if undo:
                self._undo()
            self.close()
            raise

    def _undo(self) -> None:
        try:
            os.ftruncate(self._file, self._before)
        except OSError as e:  # then the line stays: it is there, but was not promised
            let_signals_through(e)

    def close(self) -> None:
        """Let the file go; another process may continue it."""
        file, self._file, self._torn = self._file, -1, False
        if file >= 0:
            os.close(file)

    def repair(self) -> None:
        """Cut off torn last lines of files that no process holds.

        Raises:
            OSError: The folder cannot be read.
        """
        for path in self._folder.iterdir():
            if NAME.fullmatch(path.name):
                self._repair(path.name)

    def _repair(self, name: str) -> None:
        try:
            file = os.open(self._folder / name, _OPEN)
        except OSError as e:
            let_signals_through(e)
            return  # another user's, or gone: it is read as it is
        try:
            if _locked(file) is True:
                _cut_torn(file)
        except OSError as e:
            let_signals_through(e)
            return  # a disk that is full or read-only: readers pass over the torn line
        finally:
            os.close(file)

    def _gone(self) -> bool:
        """Whether somebody removed the file: what is written now would be lost."""
        return os.fstat(self._file).st_nlink == 0

    def _open(self, day: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, _MOST_FILES):
            name = f"{day}.{number:04d}.jsonl"
            if name in self._failed:
                continue
            file = os.open(self._folder / name, _OPEN | os.O_CREAT, 0o600)
            try:
                locked = _locked(file)
                if locked and (size := _cut_torn(file)) < MAX_BYTES:
                    self._take(file, name, size)
                    file = -1
                    return
            finally:
                if file >= 0:
                    os.close(file)
            if locked is None:  # no locks here: a file of its own
                name = f"{day}.{os.urandom(8).hex()}.jsonl"
                self._take(os.open(self._folder / name, _OPEN | os.O_CREAT | os.O_EXCL, 0o600), name, 0)
                return
        raise OSError(errno.EMFILE, f"more than {_MOST_FILES} files of one day")

    def _take(self, file: int, name: str, size: int) -> None:
        self._file, self._name, self._day = file, name, name[:10]
        self._size, self._torn = size, False
        if self._durable and size == 0:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _fdatasync(file: int) -> None:
    getattr(os, "fdatasync", os.fsync)(file)


def _locked(file: int) -> bool | None:
    """Lock a file; False where another process holds it, None where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        let_signals_through(e)
        return False if e.errno in _HELD else None
    return True


def _cut_torn(file: int) -> int:
    """Cut off a last line without its newline; return the size that is left."""
    size = whole = os.fstat(file).st_size
    while whole > 0:
        start = max(0, whole - _CHUNK)
        found = os.pread(file, whole - start, start).rfind(b"\n")
        if found >= 0:
            whole = start + found + 1
            break
        whole = start
    if whole != size:
        os.ftruncate(file, whole)
    return whole
