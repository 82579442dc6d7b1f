"""A week's search of parameters: on the rows known then, with every trial on record."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna

from gradus_live.positions import hold_positions
from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import DataError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.config import Parameters, TrainingConfig
from gradus_train.data.dataset import Dataset
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Pool
from gradus_train.training.prepare import Plan
from gradus_train.training.progress import Progress
from gradus_train.tuning.search import Record, Tried, search
from gradus_train.walk.market_history import market_of
from gradus_train.walk.week_answers import WeekAnswers, calls_of

__all__ = ["Study", "Trial", "tune", "with_chosen"]

FILE = "trials.json"
_MAX_BYTES = 256 << 20
_DAY_MS = 86_400_000
_SMALLEST = 1e-15


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial, out of fold: by day what it said and what its calls would have left.

    Attributes:
        number: From 0, which has the configuration's own parameters where the search's space holds them.
        parameters: That were tried.
        log_loss: Mean over all rows: what the search chooses by.
        losses: Sum of log losses, by day.
        gross: Log returns before costs of the positions that were closed on each day: the most probable class
            is the call, positions are those of the walk.
        trades: Positions closed, by day.
        bars: For how many bars they were open.
    """

    number: int
    parameters: Parameters
    log_loss: float
    losses: tuple[float, ...]
    gross: tuple[float, ...]
    trades: tuple[int, ...]
    bars: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """All trials of a member on a level.

    Attributes:
        level: Name.
        member: Name.
        rows: Rows that every trial was measured on, by day; the first of them is day 0.
        trials: By number.
        chosen: Number of the trial with the smallest log loss.
    """

    level: str
    member: str
    rows: tuple[int, ...]
    trials: tuple[Trial, ...]
    chosen: int


def tune(plan: Plan, folder: Path, *, trials: int, pool: Pool, progress: Progress) -> tuple[Study, ...]:
    """Search parameters of every member on every level, or find the search made.

    No trial is pruned. The search does not depend on the pool; one that was killed goes on with the trials
    that it has.

    Args:
        plan: The week's, with the configuration's parameters: its folds are searched on.
        folder: Of the week; `trials.json` is kept there.
        trials: In each study.
        pool: Where folds are fitted; it has begun.
        progress: Told of every trial.

    Raises:
        DataError: A level has no fold to measure on.
    """
    key = _key(plan, trials)
    kept = _kept(folder / FILE, key)
    if kept is not None:
        return kept
    told: list[Tried] = []
    record = Record(PartStore(folder / "trials"), told.append)
    # Studies are not kept, but drawn anew with the same seed: their trials' parts are.
    search(
        plan,
        optuna.storages.InMemoryStorage(),
        n_trials=trials,
        jobs=pool.width,
        progress=progress,
        pool=pool,
        record=record,
    )
    names = [(level.name, member.name) for level in plan.levels for member in plan.config.members]
    studies = tuple(_study(plan.dataset, [t for t in told if (t.level, t.member) == name]) for name in names)
    value = {"key": key, "studies": [codec.encode(s) for s in studies]}
    write_whole(folder / FILE, strict_json.canonical_bytes(value))
    shutil.rmtree(folder / "trials", ignore_errors=True)
    return studies


def with_chosen(config: TrainingConfig, studies: Sequence[Study]) -> TrainingConfig:
    """Return the configuration with the parameters that the studies chose."""
    found: dict[str, Mapping[str, Parameters]] = {}
    for s in studies:
        found[s.level] = {**found.get(s.level, {}), s.member: s.trials[s.chosen].parameters}
    return replace(config, tuned=found)


def _key(plan: Plan, trials: int) -> str:
    facts = {
        "parts": [t.key.digest for level in plan.levels for t in level.tasks],
        "seed": plan.config.seed,
        "trials": trials,
    }
    return hashlib.sha256(strict_json.canonical_bytes(facts)).hexdigest()


def _kept(path: Path, key: str) -> tuple[Study, ...] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    value = strict_json.parse(data, place=str(path), max_bytes=_MAX_BYTES, error=DataError)
    if not isinstance(value, dict) or value.get("key") != key or not isinstance(value.get("studies"), list):
        return None
    return tuple(codec.decode(Study, s, place=f"{path}: studies", error=DataError) for s in value["studies"])


def _study(data: Dataset, tried: Sequence[Tried]) -> Study:
    tried = sorted(tried, key=lambda t: t.number)
    days = (data.timestamps + data.bar_ms - 1) // _DAY_MS
    rows = tried[0].rows
    first, count = int(days[rows].min()), int(np.ptp(days[rows])) + 1
    chosen = int(np.argmin([t.log_loss for t in tried]))
    return Study(
        tried[0].level,
        tried[0].member,
        tuple(np.bincount(days[rows] - first, minlength=count).tolist()),
        tuple(_trial(data, t, days - first, count) for t in tried),
        chosen,
    )


def _trial(data: Dataset, t: Tried, days: np.ndarray, count: int) -> Trial:
    said = np.maximum(t.probabilities[np.arange(len(t.rows)), data.labels[t.rows]], _SMALLEST)
    actions = np.full(len(data.timestamps), "", object)
    actions[t.rows] = np.array(data.classes, object)[t.probabilities.argmax(axis=1)]
    no_one = np.full(len(actions), "", object)
    calls = calls_of(WeekAnswers(actions, no_one, np.zeros((len(actions), 0), np.float32)), data)
    begin, end = int(t.rows.min()), int(t.rows.max()) + 1
    held = hold_positions(market_of(data), calls[begin:end], data.rule, begin, end)
    on = days[held.closed]
    return Trial(
        t.number,
        t.parameters,
        t.log_loss,
        tuple(np.bincount(days[t.rows], -np.log(said), count).tolist()),
        tuple(np.bincount(on, held.gross, count).tolist()),
        tuple(np.bincount(on, minlength=count).tolist()),
        tuple(np.bincount(on, held.bars, count).astype(np.int64).tolist()),
    )
