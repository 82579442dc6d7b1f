"""Running compiled graphs in tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort


def session(model: bytes, threads: int = 1) -> ort.InferenceSession:
    """Open a model as the runtime does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(model: bytes, rows: np.ndarray, *, name: str = "features") -> dict[str, Any]:
    """All outputs of a model, by name."""
    opened = session(model)
    names = [o.name for o in opened.get_outputs()]
    return dict(zip(names, opened.run(None, {name: rows}), strict=True))
