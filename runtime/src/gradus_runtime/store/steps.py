"""Named steps of what changes the store: the places where a test may stop the process.

`reached` costs one comparison when nobody observes. The names are the contract between the store and its
crash tests: every name listed here is reached by its operation, and killed at, once, in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["BACKUP", "GC", "PIN", "PUBLISH", "RESTORE", "observed", "reached"]

PUBLISH = (
    "publish.locked",
    "publish.staged",
    "publish.written",
    "publish.synced",
    "publish.verified",
    "publish.renamed",
    "publish.settled",
    "publish.recorded",
)
PIN = ("pin.locked", "pin.checked", "pin.staged", "pin.replaced", "pin.settled", "pin.recorded")
GC = ("gc.locked", "gc.chosen", "gc.renamed", "gc.settled", "gc.recorded", "gc.removed")
BACKUP = (
    "backup.staged",
    "backup.copied",
    "backup.verified",
    "backup.renamed",
    "backup.settled",
    "backup.pruned",
)
RESTORE = (
    "restore.checked",
    "restore.staged",
    "restore.copied",
    "restore.verified",
    "restore.renamed",
    "restore.settled",
)

_observer: Callable[[str], None] | None = None


def reached(step: str) -> None:
    """Say that a step is done. Tests may kill the process here."""
    if _observer is not None:
        _observer(step)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Call `observer` with the name of each step reached by this process inside the block."""
    global _observer
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before
