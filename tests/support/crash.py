"""Processes that are killed, disks that fail, and what a reader sees afterwards."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradus_runtime.store import Store, history_file, open_artifact, steps

WRITES = frozenset({"write", "mkdir", "rename", "ftruncate", "fsync", "fchmod", "fchown"})
CALLS = WRITES | {"open", "fstat", "stat", "listdir", "pread", "unlink", "rmdir"}


def start(work: Callable[[], None]) -> int:
    """Run `work` in a forked child and return its process id; the child's exit code is 1 if it raises."""
    child = os.fork()
    if child:
        return child
    sys.settrace(None)
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    """Wait for a child; its exit code, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: str, occurrence: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is killed when it reaches a step for the n-th time; whether it got there."""
    count = 0

    def observer(name: str) -> None:
        nonlocal count
        count += name == step
        if name == step and count == occurrence:
            os.kill(os.getpid(), signal.SIGKILL)

    def observed() -> None:
        with steps.observed(observer):
            work()

    code = ended(start(observed))
    assert code in (0, -signal.SIGKILL), code
    return code != 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader sees: versions with their digests, the pin, and the version that is opened."""

    versions: tuple[tuple[str, str], ...]
    generation: int
    pinned: str | None


def look(store: Store) -> Seen:
    """Read everything as a reader does; every version listed and the pinned one must be whole."""
    versions = []
    for version in store.versions():
        with store.open(version) as artifact:
            artifact.verify()
            versions.append((version, artifact.digest))
    pin = store.pin_state()
    if pin is None:
        return Seen(tuple(versions), 0, None)
    with open_artifact(store.path) as artifact:
        artifact.verify()
        assert (artifact.manifest.version, artifact.digest) == (pin.version, pin.digest)
    return Seen(tuple(versions), pin.generation, pin.version)


def assert_settled(store: Store) -> None:
    """Assert that the last writer left nothing behind and that the history tells all that happened, once."""
    seen = look(store)
    top = {p.name for p in store.path.iterdir()}
    assert top <= {"versions", "pin.json", "history.jsonl", ".lock"}, top
    entries = {p.name for p in (store.path / "versions").iterdir()}
    assert entries == {v for v, _ in seen.versions}
    events = store.history()
    assert history_file.published(events) == dict(seen.versions)
    generations = [e.generation for e in events if e.generation is not None]
    assert generations == list(range(1, seen.generation + 1))
    present: set[str] = set()
    for event in events:
        if event.event == "publish":
            assert event.version not in present, f"{event.version} was published twice"
            present.add(event.version)
        elif event.event == "gc":
            present.remove(event.version)


class FaultyOs:
    """The module `os` for `gradus_runtime.store.disk`, failing at the n-th call.

    Args:
        number: Which call fails, from 1; 0 for none.
        code: The error number.
        lasting: Whether every later call that writes fails as well: a disk that stays full.
    """

    def __init__(self, number: int, code: int, *, lasting: bool = False) -> None:
        self.calls: list[str] = []
        self._number, self._code, self._lasting = number, code, lasting

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            count = len(self.calls)
            writes = name in WRITES or (name == "open" and args[1] & os.O_CREAT)
            later = self._lasting and 0 < self._number < count and writes
            if count == self._number or later:
                if name == "write" and len(args[1]) > 1:
                    real(args[0], args[1][: len(args[1]) // 2])  # a torn write: half of it arrives
                raise OSError(self._code, os.strerror(self._code))
            return real(*args, **kwargs)

        return call


ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
