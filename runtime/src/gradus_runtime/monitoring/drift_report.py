"""Whether the rows served still look like the rows trained on.

Features: the latest days of rows, at most a week, against training, by the Kolmogorov-Smirnov distance over
the bins of the manifest's histogram. A feature drifted above the alarm level that training measured: one and
a half times the largest distance that as many days had from their past, among the walk-forward folds.

Classes: the Population Stability Index with a threshold that knows its sample. The PSI of two samples of n
and m rows in B bins, the sum of (a - e) ln(a / e) over the shares a and e, is distributed as (1/n + 1/m)
times chi-square with B - 1 degrees of freedom if both come from one distribution (B. Yurdakul, "Statistical
Properties of Population Stability Index", Western Michigan University, 2018). The usual limits of 0.1 and
0.25 ignore n and m, and raise false alarms on small samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import FeatureDrift, FeatureSpec, Manifest
from gradus_runtime.contracts.manifest.drift import distance
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import UsageError
from gradus_runtime.monitoring import chi_square
from gradus_runtime.monitoring.drift_counts import DriftCounts, Totals
from gradus_runtime.records import dataclass
from gradus_runtime.routing.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DriftReport", "FeatureShift", "Shift", "StepDown", "report", "shift_of"]

NO_ALARMS = "no feature has an alarm level: this artifact was imported, or trained before they were measured"

MIN_EXPECTED = 10.0
"""Neighbouring bins are joined until each expects so many rows: with fewer, chi-square is a poor guide."""


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """A feature of the latest days of rows against training.

    Attributes:
        name: Of the feature.
        rows: Rows of these days that had a value.
        distance: Kolmogorov-Smirnov distance from training, in [0, 1]; None until a day is complete, and
            where fewer than half of the rows had a value.
        alarm: The distance above which so many days drifted; None where there is none: see `reason`.
        smallest_shift: The smallest shift, up or down, in the feature's unit, that would be seen within a
            week; None without an alarm level.
        smallest_deviations: The same in standard deviations of the training rows.
        drifted: `distance` is above `alarm`.
        reason: Why there is no alarm level: "calendar", "excluded", "not monitorable", "no whole week", or
            "unknown" where the artifact has none at all.
    """

    name: str
    rows: int
    distance: float | None
    alarm: float | None
    smallest_shift: float | None
    smallest_deviations: float | None
    drifted: bool
    reason: str | None

    @property
    def ratio(self) -> float | None:
        """How far the distance is of the alarm level: above 1 it drifted."""
        return None if self.distance is None or self.alarm is None else self.distance / self.alarm


@dataclass(frozen=True, slots=True)
class Shift:
    """The classes that a level predicted against those of the holdout rows.

    Attributes:
        name: Of the level.
        rows: Rows that it served.
        psi: Population Stability Index; None with too few rows for two bins.
        threshold: What chance exceeds with probability `alpha` / number of distributions compared.
        p_value: How likely chance alone gives this `psi`, before that correction.
        drifted: `psi` is above `threshold`.
    """

    name: str
    rows: int
    psi: float | None
    threshold: float | None
    p_value: float | None
    drifted: bool


@dataclass(frozen=True, slots=True)
class StepDown:
    """Rows that a level did not serve, by reason: "missing GROUP", or "out of service"."""

    level: str
    reason: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What `Predictor.drift()` found since the version was opened.

    Attributes:
        version: The version that serves.
        rows: Rows counted.
        days: Complete days of rows that features are compared by, at most 7; 0 without alarm levels.
        alpha: Chance of a false alarm among all levels' classes together.
        drifted: Names of the features that drifted, the worst first.
        features: Every feature with a histogram in the manifest, and every one that has a reason to have no
            alarm level, the worst first. Without alarm levels their distances are of all rows.
        note: Why no feature has an alarm level; None where some could.
        classes: By level, the predicted classes against those of the holdout rows.
        levels: Share of rows by the level that served, and "fallback".
        step_downs: Why rows were not served by better levels; a row may lack several groups.
        confidence_mean: Of the rows that a level served; None if there are none.
        confidence_histogram: Counts of them in 20 bins of equal width over [0, 1].
    """

    version: str
    rows: int
    days: int
    alpha: float
    drifted: tuple[str, ...]
    features: tuple[FeatureShift, ...]
    note: str | None
    classes: tuple[Shift, ...]
    levels: Mapping[str, float]
    step_downs: tuple[StepDown, ...]
    confidence_mean: float | None
    confidence_histogram: tuple[int, ...]


def report(
    manifest: Manifest, schema: Schema, counts: DriftCounts, *, alpha: float, rows_per_observation: float
) -> DriftReport:
    """Put together what `drift()` returns.

    Raises:
        UsageError: `alpha` is not in (0, 1), or `rows_per_observation` is below 1.
    """
    if not 0.0 < alpha < 1.0:
        raise UsageError("alpha must lie between 0 and 1", value=alpha)
    if not rows_per_observation >= 1.0:
        raise UsageError("rows_per_observation must be at least 1", value=rows_per_observation)
    totals = counts.settle()
    days, features = _features(manifest, counts, totals)
    holdout = {level.name: level.class_counts for level in manifest.levels}
    known = [
        (name, holdout[name], totals.classes[i]) for i, name in enumerate(schema.level_names) if holdout[name]
    ]
    served = int(totals.levels[:-1].sum())
    total = max(1, totals.rows)
    return DriftReport(
        version=manifest.version,
        rows=totals.rows,
        days=days,
        alpha=alpha,
        drifted=tuple(shift.name for shift in features if shift.drifted),
        features=features,
        note=NO_ALARMS if manifest.drift is None else None,
        classes=_shifts(known, alpha, rows_per_observation),
        levels={
            name: int(n) / total
            for name, n in zip((*schema.level_names, FALLBACK), totals.levels, strict=True)
        },
        step_downs=_step_downs(schema, totals, total),
        confidence_mean=totals.confidence_sum / served if served else None,
        confidence_histogram=tuple(totals.confidences.tolist()),
    )


