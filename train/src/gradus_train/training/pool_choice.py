"""Which pool trains the parts: threads or processes of this machine, or the workers of a cluster."""

from __future__ import annotations

from pathlib import Path

from gradus_runtime.errors import UsageError
from gradus_train.training.pools import Pool, Processes, Threads

__all__ = ["open_pool"]


def open_pool(jobs: int, *, scheduler: str | None = None, folder: Path | None = None) -> Pool:
    """Return a pool, not begun.

    Args:
        jobs: Threads or processes here.
        scheduler: Address of a Dask scheduler, such as tcp://host:8786, in place of this machine.
        folder: Where processes read tables; None for threads.

    Raises:
        UsageError: The address is none; the extra `dask` is not installed.
    """
    if scheduler is None:
        return Threads(jobs) if folder is None or jobs == 1 else Processes(jobs, folder)
    if "://" not in scheduler:
        raise UsageError(
            "a scheduler must have an address",
            place="--scheduler",
            value=scheduler,
            hint="Such as tcp://host:8786, or tls://host:8786.",
        )
    from gradus_train.training.cluster import Cluster

    return Cluster(scheduler)
