"""How much a week of each feature usually differs from its past, from the walk-forward folds.

Bars are not independent: a calm week is no drift. So the alarm level of a feature is not that of independent
rows, but one and a half times the largest distance that a window of its folds had from the rows before.
docs/drift.md has the figures that decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.histograms import describe_column
from gradus_runtime.contracts.manifest import Drift, FeatureDrift
from gradus_runtime.contracts.manifest.drift import DAYS
from gradus_runtime.errors import ConfigError
from gradus_train.data.dataset import Dataset
from gradus_train.training.prepare import Plan

__all__ = ["FACTOR", "drift_levels"]

FACTOR = 1.5
SEEN = 0.9
"""The smallest shift is that which so many weeks of the folds would have shown."""

_DEVIATIONS = np.arange(1, 31) / 10
_DAY_MS = 86_400_000
_LEAST_ROWS = 100
_MOST_ROWS = 86_400

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Fold:
    """Positions of the rows before a fold, and of all rows from its first to its last."""

    before: Integers
    start: int
    end: int


def drift_levels(plan: Plan) -> Drift:
    """Measure the alarm level of every feature, and the smallest shift that it would show.

    Each fold's training rows are the past, and its test rows are cut into days; a window is 1 to 7 of them,
    one after the other. The holdout counts as the last fold, as no model is chosen by this. Features that the
    clock alone decides, and those that the configuration leaves out, have no level.

    Raises:
        ConfigError: The configuration leaves out what is neither a feature nor a group.
    """
    dataset = plan.dataset
    names = tuple(f.name for f in plan.order.features)
    why = {**_calendar(dataset), **_excluded(plan)}
    day = _rows_per_day(dataset.timestamps)
    line = plan.timeline
    parts = [*((f.train, f.test) for f in line.folds), (line.development, line.holdout)]
    folds = [_Fold(train, int(test[0]), int(test[-1]) + 1) for train, test in parts if len(test)]
    columns = {name: i for i, name in enumerate(dataset.names)}
    found, weeks = [], 0
    for name in names:
        if name in why:
            found.append(FeatureDrift(name, (), None, None, why[name]))
            continue
        column = dataset.features[:, columns[name]].astype(np.float64)
        level, looked_at = _feature(name, column, folds, day)
        found.append(level)
        weeks = max(weeks, looked_at)
    return Drift(day, weeks, tuple(found))


def _calendar(dataset: Dataset) -> Mapping[str, str]:
    """Features whose expression reads the calendar alone; of those from outside nobody knows."""
    if dataset.graph is None:
        return {}
    return {f.name: "calendar" for f in dataset.graph.spec.features if set(f.inputs) == {"calendar"}}


def _excluded(plan: Plan) -> Mapping[str, str]:
    """Features that the configuration leaves out, by name or by group."""
    order, names = plan.order, plan.config.drift.exclude
    known = {*order.names, *(g.name for g in order.groups)}
    for name in names:
        if name not in known:
            rule = "what is left out of drift must be a feature or a group of the feature order"
            raise ConfigError(rule, place="drift.exclude", value=name)
    return {f.name: "excluded" for f in order.features if f.name in names or f.group in names}


def _rows_per_day(timestamps: Integers) -> int:
    """Rows that a day had on average, closing hours and gaps included; at least 1."""
    days = max(1.0, (int(timestamps[-1]) - int(timestamps[0])) / _DAY_MS)
    return int(min(_MOST_ROWS, max(1, round(len(timestamps) / days))))


def _feature(name: str, column: Floats, folds: Sequence[_Fold], day: int) -> tuple[FeatureDrift, int]:
    """Measure one feature; return its levels and how many weeks were looked at."""
    largest = np.zeros(DAYS)
    weeks: list[_Week] = []
    for fold in folds:
        past = _Past.of(column[fold.before])
        if past is None:
            continue
        window = column[fold.start : fold.end]
        for days in range(1, DAYS + 1):
            largest[days - 1] = max(largest[days - 1], past.largest(window, day, days))
        weeks += [_Week(past, w) for w in _windows(window, day)]
    if not weeks:
        return FeatureDrift(name, (), None, None, "no whole week"), 0
    alarms = np.minimum(1.0, np.maximum(FACTOR * largest, 1e-6))
    shift = _smallest_shift(weeks, float(alarms[-1]))
    if shift is None:
        return FeatureDrift(name, (), None, None, "not monitorable"), len(weeks)
    deviation = float(np.median([week.past.deviation for week in weeks]))
    return FeatureDrift(name, tuple(alarms.tolist()), shift * deviation, shift, None), len(weeks)


@dataclass(frozen=True, slots=True)
class _Past:
    """Rows before a fold: edges of their bins, cumulative shares at the edges, standard deviation."""

    edges: Floats
    shares: Floats
    deviation: float

    @classmethod
    def of(cls, rows: Floats) -> _Past | None:
        """Describe rows; None where there are too few, or all are alike."""
        known = rows[np.isfinite(rows)]
        described = describe_column(known) if len(known) >= _LEAST_ROWS else None
        if described is None or not known.std() > 0:
            return None
        edges, counts = np.array(described[2].edges), np.array(described[2].counts)
        return cls(edges, np.cumsum(counts)[:-1] / counts.sum(), float(known.std()))

    def largest(self, rows: Floats, day: int, days: int) -> float:
        """Return the largest distance of so many days one after the other; 0 where there are none."""
        count = len(rows) // day
        if count < days:
            return 0.0
        known = np.isfinite(rows[: count * day]).reshape(count, day)
        below = rows[: count * day, None] <= self.edges  # NaN is below nothing
        by_day = below.reshape(count, day, len(self.edges)).sum(axis=1)
        total = _rolling(known.sum(axis=1)[:, None], days)[:, 0]
        enough = total >= max(1, days * day // 2)
        if not enough.any():
            return 0.0
        shares = _rolling(by_day, days)[enough] / total[enough, None]
        return float(np.abs(shares - self.shares).max())


def _rolling(by_day: Integers, days: int) -> Integers:
    """Sum of each day and those before it, `days` in all: int64 [D - days + 1, ...]."""
    total = np.concatenate([np.zeros((1, by_day.shape[1]), np.int64), np.cumsum(by_day, axis=0)])
    return np.asarray(total[days:] - total[:-days])


def _windows(rows: Floats, day: int) -> list[Floats]:
    """Known values of each week, sorted; a week begins every day."""
    found = []
    for start in range(0, len(rows) - DAYS * day + 1, day):
        week = rows[start : start + DAYS * day]
        known = week[np.isfinite(week)]
        if len(known) >= max(1, DAYS * day // 2):
            found.append(np.sort(known))
    return found


@dataclass(frozen=True, slots=True)
class _Week:
    """A week of a fold, sorted, and its past."""

    past: _Past
    rows: Floats

    def alarms(self, level: float) -> npt.NDArray[np.bool_]:
        """Whether the week, moved up and moved down by so many deviations, would each alarm: bool [S]."""
        moves = _DEVIATIONS[:, None] * self.past.deviation
        seen = np.ones(len(_DEVIATIONS), dtype=np.bool_)
        for edges in (self.past.edges - moves, self.past.edges + moves):
            shares = np.searchsorted(self.rows, edges, side="right") / len(self.rows)
            seen &= np.abs(shares - self.past.shares).max(axis=1) > level
        return seen


def _smallest_shift(weeks: Sequence[_Week], level: float) -> float | None:
    """Return the smallest shift, in deviations, that nine of ten weeks would show; None up to three."""
    share = np.mean([week.alarms(level) for week in weeks], axis=0)
    seen = np.flatnonzero(share >= SEEN)
    return float(_DEVIATIONS[seen[0]]) if len(seen) else None
