"""A compiled graph under onnxruntime, asked in small blocks on every core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime

__all__ = ["Compiled", "ahead", "slices"]

_BLOCK = 96
_CHUNK = 16 * _BLOCK
_THREADS = min(4, os.cpu_count() or 1)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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

    def run(self, X: npt.NDArray[np.float32], *outputs: str) -> list[npt.NDArray[np.generic]]:
        """Compute outputs of rows; from any number of threads.

        Args:
            X: float32 [N, F], N at least 1.
            outputs: Their names.
        """
        parts = []
        for i in range(0, len(X), _BLOCK):
            rows = np.ascontiguousarray(X[i : i + _BLOCK])
            parts.append(self._session.run(list(outputs), {self._input: rows}))
        return [np.concatenate(p) for p in zip(*parts, strict=True)]


def slices(count: int) -> Iterator[slice]:
    """Cut this many rows into pieces that are worth a task each."""
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))


def ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], depth: int = 2 * _THREADS
) -> Iterator[tuple[_Item, _Result]]:
    """Yield items and their results in order, computed on other threads while the caller goes on.

    Args:
        function: What to compute.
        items: Asked for as results are taken.
        depth: How many items may be under way.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        pending: deque[tuple[_Item, Future[_Result]]] = deque()
        for item in items:
            pending.append((item, threads.submit(function, item)))
            if len(pending) > depth:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()
