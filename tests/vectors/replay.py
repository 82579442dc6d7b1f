"""Score the shared vectors with whatever onnxruntime is installed, and count the bits that differ.

    python tests/vectors/replay.py [--file FILE] [--provider CUDAExecutionProvider] [--only-rows N] [--flush]
    python tests/vectors/replay.py --kernel LIBRARY [--file FILE] [--only-rows N]

A script that needs onnxruntime and numpy alone; with `--kernel`, which lets a native library walk the trees,
gradus-runtime as well. It prints a JSON object, and ends with 1 where a bit differs.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

__all__ = ["replay", "ways"]

SINGLE_ROWS = 300
"""So many rows of a case are also asked for one by one."""


def ways(rows: int) -> Iterator[tuple[str, dict[str, Any], int, int]]:
    """Ways to ask: what each is called, its options, the rows asked for at once, and how many in all."""
    plain = {"graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL}
    yield "one row", plain, 1, min(rows, SINGLE_ROWS)
    for block in (2, 7, 88, rows):
        yield f"blocks of {block}", plain, block, rows
    for name in ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"):
        options = {
            "graph_optimization_level": getattr(ort.GraphOptimizationLevel, name),
            "intra_op_num_threads": 4,
        }
        yield f"{name}, 4 threads", options, rows, rows
    parallel = {"execution_mode": ort.ExecutionMode.ORT_PARALLEL, "inter_op_num_threads": 4}
    yield "ORT_PARALLEL", parallel, 250, rows


def kernel_ways(rows: int) -> Iterator[tuple[str, dict[str, Any], int, int]]:
    """Ways to ask a session with a kernel: as `ways`, with the options of `open_session`."""
    yield "one row", {"one_row": True}, 1, min(rows, SINGLE_ROWS)
    for block in (2, 7, 88, 300, rows):
        yield f"blocks of {block}", {}, block, rows


def flush_subnormal_numbers(model: bytes) -> None:
    """Take subnormal numbers for 0 from here on: the first session of a process decides for its threads."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    if not _flushed():
        raise SystemExit("this onnxruntime does not take subnormal numbers for 0 here")


def _flushed() -> bool:
    return float(np.float32(1e-45) * np.float32(1)) == 0


def replay(
    file: Path, provider: str, limit: int | None, kernel: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return, for each case, how many bits were compared, and what differs by the way of asking.

    Where subnormal numbers are taken for 0, rows that hold one are left out: they are other rows then.
    """
    found: dict[str, dict[str, Any]] = {}
    for case in json.loads(gzip.decompress(file.read_bytes()))["cases"]:
        model = base64.b64decode(case["model"])
        values, codes, expected = (
            np.frombuffer(base64.b64decode(case[key]), kind)
            for key, kind in (("values", "<f4"), ("codes", np.uint8), ("expected", "<f4"))
        )
        X = values[codes.reshape(case["rows"], case["features"])][:limit]
        expected = expected.reshape(case["rows"], case["classes"])[:limit].view(np.uint32)
        if _flushed():
            exponents = np.ascontiguousarray(X).view(np.uint32) & np.uint32(0x7FFFFFFF)
            whole = ((exponents == 0) | (exponents >= np.uint32(0x00800000))).all(axis=1)
            X, expected = X[whole], expected[whole]
        result: dict[str, Any] = {"compared": 0, "different": 0, "ways": {}}
        for name, options, block, count in (kernel_ways if kernel else ways)(len(X)):
            if kernel:
                got = _ask_kernel(kernel, model, options, X[:count], block)
            else:
                got = _ask(_open(model, options, provider), X[:count], block)
            wrong = int((got.view(np.uint32) != expected[:count]).sum())
            result["compared"] += got.size
            result["different"] += wrong
            if wrong:
                result["ways"][name] = wrong
        found[case["name"]] = result
    return found


def _open(model: bytes, options: dict[str, Any], provider: str) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = 1
    for key, value in options.items():
        setattr(settings, key, value)
    session = ort.InferenceSession(model, settings, providers=[provider])
    if session.get_providers()[0] != provider:
        raise SystemExit(f"onnxruntime cannot use {provider} here; it has {ort.get_available_providers()}")
    return session


def _ask_kernel(library: str, model: bytes, options: dict[str, Any], X: np.ndarray, block: int) -> np.ndarray:
    from gradus_runtime.sessions.kernels import Kernel
    from gradus_runtime.sessions.onnx_session import open_session

    opened = open_session(model, "compact", 1, kernel=Kernel(library, ""), **options)
    if opened.walk != "kernel":
        raise SystemExit(f"the kernel does not walk: {opened.kernel_problem}")
    return _ask(opened.session, X, block)


def _ask(session: Any, X: np.ndarray, block: int) -> np.ndarray:
    parts = [
        session.run(["probabilities"], {"features": np.ascontiguousarray(X[i : i + block])})[0]
        for i in range(0, len(X), block)
    ]
    return np.concatenate(parts)


def main() -> int:
    """Replay and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name("vectors.json.gz"))
    parser.add_argument(
        "--provider", default="CPUExecutionProvider", help="of onnxruntime (default: the CPU)"
    )
    parser.add_argument("--only-rows", type=int, help="of each case, where the machine is slow")
    parser.add_argument("--flush", action="store_true", help="take subnormal numbers for 0 in all threads")
    parser.add_argument("--kernel", help="the library of gradus-kernels that walks the trees")
    arguments = parser.parse_args()
    if arguments.flush:
        (first, *_) = json.loads(gzip.decompress(arguments.file.read_bytes()))["cases"]
        flush_subnormal_numbers(base64.b64decode(first["model"]))
    cases = replay(arguments.file, arguments.provider, arguments.only_rows, arguments.kernel)
    total = {key: sum(case[key] for case in cases.values()) for key in ("compared", "different")}
    facts = {
        "onnxruntime": ort.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "provider": arguments.provider,
        "flushed": arguments.flush,
        "kernel": arguments.kernel is not None,
    }
    print(json.dumps({**facts, **total, "cases": cases}))
    return int(total["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