def _features(
    manifest: Manifest, counts: DriftCounts, totals: Totals
) -> tuple[int, tuple[FeatureShift, ...]]:
    """Compare the latest days of every feature; the worst first."""
    drift = manifest.drift
    days, latest = counts.latest(totals)
    if drift is None:
        found = [
            _feature(spec, FeatureDrift(spec.name, (), None, None, "unknown"), days, seen, 1)
            for spec, seen in zip(manifest.features, totals.features, strict=True)
            if spec.histogram is not None
        ]
    else:
        due = max(1, days * drift.rows_per_day // 2)
        found = [
            _feature(spec, usual, days, seen, due)
            for spec, usual, seen in zip(manifest.features, drift.features, latest, strict=True)
        ]
    return days, tuple(
        sorted(found, key=lambda s: (-(s.ratio or 0.0), s.ratio is None, -(s.distance or 0.0)))
    )


def _feature(
    spec: FeatureSpec, usual: FeatureDrift, days: int, served: NDArray[np.int64] | None, due: int
) -> FeatureShift:
    """Compare one feature, if at least `due` rows had a value."""
    rows = 0 if served is None else int(served.sum())
    found = None
    if served is not None and spec.histogram is not None and rows >= due and any(spec.histogram.counts):
        found = distance(spec.histogram.counts, served)
    alarm = usual.alarms[max(days, 1) - 1] if usual.alarms else None
    return FeatureShift(
        name=spec.name,
        rows=rows,
        distance=found,
        alarm=alarm,
        smallest_shift=usual.shift,
        smallest_deviations=usual.deviations,
        drifted=found is not None and alarm is not None and found > alarm,
        reason=usual.reason,
    )


def _shifts(
    known: Sequence[tuple[str, Sequence[int], NDArray[np.int64]]], alpha: float, rows_per_observation: float
) -> tuple[Shift, ...]:
    shifts = [
        shift_of(name, expected, served, alpha / len(known), rows_per_observation)
        for name, expected, served in known
    ]
    return tuple(sorted(shifts, key=lambda s: (s.p_value is None, s.p_value, -(s.psi or 0.0))))


def shift_of(
    name: str,
    expected: Sequence[int],
    served: NDArray[np.int64],
    alpha: float,
    rows_per_observation: float = 1.0,
) -> Shift:
    """Compare the counts of served rows with those of training, bin by bin.

    Args:
        name: Of what is compared.
        expected: Counts of training rows, by bin.
        served: Counts of served rows, by bin.
        alpha: Chance of a false alarm.
        rows_per_observation: Rows that carry the information of one independent row, in both samples.
    """
    rows = int(served.sum())
    if rows == 0 or sum(expected) == 0:
        return Shift(name, rows, None, None, None, False)
    n, m = rows / rows_per_observation, sum(expected) / rows_per_observation
    before, after = _join(np.asarray(expected, np.float64), served.astype(np.float64), n / sum(expected))
    if len(before) < 2:
        return Shift(name, rows, None, None, None, False)
    e = (before + 0.5) / (before.sum() + 0.5 * len(before))
    a = (after + 0.5) / (after.sum() + 0.5 * len(after))
    psi = float(((a - e) * np.log(a / e)).sum())
    scale, df = 1.0 / n + 1.0 / m, len(before) - 1
    threshold = scale * chi_square.quantile(alpha, df)
    return Shift(name, rows, psi, threshold, chi_square.survival(psi / scale, df), psi > threshold)


def _join(
    expected: NDArray[np.float64], served: NDArray[np.float64], per_row: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Join neighbouring bins until each expects `MIN_EXPECTED` served rows.

    `per_row` is the number of served rows expected for each training row. A bin that training left empty is
    joined too, so that rows which fall there count with its neighbours.
    """
    before: list[float] = []
    after: list[float] = []
    e = a = 0.0
    for count, seen in zip(expected.tolist(), served.tolist(), strict=True):
        e, a = e + count, a + seen
        if e * per_row >= MIN_EXPECTED:
            before.append(e)
            after.append(a)
            e = a = 0.0
    if before:
        before[-1] += e
        after[-1] += a
    return np.array(before), np.array(after)


def _step_downs(schema: Schema, totals: Totals, total: int) -> tuple[StepDown, ...]:
    found = []
    for i, level in enumerate(schema.level_names):
        reasons = [(f"missing {group}", int(totals.missing[i, g])) for g, group in enumerate(schema.groups)]
        reasons.append(("out of service", int(totals.out[i])))
        found += [StepDown(level, reason, n, n / total) for reason, n in reasons if n]
    return tuple(found)
