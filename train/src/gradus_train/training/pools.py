"""Where parts are trained: threads of this process, processes of this machine, or workers of a Dask cluster.

All take the same tasks and give the same bytes: a part is fitted with one thread on rows that its task names.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from threadpoolctl import threadpool_limits

from gradus_runtime.errors import EnvironmentFailedError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.training.fitting import FittedPart
from gradus_train.training.jobs import encode_job, encode_table, fit_job, fit_task
from gradus_train.training.parts import decode_part
from gradus_train.training.prepare import Plan, Task

__all__ = ["TABLES", "Keep", "Pool", "Processes", "Threads", "Trained", "followed"]

Trained = Future[tuple[FittedPart, float]]
Keep = Callable[[bytes], None]
TABLES = 3
"""A pool holds the tables of so many plans: of the one in work, and of those that are begun early."""


class Pool(Protocol):
    """Trains parts. Used as a context manager; what has not begun when it is left is dropped."""

    @property
    def width(self) -> int:
        """Parts in work at the same time, as far as is known."""
        ...

    def submit(self, plan: Plan, task: Task, keep: Keep) -> Trained:
        """Train a task.

        Args:
            plan: That it is of.
            task: The task.
            keep: Given the bytes of the part as soon as they are there.

        Returns:
            The part, and the seconds that fitting took.
        """
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what has not begun, and wait for the rest."""
        ...


class Threads:
    """Threads of this process, which share one table: the libraries release Python's lock while they work.

    Args:
        jobs: How many.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    @property
    def width(self) -> int:
        """The threads."""
        return self._jobs

    def submit(self, plan: Plan, task: Task, keep: Keep) -> Trained:
        """Train a task, as `Pool` says."""
        return self._threads.submit(_train, plan, task, keep)

    def __enter__(self) -> Self:
        self._limits = threadpool_limits(1)
        self._threads = ThreadPoolExecutor(self._jobs, initializer=threadpool_limits, initargs=(1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._limits.restore_original_limits()


def _train(plan: Plan, task: Task, keep: Keep) -> tuple[FittedPart, float]:
    data, seconds = fit_task(plan, task)
    keep(data)
    return arrived(data), seconds


class Processes:
    """Processes of this machine; each reads the table of a plan from a file.

    Args:
        jobs: How many.
        folder: Where the tables are written.
    """

    def __init__(self, jobs: int, folder: Path) -> None:
        self._jobs = jobs
        self._folder = folder
        self._tables: dict[int, tuple[Plan, Path]] = {}
        self._written = 0
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """The processes."""
        return self._jobs

    def submit(self, plan: Plan, task: Task, keep: Keep) -> Trained:
        """Train a task, as `Pool` says."""
        raw = self._processes.submit(_fit_from_file, encode_job(plan, task), self._table(plan))
        return followed(raw, keep)

    def _table(self, plan: Plan) -> str:
        data = plan.dataset
        with self._lock:  # studies of a search submit from threads of their own
            if id(data) not in self._tables:
                path = self._folder / f"{self._written}.table"
                write_whole(path, encode_table(plan))
                self._written += 1
                if len(self._tables) == TABLES:
                    self._tables.pop(next(iter(self._tables)))[1].unlink(missing_ok=True)
                self._tables[id(data)] = (plan, path)  # the plan is held: no other dataset gets its id
            return str(self._tables[id(data)][1])

    def __enter__(self) -> Self:
        start = multiprocessing.get_context("spawn")
        self._processes = ProcessPoolExecutor(self._jobs, mp_context=start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.shutdown(wait=True, cancel_futures=True)
        for _, path in self._tables.values():
            path.unlink(missing_ok=True)
        self._tables.clear()


def _fit_from_file(job: bytes, table: str) -> tuple[bytes, float]:
    return fit_job(job, Path(table).read_bytes())


def followed(raw: Future[tuple[bytes, float]], keep: Keep) -> Trained:
    """Return the part that another process sends: its bytes are kept and checked when they arrive."""
    result: Trained = Future()

    def done(sent: Future[tuple[bytes, float]]) -> None:
        if sent.cancelled():
            result.cancel()
        wanted = result.set_running_or_notify_cancel()
        error = None if sent.cancelled() else sent.exception()
        if sent.cancelled() or error is not None:
            if wanted and error is not None:
                result.set_exception(error)
            return
        data, seconds = sent.result()
        try:
            part = arrived(data)
            keep(data)  # also where nobody waits any more: a run that goes on finds it
        except EnvironmentFailedError as e:
            if wanted:
                result.set_exception(e)
            return
        if wanted:
            result.set_result((part, seconds))

    raw.add_done_callback(done)
    return result


def arrived(data: bytes) -> FittedPart:
    """Return the part that bytes hold.

    Raises:
        EnvironmentFailedError: They are not what the worker wrote.
    """
    part = decode_part(data)
    if part is None:
        raise EnvironmentFailedError(
            "a part must arrive as its worker sent it", place="worker", value=f"{len(data)} bytes"
        )
    return part
