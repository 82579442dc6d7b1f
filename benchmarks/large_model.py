"""One model of millions of nodes: what it takes to compile, prove, load and ask it, against stock.

    python -m benchmarks.large_model
    python -m benchmarks.large_model --nodes 1000000 --json large.json

A forest of scikit-learn, grown to the last row of noise. Each step runs in a process of its own, whose peak
memory is taken. "Stock" is what skl2onnx makes of the same forest. What loads and asks the two files runs in
turns, with one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gradus_convert.compilation.measure import Cost, measure
from gradus_convert.compilation.measure_session import peak
from gradus_convert.parity.model_proof import ModelProof

__all__ = ["main"]

_ROWS, _COLUMNS, _CLASSES = 60_000, 20, 3
_MODEL, _OURS, _STOCK = "model.joblib", "compact.onnx", "stock.onnx"


def main(arguments: list[str] | None = None) -> int:
    """Fit, compile, convert and measure; print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_model", description=__doc__)
    parser.add_argument("--nodes", type=int, default=5_000_000, help="of all trees together, about")
    parser.add_argument("--processes", type=int, default=3, help="that load each file; medians are shown")
    parser.add_argument("--proof", choices=("full", "quick", "off"), default="full")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--step", choices=tuple(_STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(_STEPS[options.step](options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = {step: _apart(step, folder, options) for step in _STEPS}
        costs = measure(
            [("compact", Path(folder, _OURS)), ("onnx", Path(folder, _STOCK))], processes=options.processes
        )
    print(_table(found, costs))
    if options.json:
        served = {name: vars_of(cost) for name, cost in zip(("compact", "stock"), costs, strict=True)}
        options.json.write_text(json.dumps({**found, "served": served}, indent=1) + "\n")
    return 0


def vars_of(cost: Cost) -> dict[str, float | None]:
    """The fields of a cost, by name."""
    return {name: getattr(cost, name) for name in cost.__slots__}


def _apart(step: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a step in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.large_model", "--step", step, "--folder", folder]
    command += ["--nodes", str(options.nodes), "--proof", options.proof]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _fit(options: argparse.Namespace) -> dict[str, Any]:
    import joblib
    from sklearn.ensemble import ExtraTreesClassifier

    random = np.random.default_rng(0)
    X = random.normal(size=(_ROWS, _COLUMNS)).astype(np.float32)
    y = random.integers(0, _CLASSES, _ROWS)
    rows = min(_ROWS, max(50, options.nodes))
    model = ExtraTreesClassifier(1, max_features=1, random_state=0, warm_start=True).fit(X[:rows], y[:rows])
    trees = max(1, round(options.nodes / model.estimators_[0].tree_.node_count))
    if trees > 1:
        model.set_params(n_estimators=trees).fit(X[:rows], y[:rows])
    joblib.dump(model, options.folder / _MODEL)
    nodes = sum(e.tree_.node_count for e in model.estimators_)
    return {"trees": trees, "nodes": nodes, "depth": max(e.tree_.max_depth for e in model.estimators_)}


def _compile(options: argparse.Namespace) -> dict[str, Any]:
    import joblib

    import gradus_convert

    model, before = joblib.load(options.folder / _MODEL), peak()
    cpu, wall = time.process_time(), time.perf_counter()
    compiled = gradus_convert.compile(model, proof=options.proof, encoding="compact")
    took = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    compiled.save(options.folder / _OURS)
    proof = compiled.proof
    trees = proof if isinstance(proof, ModelProof) else None
    checked = {} if trees is None else {"leaf_checks": trees.leaf_checks, "wrong": trees.wrong_leaves}
    return took | {"model_bytes": before, "peak_bytes": peak(), "bits": compiled.bits} | checked


def _stock(options: argparse.Namespace) -> dict[str, Any]:
    import joblib
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    model, before = joblib.load(options.folder / _MODEL), peak()
    cpu, wall = time.process_time(), time.perf_counter()
    types = [("features", FloatTensorType([None, _COLUMNS]))]
    made = skl2onnx.to_onnx(model, initial_types=types, options={"zipmap": False})
    took = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    (options.folder / _STOCK).write_bytes(made.SerializeToString())
    return took | {"model_bytes": before, "peak_bytes": peak()}


_STEPS = {"fit": _fit, "compile": _compile, "stock": _stock}


def _table(found: dict[str, dict[str, Any]], costs: list[Cost]) -> str:
    fitted, made = found["fit"], (found["compile"], found["stock"])
    lines = [
        f"{fitted['trees']} trees, {fitted['nodes']:,} nodes, {fitted['depth']} levels; "
        f"{found['compile'].get('leaf_checks', 0):,} leaves compared, "
        f"{found['compile'].get('wrong', 0)} differ",
        "",
        "| | gradus compile | stock ONNX |",
        "| --- | --- | --- |",
    ]

    def line(name: str, values: list[float | None], unit: str, digits: int) -> None:
        cells = ["-" if v is None else f"{v:,.{digits}f} {unit}" for v in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")

    line("made, processor time", [m["cpu_seconds"] for m in made], "s", 1)
    line(
        "made, peak memory over the model's",
        [_mib(m["peak_bytes"] - m["model_bytes"]) for m in made],
        "MiB",
        0,
    )
    line("file", [_mib(c.file_bytes) for c in costs], "MiB", 1)
    line("load", [c.load_seconds for c in costs], "s", 2)
    line("peak memory of a process that serves", [_mib(c.peak_bytes) for c in costs], "MiB", 0)
    line("one row", [None if c.row_seconds is None else c.row_seconds * 1e6 for c in costs], "us", 0)
    line(
        "a row of 1,000", [None if c.batch_seconds is None else c.batch_seconds * 1e6 for c in costs], "us", 1
    )
    return "\n".join(lines)


def _mib(size: float) -> float:
    return size / 2**20


if __name__ == "__main__":
    raise SystemExit(main())
