"""Errors of gradus: each names the rule, the place, the value, and the way out.

They are named for what the caller must do. `exit_code` is what the command line ends with.
"""

from __future__ import annotations

from enum import IntEnum
from types import FrameType
from typing import Any, ClassVar

__all__ = [
    "CheckError",
    "ConfigError",
    "DataError",
    "EnvironmentFailedError",
    "ExitCode",
    "GradusError",
    "IntegrityError",
    "ManifestError",
    "StoreError",
    "UsageError",
    "let_signals_through",
]


class ExitCode(IntEnum):
    """What every gradus command ends with."""

    DONE = 0
    CHECK_FAILED = 1
    WRONG_USE = 2
    ENVIRONMENT = 3


_SHOWN = 120
"""Characters of a value that a message shows."""
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _shown(value: object) -> str:
    """The text of a value as `repr` gives it, as far as a message shows it.

    A value may be far larger than its file: a list that names another twice, thirty times over. What `repr`
    takes then has no bound, so containers are walked only until the text is long enough.
    """
    parts: list[str] = []
    _show(value, parts, _SHOWN + 1)
    return "".join(parts)


def _show(value: object, parts: list[str], room: int) -> int:
    """Append the text of a value; return the room that is left, which is not above 0 once it was enough."""
    kind = type(value)
    if kind in _BRACKETS and value:
        return _show_items(value, kind, parts, room)
    if isinstance(value, str | bytes | bytearray):
        text = repr(value[: _SHOWN + 1])
    elif isinstance(value, int) and value.bit_length() > 400:
        text = f"an integer of {value.bit_length()} bits"
    elif getattr(getattr(value, "dtype", None), "hasobject", False):
        text = f"an array of objects of shape {getattr(value, 'shape', ())}"
    else:
        text = repr(value)
    parts.append(text[: _SHOWN + 1])
    return room - len(text)


def _show_items(value: Any, kind: type, parts: list[str], room: int) -> int:
    start, end = _BRACKETS[kind]
    parts.append(start)
    room -= len(start)
    for i, item in enumerate(value.items() if kind is dict else value):
        if i:
            parts.append(", ")
            room -= 2
        if kind is dict:
            room = _show(item[0], parts, room)
            parts.append(": ")
            room -= 2
        room = _show(item[1] if kind is dict else item, parts, room)
        if room <= 0:
            return room
    parts.append(",)" if kind is tuple and len(value) == 1 else end)
    return room - len(end)


class GradusError(Exception):
    """Base of every error that gradus raises on purpose.

    Args:
        rule: The rule that was broken, as a sentence that is true when all is well.
        place: Where: a file, a line, a key path, a column.
        value: The value found there; shown by `repr`, shortened.
        cause: What the system or a library said, in its own words; shown after a colon, shortened.
        hint: The way out, as an instruction.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ENVIRONMENT

    def __init__(
        self,
        rule: str,
        *,
        place: str | None = None,
        value: object = None,
        cause: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.rule = rule
        self.place = place
        self.value = value
        self.cause = cause
        self.hint = hint
        super().__init__(self._message())

    def _message(self) -> str:
        text = self.rule if self.place is None else f"{_cut(self.place, 500)}: {self.rule}"
        if self.value is not None:
            text += f", but got {_cut(_shown(self.value), _SHOWN)}"
        if self.cause:
            text += f": {_cut(' '.join(self.cause.split()), 300).rstrip('.')}"
        return text if self.hint is None else f"{text}. {_cut(self.hint, 1000)}"


class UsageError(GradusError):
    """The call or the command line is wrong: correct it and call again."""

    exit_code = ExitCode.WRONG_USE


class ConfigError(UsageError):
    """A configuration file breaks a rule: edit it."""


class DataError(UsageError):
    """Input data breaks a rule: correct the file."""


class CheckError(GradusError):
    """A check failed: a gate, a parity proof, a validation."""

    exit_code = ExitCode.CHECK_FAILED


class IntegrityError(CheckError):
    """Bytes are not what the manifest or the pin says: do not use them."""


class ManifestError(CheckError):
    """A manifest breaks the contract: do not use the artifact."""


class StoreError(GradusError):
    """The artifact store cannot do what was asked; it is as it was before."""


class EnvironmentFailedError(GradusError):
    """The machine failed: disk, memory, permission, a missing library."""


def let_signals_through(error: BaseException) -> None:
    """Raise again what a signal handler raised: an alarm, or the time limit of a task queue.

    Such an exception can come out of any line, and says nothing about what that line does; whoever catches
    errors of that line calls this first. Codecs and the like wrap what passes through them: then the
    exception inside is raised.

    Args:
        error: An exception that was caught.

    Raises:
        BaseException: `error`, or what it was made of, if a signal handler raised it.
    """
    outside = _frames_outside(error)
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        trace = inner.__traceback__
        if trace is not None and trace.tb_frame in outside:
            return  # the caller caught it long ago, and calls us while it handles it
        if _from_signal_handler(inner):
            raise inner
        inner = inner.__cause__ or inner.__context__


def _frames_outside(error: BaseException) -> list[FrameType]:
    """Return the frames that called the one where an exception was caught."""
    frames = []
    frame = None if error.__traceback__ is None else error.__traceback__.tb_frame.f_back
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _from_signal_handler(error: BaseException) -> bool:
    """Whether a signal handler raised an exception.

    Python calls a handler with the frame that it interrupted, and the exception leaves through both frames.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        if _was_given(trace.tb_next.tb_frame, trace.tb_frame):
            return True
        trace = trace.tb_next
    return False


def _was_given(called: FrameType, caller: FrameType) -> bool:
    """Whether the frame `caller` is an argument of the frame `called`."""
    code = called.f_code
    values = called.f_locals
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _HAS_VARARGS)
    for name in code.co_varnames[:count]:
        value = values.get(name)
        if value is caller or (type(value) is tuple and any(each is caller for each in value)):
            return True
    return False


_HAS_VARARGS = 0x04  # inspect.CO_VARARGS
