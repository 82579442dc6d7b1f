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
from threadpoolctl import threadpool_info, threadpool_limits

from gradus_convert.graphs import LevelGraph
from gradus_runtime.contracts.graph import INPUT, PROBABILITIES
from gradus_runtime.sessions.onnx_session import open_session

__all__ = ["Compiled", "SingleRows", "ahead", "fewer_library_threads", "slices"]

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

    def run(
        self, X: npt.NDArray[np.float32], *outputs: str, block: int = _BLOCK
    ) -> list[npt.NDArray[np.generic]]:
        """Compute outputs of rows; from any number of threads.

        Args:
            X: float32 [N, F], N at least 1.
            outputs: Their names.
            block: Rows asked for at once.
        """
        parts = []
        for i in range(0, len(X), block):
            rows = np.ascontiguousarray(X[i : i + block])
            parts.append(self._session.run(list(outputs), {self._input: rows}))
        return [np.concatenate(p) for p in zip(*parts, strict=True)]


class SingleRows:
    """A graph as the runtime opens it for single rows: it may have a part for them.

    Args:
        graph: To be published.
    """

    def __init__(self, graph: LevelGraph) -> None:
        self._opened = open_session(graph.model_bytes, graph.encoding, 1, one_row=True)

    def run(self, X: npt.NDArray[np.float32]) -> list[npt.NDArray[np.generic]]:
        """Return the probabilities of rows asked for one by one, and the labels the runtime sees in them."""
        run = self._opened.session.run
        probabilities = np.concatenate([run([PROBABILITIES], {INPUT: row[None]})[0] for row in X])
        return [probabilities, probabilities.argmax(axis=1)]


def slices(count: int, size: int = _CHUNK) -> Iterator[slice]:
    """Cut this many rows into pieces that are worth a task each."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


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


def fewer_library_threads() -> threadpool_limits:
    """A context where libraries use the OpenMP threads `ahead` leaves: one at least, never more than now.

    More of them and those of `ahead` would wait for each other.
    """
    allowed = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]
    return threadpool_limits(min([max(1, (os.cpu_count() or 1) - _THREADS), *allowed]), "openmp")
