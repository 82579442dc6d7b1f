"""The search: a study for each level and member, on the walk-forward folds. The holdout is never read."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

from gradus_runtime.contracts import strict_json
from gradus_runtime.errors import DataError
from gradus_train.config import MemberConfig, Parameters
from gradus_train.training.fitting import FittedPart
from gradus_train.training.member import Probabilities, RowNumbers
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Pool, Threads
from gradus_train.training.prepare import Plan, Task, TrainingLevel
from gradus_train.training.progress import Progress
from gradus_train.tuning.parameters import Found
from gradus_train.tuning.space import start, suggest

__all__ = ["Record", "Tried", "search", "study_name"]

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_SMALLEST = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A finished trial: its mean log loss over the folds, and its answers to rows that its models never saw.

    `rows` are rows of the dataset, int64 [M], `probabilities` float64 [M, C].
    """

    level: str
    member: str
    number: int
    parameters: Parameters
    log_loss: float
    rows: RowNumbers
    probabilities: Probabilities


@dataclass(frozen=True, slots=True)
class Record:
    """For whoever wants every trial whole: none is pruned, and each is told.

    Attributes:
        parts: Where the trials' parts are kept, and found: a search that was killed goes on with them.
        tell: Given every trial, by several threads.
    """

    parts: PartStore
    tell: Callable[[Tried], None]


@dataclass(frozen=True, slots=True)
class _Job:
    level: TrainingLevel
    member: MemberConfig
    folds: tuple[Task, ...]

    @property
    def title(self) -> str:
        return f"{self.level.name} {self.member.name}"


def search(
    plan: Plan,
    storage: optuna.storages.BaseStorage,
    *,
    n_trials: int,
    jobs: int,
    progress: Progress,
    worker: int = 0,
    pool: Pool | None = None,
    record: Record | None = None,
) -> tuple[Found, ...]:
    """Search parameters of every member on every level of a plan.

    A trial fits the member on each fold in turn and is pruned when its mean log loss so far is above the
    median of the trials before it. With one worker and the same storage state, the same seed finds the same;
    several workers draw differently, and what they find depends on who was first.

    Args:
        plan: Levels, members and folds.
        storage: Where studies are kept; those of the same data and configuration go on.
        n_trials: Trials in each study, of all workers together.
        jobs: Studies in work at the same time.
        progress: Told of every trial.
        worker: A number that is different for each process that shares the storage.
        pool: Where folds are fitted, in place of `jobs` threads; it has begun, and goes on.
        record: Where trials are kept and told; without it they are dropped, and pruned on the way.

    Raises:
        DataError: A level has no fold to measure on.
        KeyboardInterrupt: Trials in work are finished and kept.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stop = threading.Event()
    work = [_job(level, member) for level in plan.levels for member in plan.config.members]
    found: dict[str, Found] = {}
    asked = _Asked(plan, storage, n_trials, progress, worker, stop, record)
    own = nullcontext(pool) if pool is not None else Threads(jobs)
    with own as fitters, ThreadPoolExecutor(jobs) as studies:
        futures = {studies.submit(_study, asked, job, fitters): job for job in work}
        try:
            for future in as_completed(futures):
                found[futures[future].title] = future.result()
        except BaseException:
            stop.set()
            studies.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(found[job.title] for job in work)


def study_name(folds: Sequence[Task]) -> str:
    """Name a study by level, member and all that its trials depend on."""
    digest = hashlib.sha256("".join(t.key.digest for t in folds).encode()).hexdigest()
    return f"{folds[0].key.level}.{folds[0].key.member}.{digest[:16]}"


def _job(level: TrainingLevel, member: MemberConfig) -> _Job:
    folds = tuple(t for t in level.tasks if t.key.member == member.name and not t.final)
    if not folds:
        raise DataError("tuning needs at least one fold with enough rows", place=level.name)
    return _Job(level, member, folds)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `search` was asked for, and whether it must stop."""

    plan: Plan
    storage: optuna.storages.BaseStorage
    n_trials: int
    progress: Progress
    worker: int
    stop: threading.Event
    record: Record | None

    def pruner(self) -> optuna.pruners.BasePruner:
        if self.record is not None:
            return optuna.pruners.NopPruner()
        return optuna.pruners.MedianPruner(n_startup_trials=5)


