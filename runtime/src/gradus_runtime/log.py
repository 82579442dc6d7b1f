"""Saying something in the program's log, whose handlers may fail: a decision does not depend on them.

`logging` is imported by the program, or by nobody: without it there is no handler that could take a line, and
it is 3 ms of the way from the start of a process to its first decision.
"""

from __future__ import annotations

import sys

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

    logger = logging.getLogger("gradus_runtime")
    if not logger.handlers:  # a library prints nothing where the program set no logging up
        logger.addHandler(logging.NullHandler())
    logger.log(level, "%s", text, extra=extra)


def log_problem() -> str | None:
    """What the last line met, if a handler of the program's log raised; else None."""
    return _problems[0] if _problems else None
