"""Whether the rows served still look like the rows trained on: PSI with a threshold that knows its sample.

The Population Stability Index of two samples of n and m rows in B bins, the sum of (a - e) ln(a / e) over the
shares a and e, is distributed as (1/n + 1/m) times chi-square with B - 1 degrees of freedom if both come from
one distribution (B. Yurdakul, "Statistical Properties of Population Stability Index", Western Michigan
University, 2018). The usual limits of 0.1 and 0.25 ignore n and m, and raise false alarms on small samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import UsageError
from gradus_runtime.monitoring import chi_square
from gradus_runtime.monitoring.drift_counts import DriftCounts, Totals
from gradus_runtime.records import dataclass
from gradus_runtime.routing.schema import Schema

__all__ = ["DriftReport", "Shift", "StepDown", "report", "shift_of"]

MIN_EXPECTED = 10.0
"""Neighbouring bins are joined until each expects so many rows: with fewer, chi-square is a poor guide."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A distribution against that of training.

    Attributes:
        name: A feature, or a level for its classes.
        rows: Served rows that had a value.
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
        alpha: Chance of a false alarm among all features together, and among all levels' classes together.
        drifted: Names of the features that drifted, the worst first.
        features: Every feature with a histogram in the manifest, the worst first.
        classes: By level, the predicted classes against those of the holdout rows.
        levels: Share of rows by the level that served, and "fallback".
        step_downs: Why rows were not served by better levels; a row may lack several groups.
        confidence_mean: Of the rows that a level served; None if there are none.
        confidence_histogram: Counts of them in 20 bins of equal width over [0, 1].
    """

    version: str
    rows: int
    alpha: float
    drifted: tuple[str, ...]
    features: tuple[Shift, ...]
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
    known = [
        (feature.name, feature.histogram.counts, served)
        for feature, served in zip(manifest.features, totals.features, strict=True)
        if feature.histogram is not None and served is not None
    ]
    features = _shifts(known, alpha, rows_per_observation)
    holdout = {level.name: level.class_counts for level in manifest.levels}
    known = [
        (name, holdout[name], totals.classes[i]) for i, name in enumerate(schema.level_names) if holdout[name]
    ]
    served = int(totals.levels[:-1].sum())
    total = max(1, totals.rows)
    return DriftReport(
        version=manifest.version,
        rows=totals.rows,
        alpha=alpha,
        drifted=tuple(shift.name for shift in features if shift.drifted),
        features=features,
        classes=_shifts(known, alpha, rows_per_observation),
        levels={
            name: int(n) / total
            for name, n in zip((*schema.level_names, FALLBACK), totals.levels, strict=True)
        },
        step_downs=_step_downs(schema, totals, total),
        confidence_mean=totals.confidence_sum / served if served else None,
        confidence_histogram=tuple(totals.confidences.tolist()),
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
