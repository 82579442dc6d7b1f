"""A compiled graph under onnxruntime, asked in small blocks on every core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import onnxruntime

__all__ = ["Compiled"]

_BLOCK = 96
_CHUNK = 32 * _BLOCK


class Compiled:
    """A session on a graph's bytes.

    Args:
        model_bytes: The graph.
    """

    def __init__(self, model_bytes: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(
        self, X: npt.NDArray[np.float32], *outputs: str
    ) -> Iterator[tuple[slice, list[npt.NDArray[np.generic]]]]:
        """Compute outputs of many rows, in order.

        Args:
            X: float32 [N, F].
            outputs: Their names.

        Yields:
            Which rows, at most 3072, and the outputs for them.
        """

        def block(start: int) -> list[npt.NDArray[np.generic]]:
            rows = {self._input: np.ascontiguousarray(X[start : start + _BLOCK])}
            return list(self._session.run(list(outputs), rows))

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
            for chunk in range(0, len(X), _CHUNK):
                end = min(chunk + _CHUNK, len(X))
                parts = list(threads.map(block, range(chunk, end, _BLOCK)))
                yield slice(chunk, end), [np.concatenate(p) for p in zip(*parts, strict=True)]
