"""What a model costs in a fresh process: peak memory, time to load, time of a row. Run as a script.

It imports what opens the model and nothing else: the figures are those of a process that only serves.
"""

# ruff: noqa: E402  the clock starts before anything else is imported

from __future__ import annotations

import time

STARTED = time.perf_counter()

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 200
BATCH = 1000
BATCHES = 5
BLOCK = 96

Opened = tuple[list[tuple[str, int, str]], Callable[[dict[str, Any]], Any]]
"""The inputs, each a name, its columns and their type; and what answers them."""


def main(opener_name: str, path: str) -> None:
    """Print one JSON object; the fields are those of `measure.Cost`, null for what cannot be asked."""
    opener = OPENERS[opener_name](path)
    started = time.perf_counter()
    opened = opener()
    load = time.perf_counter() - started
    row = batch = None
    if opened is not None:
        inputs, answer = opened
        random = np.random.default_rng(0)
        rows = {name: random.normal(size=(BATCH, width)).astype(kind) for name, width, kind in inputs}
        one = {name: values[:1] for name, values in rows.items()}
        answer(one)
    first = time.perf_counter() - STARTED
    if opened is not None:
        row = _median([_timed(answer, one) for _ in range(REPEATS)])
        batch = _median([_timed(answer, rows) for _ in range(BATCHES)]) / BATCH
    facts = {"start_seconds": first, "load_seconds": load, "row_seconds": row, "batch_seconds": batch}
    print(json.dumps({"peak_bytes": peak()} | facts))


def _timed(answer: Callable[[dict[str, Any]], Any], rows: dict[str, Any]) -> float:
    started = time.perf_counter()
    answer(rows)
    return time.perf_counter() - started


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _onnx(path: str) -> Callable[[], Opened | None]:
    return _session(path, plain=True)


def _compact(path: str) -> Callable[[], Opened | None]:
    return _session(path, plain=False)


_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def _session(path: str, *, plain: bool) -> Callable[[], Opened | None]:
    """Open an ONNX file with one thread; in the compact encoding as docs/encodings.md says."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not plain:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def opened() -> Opened | None:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        ends = session.get_inputs()
        if not all(e.type in _TYPES and len(e.shape) == 2 and type(e.shape[1]) is int for e in ends):
            return None

        def answer(rows: dict[str, Any]) -> Any:
            count = len(next(iter(rows.values())))
            if plain or count <= BLOCK:
                return session.run(None, rows)
            for i in range(0, count, BLOCK):
                session.run(None, {name: values[i : i + BLOCK] for name, values in rows.items()})
            return None

        return [(e.name, e.shape[1], _TYPES[e.type]) for e in ends], answer

    return opened


def _lightgbm(path: str) -> Callable[[], Opened]:
    import lightgbm

    def opened() -> Opened:
        booster = lightgbm.Booster(model_file=path)
        return _one(booster.num_feature(), lambda X: booster.predict(X, num_threads=1))

    return opened


def _xgboost(path: str) -> Callable[[], Opened]:
    import xgboost

    def opened() -> Opened:
        booster = xgboost.Booster({"nthread": 1}, model_file=path)
        width = booster.num_features()
        return _one(width, lambda X: booster.inplace_predict(X, validate_features=False))

    return opened


def _catboost(path: str) -> Callable[[], Opened]:
    import catboost

    def opened() -> Opened:
        model = catboost.CatBoost()
        model.load_model(path, format="json" if path.endswith(".json") else "cbm")
        return _one(len(model.feature_names_), lambda X: model.predict(X, thread_count=1))

    return opened


def _sklearn(path: str) -> Callable[[], Opened]:
    import warnings

    import skops.io

    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    allowed = skops.io.get_untrusted_types(file=path)  # what compiled it has audited the file

    def opened() -> Opened:
        model = skops.io.load(path, trusted=allowed)
        return _one(model.n_features_in_, getattr(model, "predict_proba", model.predict))

    return opened


def _one(width: int, answer: Callable[[Any], Any]) -> Opened:
    return [("X", width, "float32")], lambda rows: answer(rows["X"])


OPENERS: dict[str, Callable[[str], Callable[[], Opened | None]]] = {
    "onnx": _onnx,
    "compact": _compact,
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
    "sklearn": _sklearn,
}


def peak() -> int:
    """Return the peak memory of this process in bytes.

    Linux counts what the process held before it became this one into `ru_maxrss`, but not into `VmHWM`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
