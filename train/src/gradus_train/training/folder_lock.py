"""A folder of work that one process holds at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradus_runtime.errors import UsageError

__all__ = ["held"]


@contextmanager
def held(folder: Path, rule: str, *, out: Path) -> Iterator[None]:
    """Hold a folder for this process alone; it is made if need be. The system lets it go if the process dies.

    Args:
        folder: Its file `lock` is locked.
        rule: What is broken if another process holds it.
        out: What the user named with `--out`, for the message.

    Raises:
        UsageError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                rule, place=str(out), hint="Wait for it, or name another folder with --out."
            ) from None
        yield
