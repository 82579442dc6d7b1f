"""Training the parts of a plan, several at a time, each kept as soon as it is done."""

from __future__ import annotations

from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial

from gradus_train.training.fitting import FittedPart
from gradus_train.training.parts import PartKey, PartStore
from gradus_train.training.pools import Pool, Trained
from gradus_train.training.prepare import Plan, Task
from gradus_train.training.progress import Progress

__all__ = ["Executed", "execute"]


@dataclass(frozen=True, slots=True)
class Executed:
    """Trained parts by key, and the seconds that each of those trained now took."""

    parts: dict[PartKey, FittedPart]
    seconds: dict[PartKey, float]


def execute(plan: Plan, store: PartStore, *, pool: Pool, progress: Progress) -> Executed:
    """Train what the store does not hold yet.

    Every part is fitted with one thread, so its bytes do not depend on where, or beside what, it is trained.

    Args:
        plan: What to train.
        store: Where finished parts are kept, and found.
        pool: Where parts are trained.
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
    futures: dict[Trained, PartKey] = {}
    try:
        for task in todo:
            futures[pool.submit(plan, task, partial(store.save, task.key))] = task.key
        for future in as_completed(futures):
            key = futures[future]
            parts[key], seconds[key] = future.result()
            progress.finished(key, seconds[key])
    except BaseException as e:
        for future in futures:
            future.cancel()
        if isinstance(e, KeyboardInterrupt):
            progress.say("Interrupted: the parts in work are finished and kept. Continue with --resume.")
        raise
    return Executed(parts, seconds)
