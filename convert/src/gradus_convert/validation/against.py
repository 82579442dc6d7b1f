"""Does what a bot produces satisfy an artifact: names, types, ranges, missing shares, level of each row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_convert.validation.findings import Check, Finding, Severity
from gradus_runtime import Health, Predictor
from gradus_runtime.contracts.manifest import FeatureSpec, Manifest
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import UsageError
from gradus_runtime.rows.files import RowTable, read_table
from gradus_runtime.rows.values import FLOAT32_BOUND, read_value
from gradus_runtime.store import open_artifact
from gradus_runtime.wording import counted

__all__ = ["RowsReport", "SampleLimits", "check_sample"]

Matrix = npt.NDArray[np.float64]
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class SampleLimits:
    """What a sample may do before it fails.

    Attributes:
        min_level: Every row must be served by this level or a better one; None: by any level.
        max_missing: Largest share of rows, in [0, 1], that may lack something of a group.
        max_beyond: Largest share of rows, in [0, 1], that may lie beyond a feature's training range.
        without: Groups that the bot does not supply at all.
        any_range: Features that may lie beyond their training range, such as the month.
    """

    min_level: str | None = None
    max_missing: float = 1.0
    max_beyond: float = 1.0
    without: tuple[str, ...] = ()
    any_range: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowsReport:
    """What was found of a sample.

    Attributes:
        artifact: Name of the artifact.
        version: Its version.
        rows: Rows in the sample.
        missing: By group, the share of rows that lack something of it.
        beyond: By feature, the share of rows beyond its training range; features with none are left out.
        levels: Rows by level that would serve them, best first, "fallback" last.
        row_levels: The level of each row.
    """

    artifact: str
    version: str
    rows: int
    missing: Mapping[str, float]
    beyond: Mapping[str, float]
    levels: Mapping[str, int]
    row_levels: tuple[str, ...]


def check_sample(source: str, path: Path, limits: SampleLimits) -> tuple[list[Check], RowsReport]:
    """Check a sample of rows against an artifact.

    Args:
        source: What `open_artifact` takes; of a store, the pinned version.
        path: The rows, a file as `rows.files` reads it.
        limits: What makes the sample fail.

    Raises:
        GradusError: The artifact cannot be opened, the rows cannot be read, or a limit names what is unknown.
    """
    with open_artifact(source) as artifact:
        manifest = artifact.manifest
    _check_limits(limits, manifest)
    rows = read_table(path, manifest.feature_names)
    place = str(path)
    features = [f for f in manifest.features if f.group not in limits.without]
    values = np.full((rows.count, len(manifest.features)), np.nan)
    for i, feature in enumerate(manifest.features):
        if feature.name in rows.columns:
            values[:, i] = [read_value(v) for v in rows.columns[feature.name]]
    missing = _missing_shares(manifest, values)
    beyond = _beyond_shares(manifest, values)
    with Predictor.open(source, drift=False) as predictor:
        table = {n: list(rows.columns[n]) for n in manifest.feature_names if n in rows.columns}
        served = predictor.predict(table or [{}] * rows.count, unavailable=limits.without).levels
        health = predictor.health()
    row_levels = tuple(str(name) for name in served)
    names = [*(level.name for level in manifest.levels), FALLBACK]
    levels = {name: row_levels.count(name) for name in names}
    checks = [
        Check(place, "lines", _lines(rows, place)),
        Check(place, "names", _names(rows, features, manifest, place)),
        Check(place, "types", _types(rows, features, place)),
        _ranges(manifest, features, beyond, values, limits, place),
        Check(place, "missing", _missing(missing, limits, place)),
        Check(place, "levels", _levels(levels, limits, place, health)),
    ]
    report = RowsReport(manifest.name, manifest.version, rows.count, missing, beyond, levels, row_levels)
    return checks, report


def _check_limits(limits: SampleLimits, manifest: Manifest) -> None:
    groups = {f.group for f in manifest.features}
    for group in limits.without:
        if group not in groups:
            raise UsageError(
                "a group must be in the artifact",
                place="--without",
                value=group,
                hint=f"Groups: {', '.join(sorted(groups))}.",
            )
    for name in limits.any_range:
        if name not in manifest.feature_names:
            raise UsageError("a feature must be in the artifact", place="--any-range", value=name)
    names = [level.name for level in manifest.levels]
    if limits.min_level is not None and limits.min_level not in names:
        raise UsageError(
            "a level must be in the artifact",
            place="--min-level",
            value=limits.min_level,
            hint=f"Levels: {', '.join(names)}.",
        )


def _missing_shares(manifest: Manifest, values: Matrix) -> dict[str, float]:
    missing = np.isnan(values)
    groups = dict.fromkeys(f.group for f in manifest.features)
    columns = {g: [i for i, f in enumerate(manifest.features) if f.group == g] for g in groups}
    return {group: float(missing[:, at].any(axis=1).mean()) for group, at in columns.items()}


def _beyond_shares(manifest: Manifest, values: Matrix) -> dict[str, float]:
    served = values.astype(np.float32).astype(np.float64)  # as it is compared when it is served, and trained
    shares = {}
    for i, feature in enumerate(manifest.features):
        if feature.minimum is None or feature.maximum is None:
            continue
        column = served[:, i]
        share = float(((column < feature.minimum) | (column > feature.maximum)).mean())
        if share:
            shares[feature.name] = share
    return shares


def _lines(rows: RowTable, place: str) -> tuple[Finding, ...]:
    more = len(rows.problems) - MAX_NAMED
    texts = [f"{place}: {problem}" for problem in rows.problems[:MAX_NAMED]]
    if more > 0:
        texts.append(f"{place}: {counted(more, 'more row')} cannot be read")
    return tuple(Finding("error", text, place) for text in texts)


def _names(
    rows: RowTable, features: list[FeatureSpec], manifest: Manifest, place: str
) -> tuple[Finding, ...]:
    found = []
    for group in dict.fromkeys(f.group for f in features):
        absent = [f.name for f in features if f.group == group and f.name not in rows.columns]
        if absent:
            text = f"{place}: columns of group {group} must be present: {_some(absent)}"
            found.append(Finding("error", f"{text}. If the bot never has them: --without {group}.", place, 1))
    extra = sorted(rows.columns.keys() - set(manifest.feature_names))
    if extra:
        found.append(
            Finding(
                "warning", f"{place}: columns the artifact does not know are ignored: {_some(extra)}", place
            )
        )
    return tuple(found)


def _types(rows: RowTable, features: list[FeatureSpec], place: str) -> tuple[Finding, ...]:
    found = []
    for feature in features:
        odd = [
            (i, v)
            for i, v in enumerate(rows.columns.get(feature.name, ()))
            if v is not None and math.isnan(read_value(v)) and not _is_nan(v)
        ]
        if odd:
            row, value = odd[0]
            too_large = isinstance(value, int | float) and not isinstance(value, bool)
            rule = f"a value must be below {FLOAT32_BOUND:.3g}" if too_large else "a value must be a number"
            found.append(
                Finding(
                    "error",
                    f"{place}: {feature.name}: {rule}, but got {value!r:.60} "
                    f"in row {row + 1} ({counted(len(odd), 'such row')})",
                    place,
                )
            )
    return tuple(found)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _ranges(
    manifest: Manifest,
    features: list[FeatureSpec],
    beyond: Mapping[str, float],
    values: Matrix,
    limits: SampleLimits,
    place: str,
) -> Check:
    unknown = [f.name for f in features if f.minimum is None]
    if len(unknown) == len(features):
        return Check(place, "ranges", skipped="the artifact has no training ranges (imported without --rows)")
    found = []
    if unknown:
        text = f"{place}: features without a training range are not checked: {_some(unknown)}"
        found.append(Finding("warning", text, place))
    for i, feature in enumerate(manifest.features):
        share = beyond.get(feature.name)
        if share is None:
            continue
        allowed = share <= limits.max_beyond or feature.name in limits.any_range
        severity: Severity = "warning" if allowed else "error"
        low, high = float(np.nanmin(values[:, i])), float(np.nanmax(values[:, i]))
        found.append(
            Finding(
                severity,
                f"{place}: {feature.name}: {share:.1%} of the rows lie beyond the training range "
                f"[{feature.minimum:.9g}, {feature.maximum:.9g}]; the sample spans [{low:.9g}, {high:.9g}]",
                place,
            )
        )
    return Check(place, "ranges", tuple(found))


def _missing(missing: Mapping[str, float], limits: SampleLimits, place: str) -> tuple[Finding, ...]:
    found = []
    for group, share in missing.items():
        if share and group not in limits.without:
            severity: Severity = "error" if share > limits.max_missing else "warning"
            text = f"{place}: {share:.1%} of the rows lack something of group {group}"
            found.append(Finding(severity, text, place))
    return tuple(found)


def _levels(
    levels: Mapping[str, int], limits: SampleLimits, place: str, health: Health
) -> tuple[Finding, ...]:
    found = []
    problems = [f"{s.name} is out of service: {s.problem}" for s in health.levels if s.problem]
    for problem in ([health.halted] if health.halted else []) + problems:
        found.append(Finding("error", f"{place}: {problem}", place))
    names = list(levels)
    lowest = limits.min_level or names[-2]
    below = names[names.index(lowest) + 1 :]
    for name in below:
        if levels[name]:
            text = f"{place}: {counted(levels[name], 'row')} would be served by {name}, below {lowest}"
            found.append(Finding("error", text, place))
    return tuple(found)


def _some(names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
