"""Training the parts of a plan, several at a time, each kept as soon as it is done."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from gradus_train.training.fitting import FittedPart, fit
from gradus_train.training.parts import PartKey, PartStore
from gradus_train.training.prepare import Plan, Task
from gradus_train.training.progress import Progress

__all__ = ["Executed", "execute"]


@dataclass(frozen=True, slots=True)
class Executed:
    """Trained parts by key, and the seconds that each of those trained now took."""

    parts: dict[PartKey, FittedPart]
    seconds: dict[PartKey, float]


def execute(plan: Plan, store: PartStore, *, jobs: int, progress: Progress) -> Executed:
    """Train what the store does not hold yet.

    Every part is fitted with one thread, so its bytes do not depend on `jobs`; the libraries release Python's
    lock while they work, so threads are enough, and share the one table of features.

    Args:
        plan: What to train.
        store: Where finished parts are kept, and found.
        jobs: Parts in work at the same time.
        progress: Told of every part.

    Raises:
        KeyboardInterrupt: Parts that had not begun are dropped; those in work are finished and kept.
    """
    parts: dict[PartKey, FittedPart] = {}
    seconds: dict[PartKey, float] = {}
    todo: list[Task] = []
    for task in plan.tasks:
        kept = store.load(task.key)
        if kept is None:
            todo.append(task)
        else:
            parts[task.key] = kept
    progress.start([t.key for t in plan.tasks], done=list(parts))
    with threadpool_limits(1), ThreadPoolExecutor(jobs, initializer=threadpool_limits, initargs=(1,)) as pool:
        futures: dict[Future[tuple[FittedPart, float]], PartKey] = {}
        try:
            for task in todo:
                futures[pool.submit(_train, plan, task, store)] = task.key
            for future in as_completed(futures):
                key = futures[future]
                parts[key], seconds[key] = future.result()
                progress.finished(key, seconds[key])
        except BaseException as e:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(e, KeyboardInterrupt):
                progress.say("Interrupted: the parts in work are finished and kept. Go on with --resume.")
            raise
    return Executed(parts, seconds)


def _train(plan: Plan, task: Task, store: PartStore) -> tuple[FittedPart, float]:
    start = time.perf_counter()
    features, labels = plan.dataset.features, plan.dataset.labels
    part = fit(
        task.recipe,
        np.ascontiguousarray(features[np.ix_(task.train, task.columns)]),
        labels[task.train],
        np.ascontiguousarray(features[np.ix_(task.measure, task.columns)]),
        len(plan.dataset.classes),
        keep_model=task.final,
    )
    store.save(task.key, part)
    return part, time.perf_counter() - start
