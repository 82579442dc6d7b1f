"""A file written whole: a reader, and a machine that stops, sees all of it or what was there before."""

from __future__ import annotations

import os
from pathlib import Path

from gradus_runtime.store import disk

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside the old one, sync it, and put it in the old one's place. Folders are created.

    Args:
        path: The file; it is replaced if it is there.
        data: All of it.

    Raises:
        EnvironmentFailedError: It cannot be written; what was there before is there still.
    """
    with disk.failing("a file must be writable", str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = disk.open_folder(path.parent)
        try:
            temporary = f".{path.name}.{os.getpid()}.tmp"
            disk.remove_file(temporary, folder)
            try:
                disk.write_new(folder, temporary, data, 0o644, as_folder=False)
                disk.rename(temporary, path.name, folder)
            except OSError:
                disk.remove_file(temporary, folder)
                raise
            disk.sync(folder)
        finally:
            os.close(folder)
