"""Runs code in a process of its own with little memory: a test of a bound cannot take the machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence

MIB = 1 << 20


def run(arguments: Sequence[str], *, memory: int, seconds: int = 120) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments; `memory` bounds its address space in bytes, `seconds` its processor time."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=10 * seconds,
        preexec_fn=limit,
        check=False,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": ""},
    )


def gradus(*arguments: str, memory: int, seconds: int = 120) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    code = "import sys; from gradus_runtime.cli import main; sys.exit(main(sys.argv[1:]))"
    return run(["-c", code, *arguments], memory=memory, seconds=seconds)