def _study(asked: _Asked, job: _Job, pool: Pool) -> Found:
    worker, n_trials, stop = asked.worker, asked.n_trials, asked.stop
    kind, given = job.member.kind, job.folds[0].recipe.parameters
    name = study_name(job.folds)
    seed = (asked.plan.config.seed + 1_000_003 * worker) % 2**31
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(
            storage=asked.storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=asked.pruner(),
        )
    done = len(study.get_trials(deepcopy=False, states=_ENDED))
    if done == 0 and worker == 0:
        study.enqueue_trial(start(kind, given), skip_if_exists=True)

    def told(study: optuna.Study, trial: FrozenTrial) -> None:
        ended = study.get_trials(deepcopy=False, states=_ENDED)
        complete = [t.value for t in ended if t.state == TrialState.COMPLETE and t.value is not None]
        asked.progress.trial(job.title, min(len(ended), n_trials), n_trials, min(complete, default=None))
        if stop.is_set():
            study.stop()

    if done < n_trials and not stop.is_set():
        study.optimize(
            lambda trial: _loss(asked, job, trial, pool),
            n_trials=n_trials - done,
            callbacks=[told, MaxTrialsCallback(n_trials, states=_ENDED)],
        )
    return _best(study, job)


def _loss(asked: _Asked, job: _Job, trial: optuna.Trial, pool: Pool) -> float:
    """Fit on each fold; return the mean log loss over the test rows of all of them."""
    plan, answers = asked.plan, []
    labels = plan.dataset.labels
    total, rows = 0.0, 0
    for step, task in enumerate(job.folds):
        if step == 0:
            parameters = suggest(trial, job.member.kind, task.recipe.parameters)
            trial.set_user_attr("parameters", parameters)
        part = _fitted(asked, _with(task, parameters), pool)
        answers.append(part.probabilities)
        said = part.probabilities[np.arange(len(task.measure)), labels[task.measure]]
        total += float(-np.log(np.maximum(said, _SMALLEST)).sum())
        rows += len(task.measure)
        trial.report(total / rows, step)
        if step + 1 < len(job.folds) and trial.should_prune():
            raise optuna.TrialPruned
    if asked.record is not None:
        measured = np.concatenate([task.measure for task in job.folds])
        asked.record.tell(
            Tried(
                job.level.name,
                job.member.name,
                trial.number,
                parameters,
                total / rows,
                measured,
                np.concatenate(answers),
            )
        )
    return total / rows


def _fitted(asked: _Asked, task: Task, pool: Pool) -> FittedPart:
    """Return a trial's part: the one that is kept, or a new one."""
    if asked.record is None:
        return pool.submit(asked.plan, task, _kept_nowhere).result()[0]
    parts = asked.record.parts
    kept = parts.load(task.key)
    if kept is not None:
        return kept
    return pool.submit(asked.plan, task, partial(parts.save, task.key)).result()[0]


def _with(task: Task, parameters: Parameters) -> Task:
    """Return a task with other parameters, under a digest of its own."""
    tried = hashlib.sha256(strict_json.canonical_bytes([task.key.digest, dict(parameters)])).hexdigest()
    recipe = replace(task.recipe, parameters=parameters)
    return replace(task, recipe=recipe, key=replace(task.key, digest=tried))


def _kept_nowhere(_: bytes) -> None:
    """A trial's part is not kept."""


def _best(study: optuna.Study, job: _Job) -> Found:
    ended = study.get_trials(deepcopy=False, states=_ENDED)
    best = study.best_trial
    if best.value is None:
        raise DataError("a study must have a finished trial", place=job.title)
    return Found(
        level=job.level.name,
        member=job.member.name,
        log_loss=best.value,
        trials=len(ended),
        pruned=sum(t.state == TrialState.PRUNED for t in ended),
        parameters=dict(best.user_attrs["parameters"]),
    )
