"""What a process takes to its first decision, over one that imports numpy and onnxruntime and runs one node.

    python -m benchmarks.first_decision
    python -m benchmarks.first_decision --store artifacts/demo --candles data/demo/candles.csv \
        --daily data/demo/macro.csv

Processor time of fresh processes, in turns; each figure is the median, each ratio the median of the ratios to
the floor of the same turn. They run in an environment that holds the runtime and nothing else, with byte code
as pip leaves it. onnxruntime's telemetry, which gradus switches off, is off for the floor as well, and
OpenBLAS has one thread: with more, the floor is larger and every ratio smaller.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.environments import ROOT, python_of
from benchmarks.peers import floor
from benchmarks.reference import CACHE
from gradus_runtime import Store

__all__ = ["MOST", "main", "measure"]

MOST = 1.25
"""What a first decision may take of the floor, without features and journal."""
GOLDEN = ROOT / "tests" / "golden" / "trio" / "2026.11.21"

_FLOOR = """
import sys
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
session.run(None, {"features": np.zeros((1, 70), np.float32)})
"""
_DECIDE = """
import sys
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1])
bot.decide(dict.fromkeys(bot.feature_names_in_, 0.5))
"""
_JOURNAL = """
import sys
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1], journal=sys.argv[2])
bot.decide(dict.fromkeys(bot.feature_names_in_, 0.5))
"""
_CANDLES = """
import csv, sys
from gradus_runtime import Predictor
candles = list(csv.DictReader(open(sys.argv[2])))[-5000:]
daily = list(csv.DictReader(open(sys.argv[3]))) if sys.argv[3:] else None
bot = Predictor.open(sys.argv[1], max_age_days=1e5, guard="off")
bot.decide_candles(candles, daily, include_running=True)
"""
Way = tuple[str, list[str]]
"""A program and its arguments."""


def measure(python: Path, ways: dict[str, Way], pairs: int) -> dict[str, list[float]]:
    """Return seconds of processor time of each way, a figure a turn.

    Args:
        python: Interpreter of the environment to run in.
        ways: By name.
        pairs: Turns that count; the one before them fills the system's caches.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(pairs + 1):
        for name, (program, arguments) in ways.items():
            found[name].append(_seconds([str(python), "-c", program, *arguments]))
    return {name: seconds[1:] for name, seconds in found.items()}


def _seconds(command: list[str]) -> float:
    environment = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ways(folder: Path, args: argparse.Namespace) -> dict[str, Way]:
    floor.prepare(folder, folder)
    shutil.copytree(GOLDEN, folder / "store" / "versions" / GOLDEN.name)
    Store(folder / "store").pin(GOLDEN.name, actor="benchmark")
    ways: dict[str, Way] = {
        "floor: numpy, onnxruntime, one Identity node": (_FLOOR, [str(folder / "floor.onnx")]),
        "a version's folder": (_DECIDE, [str(GOLDEN)]),
        "a store with a pin": (_DECIDE, [str(folder / "store")]),
        "a version's folder, with a journal": (_JOURNAL, [str(GOLDEN), str(folder / "journal")]),
    }
    if args.store is not None:
        tables = [str(path) for path in (args.candles, args.daily) if path is not None]
        ways["a store with features, 5,000 candles as text"] = (_CANDLES, [str(args.store), *tables])
    return ways


def main(words: list[str] | None = None) -> int:
    """Measure and print a table; the exit code says nothing of the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--store", type=Path, help="a store whose versions have a features graph")
    parser.add_argument("--candles", type=Path)
    parser.add_argument("--daily", type=Path)
    parser.add_argument("--python", type=Path, help="interpreter to run in instead of the environment")
    args = parser.parse_args(words)
    if (args.store is None) != (args.candles is None):
        parser.error("--store and --candles belong together")
    for name in ("store", "candles", "daily"):
        path = getattr(args, name)
        setattr(args, name, None if path is None else path.absolute())
    python = args.python or python_of("runtime", CACHE)
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(python, _ways(Path(folder), args), args.pairs)
    least = next(iter(seconds.values()))
    print("| process start to first decision | processor time, ms | over the floor | at most |")
    print("| --- | ---: | ---: | ---: |")
    for i, (name, times) in enumerate(seconds.items()):
        over = statistics.median(time / base for time, base in zip(times, least, strict=True))
        most = f"{MOST:g}" if i == 1 else ""
        print(f"| {name} | {statistics.median(times) * 1e3:.1f} | {over:.2f} | {most} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
