"""Saying something in the program's log, whose handlers may fail: a decision does not depend on them."""

from __future__ import annotations

import logging

from gradus_runtime.errors import let_signals_through

__all__ = ["log_problem", "say"]

_logger = logging.getLogger("gradus_runtime")
_problems: list[str] = []


def say(level: int, text: str, *, event: str, **fields: object) -> None:
    """Log a line; its record carries `gradus_event` and the other fields with `gradus_` before their names.

    What a handler or a filter of the program raises is kept for `log_problem`, and not raised: the call that
    has something to say must be answered. What a signal handler raises meanwhile is raised.
    """
    extra = {"gradus_event": event} | {f"gradus_{key}": value for key, value in fields.items()}
    try:
        _logger.log(level, "%s", text, extra=extra)
    except Exception as e:  # the program's own code, called for nothing that an answer needs
        let_signals_through(e)
        _problems[:] = [f"{type(e).__name__} in a log handler"]
    else:
        _problems.clear()


def log_problem() -> str | None:
    """What the last line met, if a handler of the program's log raised; else None."""
    return _problems[0] if _problems else None
