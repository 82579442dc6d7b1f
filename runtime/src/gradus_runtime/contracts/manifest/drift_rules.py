"""What must hold in the alarm levels of drift. Each message names its key path."""

from __future__ import annotations

from gradus_runtime.contracts.manifest.drift import DAYS, REASONS, FeatureDrift
from gradus_runtime.contracts.manifest.judgement_rules import Need
from gradus_runtime.contracts.manifest.types import Manifest

__all__ = ["check_drift"]

_MOST_ROWS = 86_400


def check_drift(m: Manifest, need: Need) -> None:
    """Check that every feature has alarm levels and a reference, or a reason to have none."""
    if m.drift is None:
        return
    rows = m.drift.rows_per_day
    need(1 <= rows <= _MOST_ROWS, f"rows of a day must be 1 to {_MOST_ROWS}", "drift.rows_per_day", rows)
    need(m.drift.weeks >= 0, "weeks must be at least 0", "drift.weeks", m.drift.weeks)
    named = tuple(f.name for f in m.drift.features)
    rule = "drift must name every feature once, in the order of the features"
    need(named == m.feature_names, rule, "drift.features", named)
    for i, (spec, feature) in enumerate(zip(m.features, m.drift.features, strict=True)):
        path = f"drift.features[{i}]"
        _feature(feature, path, need)
        rule = "a feature with alarm levels must have a histogram, its reference"
        need(not feature.alarms or spec.histogram is not None, rule, path, feature.name)


def _feature(feature: FeatureDrift, path: str, need: Need) -> None:
    alarms = feature.alarms
    if feature.reason is not None:
        rule = f"a reason must be one of {', '.join(REASONS)}"
        need(feature.reason in REASONS, rule, f"{path}.reason", feature.reason)
        rule = "a feature without alarm levels must have no smallest shift"
        nothing = not alarms and feature.shift is None and feature.deviations is None
        need(nothing, rule, path, feature.name)
        return
    rule = f"a feature must have {DAYS} alarm levels above 0 and at most 1, or a reason"
    need(len(alarms) == DAYS and all(0.0 < a <= 1.0 for a in alarms), rule, f"{path}.alarms", alarms)
    for key, value in (("shift", feature.shift), ("deviations", feature.deviations)):
        rule = "the smallest shift must be above 0"
        need(value is not None and value > 0.0, rule, f"{path}.{key}", value)
