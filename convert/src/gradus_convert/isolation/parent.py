"""Starts a process for work on files that nobody vouches for, and waits for it no longer than allowed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gradus_convert.isolation import error_values
from gradus_runtime.errors import EnvironmentFailedError

__all__ = ["ProcessLimits", "call"]

MIB = 1 << 20
_MAX_LINE = 16 * MIB
_ENDED = "the process that works on the file must succeed"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a process may take.

    Attributes:
        memory: Bytes of data that it may hold (`RLIMIT_DATA`; where the system knows no such limit, none).
        seconds: After which it is ended, by the clock on the wall.
    """

    memory: int
    seconds: float


def call(
    task: str,
    request: Mapping[str, Any],
    limits: ProcessLimits,
    *,
    place: str,
    progress: Callable[[str], None] = lambda _: None,
) -> Any:
    """Carry out a task in a process of its own.

    Args:
        task: A function as `module:name`: a JSON value, and a function to tell what begins, to a JSON value.
        request: Its argument.
        limits: What it may take.
        place: How errors name the work.
        progress: Told what the task tells.

    Returns:
        What the task returns.

    Raises:
        GradusError: What the task raises, as it was raised there.
        EnvironmentFailedError: It crashed, or took too much memory or time; the message says which.
    """
    command = [sys.executable, "-P", "-m", "gradus_convert.isolation.child", task, str(limits.memory)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        _ended(process, limits.seconds) as late,
    ):
        for message in _talk(process, request):
            if "say" in message:
                progress(str(message["say"]))
            elif "error" in message:
                raise error_values.rebuilt(message["error"])
            elif "result" in message:
                return message["result"]
        code = process.wait()
    raise _failure(code, late.is_set(), limits, place)


def _talk(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the pipes were asked for")
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
    except BrokenPipeError:
        return  # it ended already; its code says why
    while line := process.stdout.readline(_MAX_LINE):
        try:
            message = json.loads(line)
        except ValueError:
            return  # cut short by its end
        if isinstance(message, dict):
            yield message


@contextmanager
def _ended(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """End the process after so many seconds, and in any case when the block is left."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        process.kill()


def _failure(code: int, late: bool, limits: ProcessLimits, place: str) -> EnvironmentFailedError:
    hint = "Nothing was written."
    if late:
        rule = f"the process that works on the file must end within {limits.seconds:g} s"
        return EnvironmentFailedError(rule, place=place, hint=f"{hint} Allow more with --max-seconds.")
    if code < 0:
        name = signal.Signals(-code).name
        hint += f" The file may be damaged, or {limits.memory // MIB} MiB too little (--max-memory)."
        return EnvironmentFailedError(_ENDED, place=place, value=name, hint=hint)
    return EnvironmentFailedError(_ENDED, place=place, value=f"exit code {code}", hint=hint)
