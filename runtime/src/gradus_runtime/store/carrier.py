"""What holds the files of one version: here a folder, in `bundle` a zip.

A carrier opens every file when it is made and keeps it open: whatever is later renamed, collected or
uninstalled, the files it was opened on stay readable until it is closed.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gradus_runtime.contracts import names
from gradus_runtime.errors import IntegrityError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk

if TYPE_CHECKING:
    from typing import Protocol, Self

    class Carrier(Protocol):
        """Files by name, each with a size known before it is read."""

        def sizes(self) -> dict[str, int]:
            """Size in bytes of each file."""
            ...

        def read(self, name: str, size: int) -> bytes:
            """Return up to `size` bytes of a file."""
            ...

        def opened_again(self) -> Self:
            """Open the same files anew, by their path."""
            ...

        def close(self) -> None:
            """Let the files go."""
            ...


__all__ = ["FolderCarrier", "is_still", "lost"]

MAX_ENTRIES = 64


def is_still(descriptor: int, expected: tuple[int, int]) -> bool:
    """Whether a descriptor is still open on the file it was opened for.

    A program that closes descriptors which it did not open, as daemons do, gives the numbers to other files.
    """
    try:
        status = os.fstat(descriptor)
    except OSError as e:
        let_signals_through(e)
        return False
    return (status.st_dev, status.st_ino) == expected


def lost() -> OSError:
    """The error for a descriptor that is not what it was opened as."""
    return OSError(errno.EBADF, "Bad file descriptor: other code closed it")


@dataclass(frozen=True, slots=True)
class _File:
    """An open file: descriptor, size in bytes, and what tells it from another that got its descriptor."""

    descriptor: int
    size: int
    identity: tuple[int, int]


class FolderCarrier:
    """The files of an open folder: regular, no folder among them.

    Args:
        folder: Descriptor of the folder; it is closed here.
        place: How errors name it.

    Raises:
        IntegrityError: Something in it is not a plain file, or there are too many.
        FileNotFoundError: A file vanished meanwhile.
    """

    def __init__(self, folder: int, place: str) -> None:
        self._files: dict[str, _File] = {}
        self._place = place
        self._path = disk.absolute(place)  # wherever the program goes
        try:
            entries = disk.folder_names(folder)
            if len(entries) > MAX_ENTRIES:
                raise IntegrityError(
                    f"a version must have at most {MAX_ENTRIES} files", place=place, value=len(entries)
                )
            for entry in entries:
                if entry == names.BUILD:
                    continue
                descriptor, size = disk.open_file(folder, entry, place=place)
                self._files[entry] = _File(descriptor, size, disk.identity(descriptor))
        except BaseException:
            self.close()
            raise
        finally:
            os.close(folder)

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each file, `build.json` aside."""
        return {name: file.size for name, file in self._files.items()}

    def read(self, name: str, size: int) -> bytes:
        """Return up to `size` bytes of a file.

        Raises:
            OSError: It cannot be read, as when somebody closed its descriptor.
        """
        file = self._files.get(name)
        if file is None or not is_still(file.descriptor, file.identity):
            raise lost()
        return disk.read_exactly(file.descriptor, size)

    def opened_again(self) -> FolderCarrier:
        """Open the same folder anew, by its path.

        Raises:
            IntegrityError: As for a new one.
            OSError: It cannot be opened.
        """
        self._disown()
        return FolderCarrier(disk.open_folder(self._path), self._place)

    def close(self) -> None:
        """Close every file."""
        files, self._files = self._files, {}
        for file in files.values():
            if is_still(file.descriptor, file.identity):
                os.close(file.descriptor)

    def _disown(self) -> None:
        """Forget descriptors that somebody closed: the same files may get their numbers again."""
        kept = {n: f for n, f in self._files.items() if is_still(f.descriptor, f.identity)}
        self._files = kept

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not finalizing():  # then the system closes them, and `os` may be gone
            self.close()
