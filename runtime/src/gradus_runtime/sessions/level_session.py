"""A level's graph in service: one row on fixed buffers, and blocks of rows within a memory budget."""

from __future__ import annotations

import struct
from _thread import LockType, allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any, TypeAlias

import numpy as np

from gradus_runtime.contracts import graph
from gradus_runtime.contracts.manifest import Level
from gradus_runtime.errors import let_signals_through
from gradus_runtime.lock import SafeLock
from gradus_runtime.rows.base import Float32
from gradus_runtime.sessions import forking
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.library import ort
from gradus_runtime.sessions.memory import trim
from gradus_runtime.sessions.onnx_session import KERNEL, OnnxSession, open_session
from gradus_runtime.sessions.providers import CPU

__all__ = [
    "DEFAULT_MEMORY_BUDGET",
    "MAX_DEVICE_BLOCK",
    "Also",
    "LevelSession",
    "RowBuffer",
    "block_rows",
    "device_block_rows",
    "kernel_block_rows",
]

Also: TypeAlias = Callable[[int, int], None]

DEFAULT_MEMORY_BUDGET = 3 << 20
"""Bytes that scoring a batch may take for intermediate tensors: 88 rows of 1,400 trees at a time."""

BYTES_PER_TREE = 25
"""Intermediate bytes a tree of the compact encoding takes for a row: 34 KB a row at 1,400 trees, measured."""

BYTES_PER_KERNEL_ROW = 1024
"""Intermediate bytes of a row whose trees a kernel walks: those of the vote."""

MIN_BLOCK, MAX_BLOCK = 16, 2048
MIN_ALSO = 256
"""Threads that share fewer rows each do nothing else with them: calls cost more than small parts gain."""
KERNEL_BLOCK = 256
"""Rows that the kernel walks at once."""

DEVICE_BUDGET = 1 << 30
"""Bytes of a GPU's memory that a block may take, unless `memory_budget` is more."""
MAX_DEVICE_BLOCK = 1 << 16


def block_rows(level: Level, features: int, memory_budget: int) -> int:
    """Return how many rows are scored at once within a memory budget in bytes; at least 16, at most 2,048."""
    trees = sum(member.trees for member in level.members)
    per_row = 4 * features + 64 * len(level.members)
    if level.encoding == "compact":
        per_row += BYTES_PER_TREE * trees
    rows = memory_budget // per_row
    return max(MIN_BLOCK, min(MAX_BLOCK, rows - rows % 8))


