"""What the function of a file costs where onnxruntime alone loads it, against the same graph without it.

    python -m benchmarks.plain_load

Both graphs have the same operators and tables: in one the walk is the function's body, in the other the
body stands in the place of the call. Processor time of opening a session by onnxruntime's default options
(with one thread), in fresh processes, in turns; each figure is the median, the ratio the median of the
ratios of a turn. Nothing of gradus is imported there.
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

_LOAD = """
import sys, time
import onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = 1
before = time.process_time()
ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print(time.process_time() - before)
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


def measure(python: Path, files: Sequence[Path], pairs: int) -> list[list[float]]:
    """Return the seconds that each file takes to load, a figure a turn.

    Args:
        python: Interpreter to run in.
        files: ONNX files.
        pairs: Turns that count; the one before them fills the system's caches.
    """
    found: list[list[float]] = [[] for _ in files]
    for _ in range(pairs + 1):
        for seconds, file in zip(found, files, strict=True):
            command = [str(python), "-c", _LOAD, str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
            seconds.append(float(done.stdout))
    return [seconds[1:] for seconds in found]


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
    print("| load on onnxruntime alone | with the function, ms | without, ms | ratio | at most |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, model in (graphs or _graphs(folder)).items():
            files = [folder / "function.onnx", folder / "inlined.onnx"]
            for file, content in zip(files, (model, without_function(model)), strict=True):
                file.write_bytes(content)
            whole, inlined = measure(python, files, args.pairs)
            ratio = statistics.median(a / b for a, b in zip(whole, inlined, strict=True))
            figures = " | ".join(f"{statistics.median(seconds) * 1e3:.1f}" for seconds in (whole, inlined))
            print(f"| {title} | {figures} | {ratio:.2f} | {MOST:g} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
