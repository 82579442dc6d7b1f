"""What a model costs in a fresh process: peak memory, time to load, time of one row. Run as a script.

It imports onnxruntime and numpy alone, so that the figures are those of a process that only serves.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

REPEATS = 200


def main(path: str) -> None:
    """Print one JSON object: `peak_bytes`, `load_seconds`, `row_seconds` (null if an input is no float)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    started = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - started
    row = None
    inputs = session.get_inputs()
    if all(i.type == "tensor(float)" and all(isinstance(d, int) for d in i.shape[1:]) for i in inputs):
        feed = {i.name: np.zeros((1, *i.shape[1:]), np.float32) for i in inputs}
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - started)
        row = sorted(times)[REPEATS // 2]
    print(json.dumps({"peak_bytes": peak(), "load_seconds": load, "row_seconds": row}))


def peak() -> int:
    """Return the peak memory of this process in bytes.

    Linux counts what the process held before it became this one into `ru_maxrss`, but not into `VmHWM`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1])
