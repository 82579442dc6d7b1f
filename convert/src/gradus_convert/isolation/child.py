"""What runs in the process: bounds itself, carries out one task, and tells by JSON lines how it ended.

Run as `python -m gradus_convert.isolation.child MODULE:FUNCTION MEMORY`, with the request on standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

from gradus_convert.isolation import error_values
from gradus_runtime.errors import EnvironmentFailedError, GradusError

__all__ = ["limit_memory", "main"]


def limit_memory(size: int) -> None:
    """Bound the memory that this process may hold; larger than before is possible."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(task: str, memory: int) -> int:
    """Carry out one task; returns the exit code of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print to standard output as they like
    limit_memory(memory)

    def tell(kind: str, value: Any) -> None:
        out.write(json.dumps({kind: value}) + "\n")
        out.flush()

    module, _, name = task.partition(":")
    try:
        request = json.loads(sys.stdin.buffer.read())
        tell("result", getattr(import_module(module), name)(request, lambda text: tell("say", text)))
    except GradusError as e:
        tell("error", error_values.described(e))
    except MemoryError:
        tell("error", error_values.described(_no_memory()))
    return 0


def _no_memory() -> EnvironmentFailedError:
    rule = "the work on the file must fit into the memory limit"
    return EnvironmentFailedError(rule, hint="Nothing was written. Allow more with --max-memory.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
