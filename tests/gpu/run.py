"""Ask a GPU: the bits of the shared vectors, rows a second, and the operators that fall back to the CPU.

    python tests/gpu/run.py [--provider CUDAExecutionProvider] [--model FILE.onnx] [--seconds 5]

A script that needs onnxruntime-gpu and numpy alone. It prints a JSON object, and ends with 1 where a bit
differs without TF32, and with 3 where onnxruntime does not use the provider here.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

__all__ = ["bits", "fallbacks", "main", "speed"]

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "vectors.json.gz"
BLOCKS = (1_024, 16_384, 65_536)


def open_on(provider: str, model: bytes, *, tf32: bool = False, profile: Path | None = None) -> Any:
    """Open a session on a provider, as gradus-runtime does; end the script where it is not used."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    settings = {"use_tf32": str(int(tf32))} if provider == "CUDAExecutionProvider" else {}
    providers = {provider: settings, "CPUExecutionProvider": {}}
    session = ort.InferenceSession(model, options, providers=list(providers.items()), enable_fallback=False)
    if provider not in session.get_providers():
        print(
            f"onnxruntime {ort.__version__} does not use {provider} here: {session.get_providers()}",
            file=sys.stderr,
        )
        raise SystemExit(3)
    return session


def cases(file: Path) -> list[tuple[str, bytes, np.ndarray, np.ndarray]]:
    """Return the shared vectors: name, graph, rows float32 [N, F], answers float32 [N, C]."""
    found = []
    for case in json.loads(gzip.decompress(file.read_bytes()))["cases"]:
        values, codes, expected = (
            np.frombuffer(base64.b64decode(case[key]), kind)
            for key, kind in (("values", "<f4"), ("codes", np.uint8), ("expected", "<f4"))
        )
        rows = values[codes.reshape(case["rows"], case["features"])]
        model = base64.b64decode(case["model"])
        found.append((case["name"], model, rows, expected.reshape(case["rows"], case["classes"])))
    return found


def bits(provider: str, file: Path, *, tf32: bool) -> dict[str, Any]:
    """Count the numbers that differ in any bit, and by how much at most."""
    different: dict[str, int] = {}
    compared, most = 0, 0.0
    for name, model, rows, expected in cases(file):
        session = open_on(provider, model, tf32=tf32)
        for block in (len(rows), 1):
            count = len(rows) if block > 1 else min(len(rows), 50)
            got = np.concatenate(
                [
                    session.run(["probabilities"], {"features": np.ascontiguousarray(rows[i : i + block])})[0]
                    for i in range(0, count, block)
                ]
            )
            wrong = got.view(np.uint32) != expected[:count].view(np.uint32)
            compared += got.size
            most = max(most, float(np.abs(got.astype(np.float64) - expected[:count]).max()))
            if wrong.any():
                different[f"{name}, blocks of {block}"] = int(wrong.sum())
    return {
        "compared": compared,
        "different": sum(different.values()),
        "most": most,
        "where": different,
    }


def speed(provider: str, model: bytes, rows: np.ndarray, seconds: float) -> dict[str, float]:
    """Return rows a second by the size of a block, copies to the device and back included."""
    session = open_on(provider, model)
    found = {}
    for block in BLOCKS:
        parts = np.ascontiguousarray(rows[np.arange(block) % len(rows)])
        session.run(["probabilities"], {"features": parts})  # the first run takes memory
        began, done = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < seconds:
            session.run(["probabilities"], {"features": parts})
            done += block
        found[str(block)] = round(done / took)
    return found


def fallbacks(provider: str, model: bytes, rows: np.ndarray) -> dict[str, dict[str, int]]:
    """Return for each provider which operators ran on it, and how many of each."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_on(provider, model, profile=Path(folder) / "profile")
        session.run(["probabilities"], {"features": np.ascontiguousarray(rows[:64])})
        events: Sequence[Mapping[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event for event in events if event.get("cat") == "Node" and "provider" in event["args"]]
    counts = Counter((event["args"]["provider"], event["args"]["op_name"]) for event in nodes)
    found: dict[str, dict[str, int]] = {}
    for (where, operator), count in sorted(counts.items()):
        found.setdefault(where, {})[operator] = count
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--provider", default="CUDAExecutionProvider", help="of onnxruntime")
    parser.add_argument("--file", type=Path, default=VECTORS, help="the shared vectors")
    parser.add_argument(
        "--model", type=Path, help="a level of a version, for the times; by default the largest vector"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each size of a block")
    chosen = parser.parse_args(arguments)
    _, model, rows, _ = max(cases(chosen.file), key=lambda case: len(case[1]))
    if chosen.model is not None:
        model = chosen.model.read_bytes()
        width = open_on(chosen.provider, model).get_inputs()[0].shape[1]
        rows = np.random.default_rng(0).normal(size=(4096, width)).astype(np.float32)
    exact = bits(chosen.provider, chosen.file, tf32=False)
    found = {
        "onnxruntime": ort.__version__,
        "numpy": np.__version__,
        "provider": chosen.provider,
        "bits": exact,
        "bits with TF32": bits(chosen.provider, chosen.file, tf32=True),
        "rows a second": speed(chosen.provider, model, rows, chosen.seconds),
        "operators": fallbacks(chosen.provider, model, rows),
    }
    print(json.dumps(found, indent=2))
    return int(exact["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
