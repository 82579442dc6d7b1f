"""What the function of a file costs where onnxruntime alone runs it, against the same graph without it.

    python -m benchmarks.plain_load

Both graphs have the same operators and tables: in one the walk is the function's body, in the other the
body stands in the place of the call. Processor time of opening a session by onnxruntime's default options
(with one thread), of one row and of a row of 88, and the memory at the peak, in fresh processes, in turns;
each figure is the median, the ratio the median of the ratios of a turn. Nothing of gradus is imported there.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.environments import ROOT, python_of
from benchmarks.peers import gradus_graph
from benchmarks.reference import CACHE, reference
from gradus_runtime.sessions.shared_constants import SplitModel
from gradus_runtime.sessions.walk_function import with_body

__all__ = ["MOST", "main", "measure", "without_function"]

MOST = 1.3
"""What a file may take to load, over the same graph without the function."""

_FIGURES = ("load, ms", "one row, us", "a row of 88, us", "peak memory, MiB")
_PROGRAM = """
import re, sys, time
import numpy as np
import onnxruntime as ort

def us(rows, runs):
    session.run(["probabilities"], {"features": rows})
    before = time.process_time()
    for _ in range(runs):
        session.run(["probabilities"], {"features": rows})
    return (time.process_time() - before) * 1e6 / runs / len(rows)

options = ort.SessionOptions()
options.intra_op_num_threads = 1
before = time.process_time()
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
load = (time.process_time() - before) * 1e3
rows = np.random.default_rng(1).normal(size=(88, session.get_inputs()[0].shape[1])).astype(np.float32)
one, many = us(rows[:1], 500), us(rows, 20)
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
print(load, one, many, peak)
"""


def without_function(model: bytes) -> bytes:
    """Return a graph with the body of its walk in the place of the call.

    Raises:
        ValueError: It has no walk that is a function.
    """
    inlined = with_body(SplitModel(model, {}))
    if inlined is None:
        raise ValueError("the graph must have a function gradus::TreeWalk1 that it calls once")
    return inlined.model


def measure(python: Path, files: Sequence[Path], pairs: int) -> list[list[list[float]]]:
    """Return what each file takes: the figures of each turn, in the order of the table.

    Args:
        python: Interpreter to run in.
        files: ONNX files.
        pairs: Turns that count; the one before them fills the system's caches.
    """
    found: list[list[list[float]]] = [[] for _ in files]
    for _ in range(pairs + 1):
        for turns, file in zip(found, files, strict=True):
            command = [str(python), "-c", _PROGRAM, str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
            turns.append([float(word) for word in done.stdout.split()])
    return [turns[1:] for turns in found]


def _graphs(folder: Path) -> dict[str, bytes]:
    graphs = {}
    for name in ("large", "small"):
        gradus_graph.prepare(reference(name, CACHE), folder)
        (file,) = folder.iterdir()
        graphs[name] = file.read_bytes()
    return graphs


def main(words: list[str] | None = None, graphs: Mapping[str, bytes] | None = None) -> int:
    """Measure and print a table; the exit code says nothing of the times.

    Args:
        words: Of the command line.
        graphs: What to load, by name; the benchmark's two ensembles if None.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--python", type=Path, help="interpreter to run in instead of the environment")
    args = parser.parse_args(words)
    python = args.python or python_of("runtime", CACHE)
    print("| onnxruntime alone | | with the function | without | ratio | at most |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, model in (graphs or _graphs(folder)).items():
            files = [folder / "function.onnx", folder / "inlined.onnx"]
            for file, content in zip(files, (model, without_function(model)), strict=True):
                file.write_bytes(content)
            measured = measure(python, files, args.pairs)
            for i, figure in enumerate(_FIGURES):
                whole, inlined = ([turn[i] for turn in turns] for turns in measured)
                ratio = statistics.median(a / b for a, b in zip(whole, inlined, strict=True))
                least = " | ".join(f"{statistics.median(values):.1f}" for values in (whole, inlined))
                print(
                    f"| {title} | {figure} | {least} | {ratio:.2f} | {'' if i else f'{MOST:g}'} |", flush=True
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
