"""The next week's parts are begun while this week's run is converted, where there are hands for it."""

from __future__ import annotations

import threading
from functools import partial
from types import TracebackType
from typing import Self

from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Keep, Pool, Trained
from gradus_train.training.prepare import Plan, Task

__all__ = ["Ahead"]


class Ahead:
    """A pool over another one: a part that is in work already is waited for, not begun again.

    Args:
        pool: That trains; it has begun, and goes on.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._working: dict[str, Trained] = {}

    @property
    def width(self) -> int:
        """That of the pool."""
        return self._pool.width

    def begin(self, plan: Plan, store: PartStore) -> None:
        """Begin the parts of a plan that the store does not hold; not with one hand alone."""
        if self.width > 1:
            for task in plan.tasks:
                if store.load(task.key) is None:
                    self.submit(plan, task, partial(store.save, task.key))

    def submit(self, plan: Plan, task: Task, keep: Keep) -> Trained:
        """Train a task, as `Pool` says."""
        digest = task.key.digest
        with self._lock:
            working = self._working.get(digest)
            if working is None:
                working = self._working[digest] = self._pool.submit(plan, task, keep)
        working.add_done_callback(lambda _: self._working.pop(digest, None))
        return working

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in list(self._working.values()):
            future.cancel()
