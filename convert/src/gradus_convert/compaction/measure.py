"""Cost of two model files, side by side, each in fresh processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gradus_runtime.errors import EnvironmentFailedError

__all__ = ["Cost", "measure"]

_SCRIPT = Path(__file__).with_name("measure_session.py")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over processes. `row_seconds` is None where an input is not floats of a known shape."""

    file_bytes: int
    peak_bytes: int
    load_seconds: float
    row_seconds: float | None


def measure(paths: list[Path], *, processes: int = 3) -> list[Cost]:
    """Measure files in turn, so that a busy machine strikes all alike.

    Raises:
        EnvironmentFailedError: A process failed.
    """
    runs: dict[Path, list[dict[str, float]]] = {p: [] for p in paths}
    for _ in range(processes):
        for path in paths:
            runs[path].append(_once(path))
    return [_median(path, runs[path]) for path in paths]


def _once(path: Path) -> dict[str, float]:
    command = [sys.executable, "-I", str(_SCRIPT), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        raise EnvironmentFailedError(
            "a fresh process must load the model", place=str(path), cause=str(e)
        ) from None
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _median(path: Path, runs: list[dict[str, float]]) -> Cost:
    rows = [r["row_seconds"] for r in runs]
    return Cost(
        path.stat().st_size,
        int(statistics.median(r["peak_bytes"] for r in runs)),
        statistics.median(r["load_seconds"] for r in runs),
        None if None in rows else statistics.median(rows),
    )
