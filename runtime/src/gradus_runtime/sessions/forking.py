"""Forks: a child has one thread, and locks that the others held stay locked for ever.

So a fork waits for the sessions that other threads are opening (onnxruntime and the C library take locks of
their own meanwhile), and in the child every object of this package that has locks makes new ones. A session
that another thread was using is put aside in the child and opened anew: its locks cannot be made anew, and
to destroy it may join threads that are not there (https://github.com/microsoft/onnxruntime/pull/31961).
An import that another thread has begun never ends in a child, so a fork imports what calls load at their
first use: it waits for such an import, and the child finds the module there.
"""

from __future__ import annotations

import os
import time
from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from typing import Protocol

    class AfterFork(Protocol):
        """What wants to know, in a child, that it was forked."""

        def after_fork(self) -> None:
            """Make new locks; called before anything else runs in the child."""
            ...


__all__ = ["LATE", "opening", "put_aside", "tell_after_fork"]

WAIT_SECONDS = 10.0
"""A fork waits no longer than this for the sessions that other threads are opening."""

LATE = (
    "dataclasses",
    "pathlib",
    "zipfile",
    "gradus_runtime.monitoring.drift_report",
    "gradus_runtime.monitoring.model_info",
    "gradus_runtime.rows.adapt",
    "gradus_runtime.rows.near_names",
    "gradus_runtime.rows.one_row",
    "gradus_runtime.serving.batch",
    "gradus_runtime.wording",
)
"""Modules that calls of a predictor import at their first use."""

_told: dict[int, ref[AfterFork]] = {}
_opening: dict[object, int] = {}
_forking: dict[int, int] = {}
_put_aside: list[Any] = []


def tell_after_fork(thing: AfterFork) -> None:
    """Call `after_fork` of an object in every child that is forked while it lives."""
    for key, told in list(_told.items()):
        if told() is None:
            _told.pop(key, None)
    _told[id(thing)] = ref(thing)  # without a callback, which would swallow the exception of a signal handler


@contextmanager
def opening() -> Iterator[None]:
    """While a session is opened: forks by other threads wait, and this one waits for them."""
    token, until = object(), time.monotonic() + WAIT_SECONDS
    while _forking and get_ident() not in _forking.values() and time.monotonic() < until:
        time.sleep(0.001)
    try:
        _opening[token] = get_ident()
        yield
    finally:
        _opening.pop(token, None)


def put_aside(session: Any) -> None:
    """Keep a session to the end of the process, so that it is never destroyed."""
    _put_aside.append(session)


def _before() -> None:
    _forking[get_ident()] = get_ident()
    me, until = get_ident(), time.monotonic() + WAIT_SECONDS
    while any(thread != me for thread in list(_opening.values())) and time.monotonic() < until:
        time.sleep(0.001)
    for module in LATE:
        __import__(module)


def _after() -> None:
    _forking.pop(get_ident(), None)


def _in_child() -> None:
    _opening.clear()
    _forking.clear()
    for told in list(_told.values()):
        thing = told()
        if thing is not None:
            thing.after_fork()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
