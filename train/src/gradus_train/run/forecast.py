"""What a plan will take: time, by trying a little of it; disk, by counting."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from gradus_runtime.errors import EnvironmentFailedError
from gradus_train.config import EarlyStopping, MemberConfig, Scalar
from gradus_train.kinds import KINDS, rounds_of, trees_of
from gradus_train.training.fitting import Recipe, fit
from gradus_train.training.prepare import Plan, Task

__all__ = ["Forecast", "check_disk", "forecast"]

_PROBE = 4
_RESERVE = 64 << 20


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected seconds with `jobs` parts at a time, at most (early stopping makes it less); bytes on disk."""

    seconds: float
    model_bytes: int
    table_bytes: int
    free_bytes: int


def forecast(plan: Plan, out: Path, *, jobs: int) -> Forecast:
    """Fit four rounds or trees of each member on the rows of its final model, and scale up.

    Args:
        plan: What is to be trained.
        out: Where it would go.
        jobs: Parts in work at the same time.
    """
    seconds, size = 0.0, 0.0
    with threadpool_limits(1):
        for member in plan.config.members:
            tasks = [t for t in plan.tasks if t.key.member == member.name]
            final = max(tasks, key=lambda t: len(t.train))
            spent, written, share = _probe(plan, member, final)
            finals = sum(t.final for t in tasks)
            rows = sum(len(t.train) * _fits(t.recipe) for t in tasks)
            seconds += spent / len(final.train) * rows / share
            size += written / share * finals
    return Forecast(seconds / jobs, int(size), _tables(plan), _free(out))


def check_disk(plan: Plan, out: Path) -> None:
    """Refuse to begin where not even the tables of the run folder would fit.

    Raises:
        EnvironmentFailedError: The disk is too full.
    """
    need, free = _tables(plan) + _RESERVE, _free(out)
    if free < need:
        raise EnvironmentFailedError(
            f"at least {need >> 20} MiB must be free for the run folder",
            place=str(out),
            value=f"{free >> 20} MiB",
            hint="Free some space, or name a folder on another disk with --out.",
        )


def _probe(plan: Plan, member: MemberConfig, task: Task) -> tuple[float, int, float]:
    """Return seconds, bytes of the model, and the share of the whole fit that this was."""
    kind, parameters = KINDS[member.kind], dict(task.recipe.parameters)
    counted = kind.rounds_parameter or kind.trees_parameter
    few: dict[str, Scalar] = {}
    share = 1.0
    if counted is not None:
        whole = rounds_of(kind, parameters) or trees_of(kind, parameters)
        few, share = {counted: min(_PROBE, whole)}, min(_PROBE, whole) / whole
    recipe = replace(
        task.recipe, parameters={**parameters, **few}, early_stopping=EarlyStopping(0, 0.1, False)
    )
    begun = time.perf_counter()
    part = fit(
        recipe,
        plan.dataset.features[np.ix_(task.train, task.columns)],
        plan.dataset.labels[task.train],
        plan.dataset.features[np.ix_(task.measure[:1], task.columns)],
        len(plan.dataset.classes),
        keep_model=True,
    )
    return time.perf_counter() - begun, len(part.model), share


def _fits(recipe: Recipe) -> int:
    stops = KINDS[recipe.kind].rounds_parameter is not None and recipe.early_stopping.rounds > 0
    return 2 if stops and recipe.early_stopping.refit else 1


def _tables(plan: Plan) -> int:
    """Bytes of holdout.npz and oof.npz, twice: parts and folder are on disk together for a while."""
    classes, members = len(plan.dataset.classes), len(plan.config.members)
    held = len(plan.timeline.holdout) * (4 * len(plan.dataset.names) + 16)
    oof = len(plan.timeline.development) * (16 + 8 * classes * len(plan.levels) * (members + 1))
    return 2 * (held + oof)


def _free(out: Path) -> int:
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