def kernel_block_rows(level: Level, features: int, memory_budget: int, threads: int = 1) -> int:
    """Return how many rows are scored at once where a kernel walks: whole blocks of its, at most 2,048.

    With several threads one block: they take them in turn, and none waits long for another at the end.
    """
    if threads > 1:
        return KERNEL_BLOCK
    per_row = 4 * features + 64 * len(level.members) + BYTES_PER_KERNEL_ROW
    rows = min(MAX_BLOCK, memory_budget // per_row)
    return max(KERNEL_BLOCK, rows - rows % KERNEL_BLOCK)


def device_block_rows(level: Level, features: int, memory_budget: int) -> int:
    """Return how many rows a GPU scores at once: within 1 GiB, or the budget if that is more."""
    per_row = 4 * features + 64 * len(level.members) + BYTES_PER_TREE * sum(m.trees for m in level.members)
    rows = max(memory_budget, DEVICE_BUDGET) // per_row
    return max(MIN_BLOCK, min(MAX_DEVICE_BLOCK, rows - rows % 8))


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
        kernel: Walks the trees, where the graph has a walk and onnxruntime takes both.
        kernel_block: Rows scored at once then.
        provider: What runs the graph; on a GPU one session serves single rows and tables.

    Attributes:
        walk: What walks the trees, as in `OnnxSession`.
        kernel_problem: Why the kernel does not; likewise.
        provider: What runs the graph; likewise.
        remarks: What is to be logged of opening it.
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
        kernel: Kernel | None = None,
        kernel_block: int | None = None,
        provider: str = CPU,
    ) -> None:
        opening = partial(open_session, model, level.encoding, threads)
        if provider != CPU:
            opening = partial(opening, provider=provider)
        elif kernel is not None:
            opening = partial(opening, kernel=kernel)
        self._single = opening(one_row=True)
        self.remarks = self._single.remarks
        self.walk, self.kernel_problem = self._single.walk, self._single.kernel_problem
        self.provider = self._single.provider
        prove(self._single)
        self._open = opening if self._single.one_row else None
        self._many: OnnxSession | None = None
        self._prove = prove
        self._lock = SafeLock()
        self._opening = False
        self._made = 0
        self._running = 0
        on_cpu = provider == CPU  # a driver's context does not outlive a fork, like threads
        self._has_threads = not on_cpu or (threads > 1 and level.encoding != "compact")
        self._width = width
        self._classes = classes
        self._blocks = {KERNEL: kernel_block or block}
        self._block = block
        self.block = self._block_of(self._single)
        self._workers = threads if on_cpu and level.encoding == "compact" else 1
        self.idle: list[RowBuffer] = []

    def _block_of(self, opened: OnnxSession) -> int:
        return self._blocks.get(opened.walk, self._block)

    @property
    def has_table_session(self) -> bool:
        """Whether a session for tables alone is open."""
        return self._many is not None

    def for_tables(self) -> OnnxSession:
        """Return the session for tables, opening and proving it if need be.

        A signal handler that interrupts this thread while it opens that session gets the one for single rows.

        Raises:
            Exception: One of `library.FAULTS`: onnxruntime refuses the graph, or it must not serve.
        """
        with self._lock:
            if self._open is None or self._opening:
                return self._single
            if self._many is None:
                self._opening = True
                try:
                    with forking.opening(), np.errstate(all="ignore"):
                        many = self._open()
                        self._prove(many)
                    self._many = many
                    self.kernel_problem = self.kernel_problem or many.kernel_problem
                finally:
                    self._opening = False
                trim()  # opening took several times what stays
            return self._many

    def release_tables(self) -> None:
        """Close the session for tables alone; it is opened again when needed."""
        self._many = None

    def after_fork(self) -> bool:
        """In a forked child: make new locks; whether the session can be used here.

        It cannot if it has threads, or if another thread was using it.
        """
        self._lock = SafeLock()
        self._opening = False
        if self._has_threads or self._running or self._made != len(self.idle):
            forking.put_aside(self)
            return False
        return True

    def borrow(self) -> RowBuffer:
        """Return buffers for one row, nobody else's until `give_back`."""
        try:
            return self.idle.pop()
        except IndexError as e:  # all are lent
            let_signals_through(e)
        self._made += 1
        return RowBuffer(self._single, self._width, self._classes)

    def give_back(self, cell: RowBuffer) -> None:
        """Return what was borrowed."""
        self.idle.append(cell)

    def score(self, features: Float32, out: Float32, also: Also | None = None) -> None:
        """Write the probabilities of `features` [n, F], C order, into `out` [n, C], a block at a time.

        Args:
            features: The rows.
            out: Where the answers go.
            also: Work on rows `first` to `last`, which threads that share the rows do beside, each for a part
                of them. Not called where one thread scores all rows, or the parts are small.

        Raises:
            Exception: One of `library.FAULTS`.
        """
        if len(features) == 1:
            cell = self.borrow()
            try:
                cell.features[:] = features[0]
                out[0] = cell.run()
            finally:
                self.give_back(cell)
            return
        self._running += 1
        try:
            if self._workers == 1 or len(features) <= self.block:
                self._score_blocks(features, out, iter(range(0, len(features), self.block)), self.block)
            else:
                self._score_together(features, out, also)
        finally:
            self._running -= 1

    def _score_together(self, features: Float32, out: Float32, also: Also | None) -> None:
        """Share blocks among threads: whoever is free takes the next one, for cores are not equally fast."""
        count, workers = len(features), self._workers
        size = -(-count // -(-count // self.block))
        starts = iter(range(0, count, size))
        bounds = [count * i // workers for i in range(workers + 1)]
        failures: list[Exception] = []
        if bounds[1] < MIN_ALSO:
            also = None

        def work(number: int, ended: LockType) -> None:
            self._running += 1  # of its own: an exception of a signal handler ends the caller's wait
            try:
                if also is not None:
                    also(bounds[number], bounds[number + 1])
                self._score_blocks(features, out, starts, size)
            except Exception as e:  # raised in the caller's thread, below
                failures.append(e)
                _exhaust(starts)
            finally:
                self._running -= 1
                ended.release()

        ends = [allocate_lock() for _ in range(workers - 1)]
        for end in ends:
            end.acquire()
        started: list[int] = []
        try:
            try:  # not by `threading`, which waits until a thread runs: some 100 us that this one can use
                # Started and noted in one call: no signal gets in between.
                started.extend(map(start_new_thread, repeat(work), enumerate(ends, 1)))
            except RuntimeError as e:
                let_signals_through(e)  # the machine has no thread to give: those that run do the work
            if also is not None:
                # After a block: it asks for Python's lock often, and the helpers begin with it.
                self._score_blocks(features, out, islice(starts, 1), size)
                also(0, bounds[1])
            self._score_blocks(features, out, starts, size)
        finally:
            _exhaust(starts)  # where this thread was interrupted, the others stop
            for end, _ in zip(ends, started, strict=False):
                end.acquire()
        if failures:
            raise failures[0]

    def _score_blocks(self, features: Float32, out: Float32, starts: Iterator[int], size: int) -> None:
        opened = self.for_tables()  # which holds what the session uses
        run = opened.session.run
        step = 1 if opened.one_row else self._block_of(opened)
        for first in starts:
            last = min(first + size, len(features))
            for start in range(first, last, step):
                stop = min(start + step, last)
                (out[start:stop],) = run([graph.PROBABILITIES], {graph.INPUT: features[start:stop]})


def _exhaust(starts: Iterator[int]) -> None:
    deque(starts, maxlen=0)


class RowBuffer:
    """Fixed buffers for one row, bound to the session: avoids about half of the overhead of `run`.

    Attributes:
        features: float32 [F]: write the row here,
        bytes: or here, as bytes.
        below: bool [F], room for a guard's marks,
        above: and for more of them; `marked()` gives the bytes of both.
    """

    __slots__ = (
        *("_answer", "_bound", "_keep", "_score", "_unpack"),
        *("above", "below", "bytes", "features", "marked"),
    )

    def __init__(self, opened: OnnxSession, width: int, classes: int) -> None:
        features = np.zeros((1, width), np.float32)
        probabilities = np.zeros((1, classes), np.float32)
        if opened.provider == CPU:
            self._bind(opened.session, features, probabilities)
        else:
            self._copy(opened.session, features, probabilities)
        self._answer = probabilities.data.cast("B")
        self._unpack = struct.Struct(f"{classes}f").unpack_from
        marks = np.zeros((2, width), np.bool_)
        self.below, self.above = marks
        self.marked = marks.tobytes
        self.features = features[0]
        self.bytes = features.data.cast("B")

    def _bind(self, session: Any, features: Float32, probabilities: Float32) -> None:
        binding = session.io_binding()
        binding.bind_ortvalue_input(graph.INPUT, ort.OrtValue.ortvalue_from_numpy(features))
        binding.bind_ortvalue_output(graph.PROBABILITIES, ort.OrtValue.ortvalue_from_numpy(probabilities))
        self._keep = (session, binding)
        inner, bound = getattr(session, "_sess", None), getattr(binding, "_iobinding", None)
        if inner is None or bound is None:
            self._score, self._bound = session.run_with_iobinding, binding
        else:  # what `run_with_iobinding` calls, 3 us sooner
            self._score, self._bound = inner.run_with_iobinding, bound

    def _copy(self, session: Any, features: Float32, probabilities: Float32) -> None:
        """Take each row to a GPU anew: a binding copies its input there once, when it is bound."""

        def score(bound: Any, options: Any) -> None:
            (probabilities[:],) = session.run([graph.PROBABILITIES], {graph.INPUT: features})

        self._score, self._bound, self._keep = score, None, (session, None)

    def run(self) -> tuple[float, ...]:
        """Score what is in `features` and return the probabilities, by class."""
        self._score(self._bound, None)
        return self._unpack(self._answer)
