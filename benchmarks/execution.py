"""Workers from the outside: fresh processes, their samples, peers in turns."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.environments import ROOT

__all__ = ["WorkerFailedError", "in_turns", "work"]

Sample = dict[str, float]


class WorkerFailedError(Exception):
    """A worker ended without a result; the message is its last line."""


def work(python: Path, measure: str, peer: str, folder: Path, **options: object) -> Sample:
    """Run one measure in a fresh process and return its figures, with `cold_start_ms` where it has one.

    Args:
        python: Interpreter of the environment to run in.
        measure: A measure of `benchmarks.worker`.
        peer: A module of `benchmarks.peers`.
        folder: Where the peer's files are.
        options: Command-line options of the worker; a list or tuple is several words.

    Raises:
        WorkerFailedError: It failed.
    """
    words = [str(python), "-m", "benchmarks.worker", measure, peer, str(folder)]
    for name, value in options.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        words += [f"--{name}", *(str(v) for v in values)]
    threads = str(options.get("threads", os.cpu_count()))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONWARNINGS": "ignore"}
    spawned = time.monotonic_ns()
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=1800
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise WorkerFailedError(lines[-1][:300])
    sample: Sample = json.loads(done.stdout.strip().splitlines()[-1])
    if "ready_ns" in sample:
        sample["cold_start_ms"] = (sample.pop("ready_ns") - spawned) / 1e6
    return sample


def in_turns(
    names: Iterable[str], repetitions: int, sample: Callable[[str], Sample]
) -> tuple[Mapping[str, list[Sample]], Mapping[str, str]]:
    """Take samples of each name in turns, so that what disturbs the machine disturbs all alike.

    Returns:
        The samples by name, and the reason of each name that failed.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    for _ in range(repetitions):
        for name in [n for n in samples if n not in failed]:
            try:
                samples[name].append(sample(name))
            except WorkerFailedError as error:
                failed[name] = str(error)
    return {n: s for n, s in samples.items() if n not in failed}, failed
