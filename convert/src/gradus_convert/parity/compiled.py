"""A compiled graph under onnxruntime, asked in small blocks on every core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import onnxruntime

__all__ = ["Compiled"]

_BLOCK = 96
_CHUNK = 16 * _BLOCK
_THREADS = min(4, os.cpu_count() or 1)
_AHEAD = 2 * _THREADS


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
            Which rows, at most 1536, and the outputs for them.
        """

        def chunk(start: int) -> list[npt.NDArray[np.generic]]:
            parts = []
            for i in range(start, min(start + _CHUNK, len(X)), _BLOCK):
                rows = np.ascontiguousarray(X[i : min(i + _BLOCK, start + _CHUNK)])
                parts.append(self._session.run(list(outputs), {self._input: rows}))
            return [np.concatenate(p) for p in zip(*parts, strict=True)]

        starts = range(0, len(X), _CHUNK)
        with ThreadPoolExecutor(_THREADS) as threads:
            pending = deque(threads.submit(chunk, s) for s in starts[:_AHEAD])
            for i, start in enumerate(starts):
                done = pending.popleft().result()
                if i + _AHEAD < len(starts):
                    pending.append(threads.submit(chunk, starts[i + _AHEAD]))
                yield slice(start, min(start + _CHUNK, len(X))), done
