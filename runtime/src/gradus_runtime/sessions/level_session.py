"""A level's graph in service: one row on fixed buffers, and blocks of rows within a memory budget."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from gradus_runtime.contracts import graph
from gradus_runtime.contracts.manifest import Level
from gradus_runtime.rows.base import Float32
from gradus_runtime.sessions.memory import trim
from gradus_runtime.sessions.onnx_session import OnnxSession, open_session

__all__ = ["DEFAULT_MEMORY_BUDGET", "LevelSession", "RowBuffer", "block_rows"]

DEFAULT_MEMORY_BUDGET = 3 << 20
"""Bytes that scoring a batch may take for intermediate tensors: 88 rows of 1,400 trees at a time."""

BYTES_PER_TREE = 25
"""Intermediate bytes a tree of the compact encoding takes for a row: 34 KB a row at 1,400 trees, measured."""

MIN_BLOCK, MAX_BLOCK = 16, 2048


def block_rows(level: Level, features: int, memory_budget: int) -> int:
    """Return how many rows are scored at once within a memory budget in bytes; at least 16, at most 2,048."""
    trees = sum(member.trees for member in level.members)
    per_row = 4 * features + 64 * len(level.members)
    if level.encoding == "compact":
        per_row += BYTES_PER_TREE * trees
    rows = memory_budget // per_row
    return max(MIN_BLOCK, min(MAX_BLOCK, rows - rows % 8))


class LevelSession:
    """A level's graph, which scores float32 [n, F] without NaN or infinity.

    Single rows and tables may have an onnxruntime session each (see `one_row_graph`): that for tables is
    opened when the first table comes. Safe for any number of threads: one-row buffers are
    borrowed from a list, `idle`, and given back.

    Args:
        model: The graph, verified by the caller.
        level: The level, as the manifest has it.
        width: F, the number of its features.
        classes: C, the number of classes.
        threads: For a batch: they share its blocks (compact encoding), or the work of an operator (others).
        block: Rows scored at once.
        prove: Called with each session before it serves; raises if it must not.
    """

    def __init__(
        self,
        model: bytes,
        level: Level,
        *,
        width: int,
        classes: int,
        threads: int,
        block: int,
        prove: Callable[[OnnxSession], None],
    ) -> None:
        self._single = open_session(model, level.encoding, threads, one_row=True)
        prove(self._single)
        self._open = partial(open_session, model, level.encoding, threads) if self._single.one_row else None
        self._many: OnnxSession | None = None
        self._prove = prove
        self._lock = threading.Lock()
        self._width = width
        self._classes = classes
        self.block = block
        self._workers = threads if level.encoding == "compact" else 1
        self.idle: list[RowBuffer] = []

    @property
    def has_table_session(self) -> bool:
        """Whether a session for tables alone is open."""
        return self._many is not None

    def for_tables(self) -> OnnxSession:
        """Return the session for tables, opening and proving it if need be.

        Raises:
            Exception: onnxruntime refuses the graph, or it must not serve.
        """
        with self._lock:
            if self._open is None:
                return self._single
            if self._many is None:
                many = self._open()
                self._prove(many)
                self._many = many
                trim()  # opening took several times what stays
            return self._many

    def release_tables(self) -> None:
        """Close the session for tables alone; it is opened again when needed."""
        with self._lock:
            self._many = None

    def borrow(self) -> RowBuffer:
        """Return buffers for one row, nobody else's until `give_back`."""
        try:
            return self.idle.pop()
        except IndexError:
            return RowBuffer(self._single.session, self._width, self._classes)

    def give_back(self, cell: RowBuffer) -> None:
        """Return what was borrowed."""
        self.idle.append(cell)

    def score(self, features: Float32, out: Float32) -> None:
        """Write the probabilities of `features` [n, F], C order, into `out` [n, C], a block at a time."""
        if len(features) == 1:
            cell = self.borrow()
            cell.features[:] = features[0]
            out[0] = cell.run()
            self.give_back(cell)
        elif self._workers == 1 or len(features) <= self.block:
            self._score_blocks(features, out, self.block)
        else:
            self._score_together(features, out)

    def _score_together(self, features: Float32, out: Float32) -> None:
        starts = iter(range(0, len(features), self.block))
        failures: list[Exception] = []

        def work() -> None:
            try:
                self._score_blocks(features, out, self.block, starts)
            except Exception as e:  # raised in the caller's thread, below
                failures.append(e)

        helpers = [threading.Thread(target=work, daemon=True) for _ in range(self._workers - 1)]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
        if failures:
            raise failures[0]

    def _score_blocks(
        self, features: Float32, out: Float32, block: int, starts: Iterator[int] | None = None
    ) -> None:
        opened = self.for_tables()  # which holds what the session uses
        run = opened.session.run
        for start in starts or range(0, len(features), block):
            stop = min(start + block, len(features))
            (out[start:stop],) = run([graph.PROBABILITIES], {graph.INPUT: features[start:stop]})


class RowBuffer:
    """Fixed buffers for one row, bound to the session: saves half of what `run` costs.

    Attributes:
        features: float32 [F]: write the row here,
        bytes: or here, as bytes.
    """

    __slots__ = ("_answer", "_bound", "_keep", "_score", "_unpack", "bytes", "features")

    def __init__(self, session: Any, width: int, classes: int) -> None:
        features = np.zeros((1, width), np.float32)
        probabilities = np.zeros((1, classes), np.float32)
        binding = session.io_binding()
        binding.bind_ortvalue_input(graph.INPUT, ort.OrtValue.ortvalue_from_numpy(features))
        binding.bind_ortvalue_output(graph.PROBABILITIES, ort.OrtValue.ortvalue_from_numpy(probabilities))
        self._keep = (session, binding)
        try:  # what `run_with_iobinding` calls, 3 us sooner
            self._score, self._bound = session._sess.run_with_iobinding, binding._iobinding
        except AttributeError:
            self._score, self._bound = session.run_with_iobinding, binding
        self._answer = probabilities.data.cast("B")
        self._unpack = struct.Struct(f"{classes}f").unpack_from
        self.features = features[0]
        self.bytes = features.data.cast("B")

    def run(self) -> tuple[float, ...]:
        """Score what is in `features` and return the probabilities, by class."""
        self._score(self._bound, None)
        return self._unpack(self._answer)
