"""Workers of a Dask cluster that exists: `--scheduler tcp://host:8786`. The extra `gradus-train[dask]`.

What travels are the bytes of jobs, tables and parts; functions go by their names. So no model is ever a
pickle, but a scheduler runs whatever its clients send: it must be reachable by its users alone, or under TLS.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from gradus_runtime.errors import EnvironmentFailedError, UsageError
from gradus_train.training.jobs import encode_job, encode_table, fit_job, keep_table
from gradus_train.training.pools import TABLES, Keep, Trained, followed
from gradus_train.training.prepare import Plan, Task

__all__ = ["Cluster"]

_CONNECT = "30s"


class Cluster:
    """The workers of a scheduler.

    Args:
        address: Of the scheduler.

    Raises:
        UsageError: The extra `dask` is not installed.
        EnvironmentFailedError: There is no scheduler at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise UsageError(
                "a scheduler needs the extra dask",
                place="--scheduler",
                value=address,
                hint="Install gradus-train[dask], here and on the workers.",
            ) from None
        self._distributed: Any = distributed
        try:
            self._client: Any = self._distributed.Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError) as e:
            raise EnvironmentFailedError(
                "a scheduler must answer", place="--scheduler", value=address, cause=str(e)
            ) from None
        self._tables: dict[int, tuple[Plan, Any]] = {}
        self._waiting: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    @property
    def width(self) -> int:
        """Threads of all workers that are there now; at least 1, as workers may still come."""
        return max(1, int(sum(self._client.nthreads().values())))

    def submit(self, plan: Plan, task: Task, keep: Keep) -> Trained:
        """Train a task, as `Pool` says; where its worker dies, another one takes it."""
        raw: Future[tuple[bytes, float]] = Future()
        sent = self._client.submit(
            fit_job,
            encode_job(plan, task),
            self._table(plan),
            key=f"gradus-part-{task.key.digest}",
            retries=0,
            pure=True,
        )
        with self._lock:
            self._waiting[task.key.digest] = sent

        def done(remote: Any) -> None:
            with self._lock:
                self._waiting.pop(task.key.digest, None)
            if remote.status == "finished":
                raw.set_result(remote.result())
            elif remote.status == "error":
                raw.set_exception(self._worded(remote.exception()))
            else:
                error = EnvironmentFailedError(
                    "a scheduler must keep the data that it was given",
                    place="--scheduler",
                    value=f"{task.key}: {remote.status}",
                    hint="Continue with the same command (train: --resume).",
                )
                raw.set_exception(error)

        sent.add_done_callback(done)
        return followed(raw, keep)

    def _table(self, plan: Plan) -> Any:
        """The table of a plan as a task: its bytes stand with the scheduler, and outlive any worker."""
        data = plan.dataset
        with self._sending:  # studies of a search submit from threads of their own
            if id(data) not in self._tables:
                table = encode_table(plan)
                if len(self._tables) == TABLES:
                    self._tables.pop(next(iter(self._tables)))
                self._tables[id(data)] = (plan, self._client.submit(keep_table, table, pure=True))
            return self._tables[id(data)][1]

    def _worded(self, error: BaseException) -> BaseException:
        if isinstance(error, self._distributed.scheduler.KilledWorker):
            return EnvironmentFailedError(
                "a worker must stay alive until a part is trained",
                place="--scheduler",
                cause=str(error).split("\n", maxsplit=1)[0],
                hint="Check the workers' memory. Continue with the same command (train: --resume).",
            )
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        if waiting:
            self._client.cancel(waiting)
        self._tables.clear()
        self._client.close()
