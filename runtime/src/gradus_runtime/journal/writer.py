"""`Journal`: what a Predictor writes its decisions to. Whatever fails, the decision stands."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus_runtime.errors import UsageError, let_signals_through
from gradus_runtime.journal.folder import FolderSink
from gradus_runtime.journal.line import DECISION, EVENT, encode_line, iso_moment
from gradus_runtime.journal.stream import Stream, StreamSink
from gradus_runtime.lock import SafeLock
from gradus_runtime.store import disk

__all__ = ["SYNCS", "Journal", "open_journal"]

SYNCS = ("decision", "second", "never")
_SECOND = 1.0


class Journal:
    """Appends lines to a folder or a stream. Safe for any number of threads, and after a fork.

    Args:
        sink: Where to.
        sync: "decision": a line is on disk when `decide` returns; "second": within a second; "never": when
            the system likes.
        clock: Seconds since 1970 UTC.

    Attributes:
        place: Where the lines go, for people.
        folder: Where they go if it is a folder, else None.
        problem: Why the last line could not be written; None if it was.
        written: Lines of decisions written.
        lost: Decisions without a line.
    """

    def __init__(
        self, sink: FolderSink | StreamSink, sync: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._sink = sink
        self._sync = sync
        self._clock = clock
        self.place = sink.place
        self.folder = Path(sink.place) if isinstance(sink, FolderSink) else None
        self.problem: str | None = None
        self.written = 0
        self.lost = 0
        self._unsaid = 0
        self._begin()
        try:
            sink.repair()
        except OSError as e:  # no folder yet, or unreadable: the first line says what is wrong
            let_signals_through(e)
        _journals.add(self)

    def _begin(self) -> None:
        self._lock = SafeLock()  # a signal handler may decide, too
        self._prefix = os.urandom(8).hex()
        self._number = 0
        self._syncing: _EverySecond | None = None

    def after_fork(self) -> None:
        """In a forked child: a file, numbers and a lock of its own."""
        self._sink.close()
        self._begin()

    def new_ids(self, count: int) -> list[str]:
        """Return ids for so many lines, unique among all processes, rising within this one."""
        with self._lock:
            first, self._number = self._number, self._number + count
        return [f"{self._prefix}-{first + i:08d}" for i in range(count)]

    def decisions(self, bodies: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
        """Append a line for each decision; it never raises for what the disk or the stream does.

        Args:
            bodies: Keys and values of `DecisionLine`, without `decided`.
            about: What event lines say of the version that serves; used where lines were lost before.
        """
        now = self._clock()
        moment = iso_moment(now)
        data = b"".join([encode_line(DECISION, {"decided": moment, **body}) for body in bodies])
        with self._lock:
            if self._append(data, len(bodies), moment, about):
                self.written += len(bodies)
            else:
                self.lost += len(bodies)
                self._unsaid += len(bodies)

    def event(self, event: str, about: Mapping[str, Any]) -> None:
        """Append a line that is no decision; where it cannot be written it is left out."""
        moment = iso_moment(self._clock())
        with self._lock:
            self._append(self._event(event, moment, about), 0, moment, about)

    def _event(self, event: str, moment: str, about: Mapping[str, Any]) -> bytes:
        fields = {"id": self.new_ids(1)[0], "decided": moment, "event": event, **about}
        return encode_line(EVENT, {**fields, "lost": self._unsaid, "pid": os.getpid()})

    def _append(self, data: bytes, count: int, moment: str, about: Mapping[str, Any]) -> bool:
        said = self._unsaid
        try:
            if said:
                data = self._event("lost", moment, about) + data
            self._sink.write(data, moment[:10])
            if self._sync == "decision":
                self._sink.sync(undo=True)
            elif self._sync == "second":
                self._sync_soon()
        except Exception as e:  # a stream may raise anything; the decision stands, and `health()` says why
            let_signals_through(e)
            self.problem = f"{self.place}: {type(e).__name__}: {e}"
            return False
        self._unsaid -= said
        self.problem = None
        return True

    def _sync_soon(self) -> None:
        if self._syncing is None:
            self._syncing = _EverySecond(self._sync_now)
        self._syncing.wanted.set()

    def _sync_now(self) -> None:
        with self._lock:
            try:
                self._sink.sync()
            except OSError as e:
                let_signals_through(e)
                self.problem = f"{self.place}: {type(e).__name__}: {e}"

    def close(self) -> None:
        """Sync what was written, unless told never to, and let the file go. A later line opens it again."""
        syncing = self._syncing
        if syncing is not None:
            syncing.stop()
        with self._lock:
            self._syncing = None
            if self._sync != "never":
                self._sync_now()
            self._sink.close()


class _EverySecond:
    """Calls `work` a second after it was wanted, from a thread of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.wanted = threading.Event()
        self._stopped = threading.Event()
        self._work = work
        threading.Thread(target=self._run, name="gradus-journal", daemon=True).start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.wanted.wait()
            self._stopped.wait(_SECOND)
            self.wanted.clear()
            self._work()

    def stop(self) -> None:
        self._stopped.set()
        self.wanted.set()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _after_fork() -> None:
    for journal in list(_journals):
        journal.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def open_journal(where: str | Path | Stream, sync: str, *, clock: Callable[[], float] = time.time) -> Journal:
    """Open a journal.

    Args:
        where: A folder; "-" for standard error; or a stream of text.
        sync: One of `SYNCS`.
        clock: Seconds since 1970 UTC.

    Raises:
        UsageError: `where` is neither a folder nor a stream; an unknown `sync`.
    """
    if sync not in SYNCS:
        raise UsageError(f"sync must be one of {', '.join(SYNCS)}", place="sync", value=sync)
    if where == "-":
        return Journal(StreamSink(None), sync, clock)
    if isinstance(where, str | Path):
        folder = Path(where)
        if disk.exists(folder) and not disk.is_folder(folder):
            raise UsageError(
                "a journal must be a folder", place="journal", value=str(where), hint='"-" is standard error.'
            )
        return Journal(FolderSink(folder, durable=sync != "never"), sync, clock)
    if not callable(getattr(where, "write", None)):
        raise UsageError('a journal must be a folder, "-" or a stream', place="journal", value=where)
    return Journal(StreamSink(where), sync, clock)
