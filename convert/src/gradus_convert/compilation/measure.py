"""Cost of model files, side by side, each in fresh processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradus_runtime.errors import EnvironmentFailedError

__all__ = ["Cost", "measure"]

_SCRIPT = Path(__file__).with_name("measure_session.py")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over processes, of a model with one thread.

    Attributes:
        file_bytes: Size of the file.
        peak_bytes: Peak memory of the process.
        start_seconds: From the first line of the process to the first answer: imports, load, a row.
        load_seconds: Of the model, without the imports.
        row_seconds: Of one row. None where an input is not floats of a known shape, as for all below.
        batch_seconds: Of a row among 1,000.
    """

    file_bytes: int
    peak_bytes: int
    start_seconds: float
    load_seconds: float
    row_seconds: float | None
    batch_seconds: float | None


def measure(models: Sequence[tuple[str, Path]], *, processes: int = 3) -> list[Cost]:
    """Measure files in turn, so that a busy machine strikes all alike.

    Args:
        models: What opens each, one of `measure_session.OPENERS` ("compact": ONNX, as the runtime opens it),
            and its file.
        processes: For each.

    Raises:
        EnvironmentFailedError: A process failed.
    """
    runs: list[list[dict[str, float]]] = [[] for _ in models]
    for _ in range(processes):
        for found, (kind, path) in zip(runs, models, strict=True):
            found.append(_once(kind, path))
    return [_median(path, found) for (_, path), found in zip(models, runs, strict=True)]


def _once(kind: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-I", str(_SCRIPT), kind, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        raise EnvironmentFailedError(
            "a fresh process must load the model", place=str(path), cause=str(e)
        ) from None
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _median(path: Path, runs: list[dict[str, float]]) -> Cost:
    def middle(name: str) -> float | None:
        values = [r[name] for r in runs]
        return None if None in values else statistics.median(values)

    return Cost(
        path.stat().st_size,
        int(middle("peak_bytes") or 0),
        middle("start_seconds") or 0.0,
        middle("load_seconds") or 0.0,
        middle("row_seconds"),
        middle("batch_seconds"),
    )
