"""Saying something in the program's log, whose handlers may fail: a decision does not depend on them.

`logging` is imported by the program, or by nobody: without it there is no handler that could take a line, and
it is 3 ms of the way from the start of a process to its first decision.
"""

from __future__ import annotations

import sys
from typing import Any

from gradus_runtime.errors import let_signals_through

__all__ = ["INFO", "WARNING", "log_problem", "say"]

INFO, WARNING = 20, 30
"""Levels, with the numbers that `logging` has for them."""

_problems: list[str] = []


def say(level: int, text: str, *, event: str, **fields: object) -> None:
    """Log a line; its record carries `gradus_event` and the other fields with `gradus_` before their names.

    What a handler or a filter of the program raises is kept for `log_problem`, and not raised: the call that
    has something to say must be answered. What a signal handler raises meanwhile is raised.
    """
    if "logging" not in sys.modules:
        return
    extra = {"gradus_event": event} | {f"gradus_{key}": value for key, value in fields.items()}
    try:
        _log(level, text, extra)
    except Exception as e:  # the program's own code, called for nothing that an answer needs
        let_signals_through(e)
        _problems[:] = [f"{type(e).__name__} in a log handler"]
    else:
        _problems.clear()


def _log(level: int, text: str, extra: dict[str, object]) -> None:
    import logging

    free = [lock for lock in _locks() if not lock._is_owned()]
    try:
        logger = logging.getLogger("gradus_runtime")
        if not logger.handlers:  # a library prints nothing where the program set no logging up
            logger.addHandler(logging.NullHandler())
        logger.log(level, "%s", text, extra=extra)
    except BaseException:
        # Before Python 3.13, an alarm between `acquire` and `try` leaves a lock of `logging` taken for good,
        # and every other thread waits at its next line.
        for lock in free:
            while lock._is_owned():
                lock.release()
        raise


def _locks() -> list[Any]:
    """Return the locks that a line takes: of `logging`, and of the handlers that it goes to."""
    import logging

    known = logging.Logger.manager.loggerDict.get("gradus_runtime")  # without a lock
    logger: logging.Logger | None = known if isinstance(known, logging.Logger) else logging.root
    locks = [getattr(logging, "_lock", None)]
    while logger is not None:
        locks += [handler.lock for handler in logger.handlers]
        logger = logger.parent if logger.propagate else None
    return [lock for lock in locks if hasattr(lock, "_is_owned")]


def log_problem() -> str | None:
    """What the last line met, if a handler of the program's log raised; else None."""
    return _problems[0] if _problems else None
