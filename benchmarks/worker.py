"""One measure in a fresh process: `python -m benchmarks.worker MEASURE PEER FOLDER ...` prints a JSON object.

It imports nothing but json, time and numpy before the peer, so that time and memory are the peer's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.peers.scorer import Rows, Scorer

_TURN = 50
_STATUS = Path("/proc/self/status")
_MIN_SECONDS = 0.2
"""A batch size is called again until this much time is spent."""


def peak_mib() -> float:
    """Return the peak resident memory of this process so far, in MiB.

    Source: VmHWM of proc_pid_status(5).
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    if match is None:
        raise OSError(f"{_STATUS} has no VmHWM")
    return int(match[1]) / 1024


def prepare(args: argparse.Namespace) -> dict[str, float]:
    """Turn a run's models into the files that the peer serves from; imports are not timed."""
    peer = importlib.import_module(f"benchmarks.peers.{args.peer}")
    started = time.perf_counter()
    peer.prepare(args.run, args.folder)
    return {"prepare_s": time.perf_counter() - started, "prepare_peak_mib": peak_mib()}


def serve(args: argparse.Namespace) -> dict[str, float]:
    """Serve as a bot does, then as a backtest does: single rows, if there are any, then batches, if asked."""
    scorer, result = _load(args)
    if args.single is not None:
        result |= _single(scorer, _rows(args.single), args.limit, args.seconds)
    if args.sizes:
        result |= _batches(scorer, _rows(args.rows), args.sizes, args.ceiling)
    return result


def _single(scorer: Scorer, rows: Rows, limit: int, seconds: float) -> dict[str, float]:
    """One row after the other: the first answer, then `limit` rows, or as many as `seconds` allow."""
    result = {"first_us": _timed(scorer.one, scorer.row(rows[:1])) / 1e3}
    result["ready_ns"] = time.monotonic_ns()
    result["first_peak_mib"] = peak_mib()
    times = _latencies(scorer, rows, limit, seconds)
    result["p50_us"], result["p99_us"] = quantile(times, 0.5) / 1e3, quantile(times, 0.99) / 1e3
    result["answers"] = len(times)
    result["peak_mib"] = peak_mib()
    if scorer.inner is not None:
        result["own_us"] = _own(scorer, scorer.inner, rows, limit, seconds) / 1e3
    return result


def _batches(scorer: Scorer, rows: Rows, sizes: list[int], ceiling: float) -> dict[str, float]:
    """Batches of growing size: microseconds a row, the median of the calls.

    A size whose one call would take longer than `ceiling` seconds, going by the size before, is left out.
    """
    result: dict[str, float] = {}
    scorer.batch(rows[:2])
    us_per_row = 0.0
    for size in sizes:
        if us_per_row * size > ceiling * 1e6:
            break
        calls: list[int] = []
        while sum(calls) < _MIN_SECONDS * 1e9:
            calls.append(_timed(scorer.batch, rows[:size]))
        us_per_row = quantile(calls, 0.5) / size / 1e3
        result[f"us_per_row_{size}"] = us_per_row
        result[f"batch_peak_mib_{size}"] = peak_mib()
    return result


def resident(args: argparse.Namespace) -> dict[str, float]:
    """Hold several levels at once, each after one answer."""
    rows = _rows(args.rows)
    result = {"load_ms": 0.0}
    held = []
    for folder, width in zip(args.levels, args.widths, strict=True):
        scorer, loaded = _load(args, args.folder / folder)
        scorer.one(scorer.row(rows[:1, :width]))
        result["load_ms"] += loaded["load_ms"]
        held.append(scorer)
    result["ready_ns"] = time.monotonic_ns()
    result["peak_mib"] = peak_mib()
    return result


def answers(args: argparse.Namespace) -> dict[str, float]:
    """Write the probabilities of every row to `out`."""
    import numpy as np

    scorer, result = _load(args)
    rows = _rows(args.rows)
    parts = [scorer.batch(rows[i : i + 10_000]) for i in range(0, len(rows), 10_000)]
    np.save(args.out, np.concatenate(parts).astype(np.float64))
    return result


def quantile(values: list[int], share: float) -> int:
    """Return the value that this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def _load(args: argparse.Namespace, folder: Path | None = None) -> tuple[Scorer, dict[str, float]]:
    before = time.perf_counter_ns()
    peer = importlib.import_module(f"benchmarks.peers.{args.peer}")
    between = time.perf_counter_ns()
    scorer: Scorer = peer.load(folder or args.folder, args.threads)
    after = time.perf_counter_ns()
    return scorer, {"import_ms": (between - before) / 1e6, "load_ms": (after - between) / 1e6}


def _rows(path: Path) -> Rows:
    import numpy as np

    rows: Rows = np.load(path)
    return rows


def _latencies(scorer: Scorer, rows: Rows, limit: int, seconds: float) -> list[int]:
    """Nanoseconds of each answer."""
    times: list[int] = []
    end = time.perf_counter() + seconds
    while len(times) < limit and time.perf_counter() < end:
        at = len(times) % len(rows)
        times.append(_timed(scorer.one, scorer.row(rows[at : at + 1])))
    return times


def _own(scorer: Scorer, inner: Callable[[Rows], Any], rows: Rows, limit: int, seconds: float) -> int:
    """Nanoseconds of an answer that are not spent inside: whole and inside in turns, some rows each.

    Not row by row: two sessions would drive each other's tables out of the caches.
    """
    differences: list[int] = []
    end = time.perf_counter() + seconds
    while len(differences) * _TURN < limit and time.perf_counter() < end:
        at = len(differences) * _TURN % len(rows)
        some = [rows[i : i + 1] for i in range(at, min(at + _TURN, len(rows)))]
        whole = [_timed(scorer.one, scorer.row(row)) for row in some]
        inside = [_timed(inner, row) for row in some]
        differences.append(quantile(whole, 0.5) - quantile(inside, 0.5))
    return quantile(differences, 0.5)


def _timed(call: Callable[[Any], Any], value: Any) -> int:
    before = time.perf_counter_ns()
    call(value)
    return time.perf_counter_ns() - before


_MEASURES = {
    "prepare": prepare,
    "serve": serve,
    "resident": resident,
    "answers": answers,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measure", choices=tuple(_MEASURES))
    parser.add_argument("peer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--single", type=Path, help="rows to serve one by one")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--ceiling", type=float, default=8.0)
    parser.add_argument("--levels", nargs="*", default=[], help="folders below the peer's, one a level")
    parser.add_argument("--widths", type=int, nargs="*", default=[], help="features of each level")
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    return parser


def main() -> None:
    """Run the measure that the command line names."""
    args = _parser().parse_args()
    json.dump(_MEASURES[args.measure](args), sys.stdout)


if __name__ == "__main__":
    main()
