"""Drift of features: the latest days against training, with the alarm levels of the artifact."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, variant, with_alarms
from tests.support.manifests import sample_manifest

from gradus_runtime import DriftReport, Predictor
from gradus_runtime.contracts import strict_json
from gradus_runtime.contracts.manifest import Drift, FeatureDrift, Manifest, parse
from gradus_runtime.errors import ManifestError
from gradus_runtime.monitoring.drift_report import FeatureShift

NAMES = list(TRIO_NAMES)
DAY = 20
WEEK = 7 * DAY


def rows(count: int, seed: int = 1) -> np.ndarray[Any, Any]:
    random = np.random.Generator(np.random.PCG64(seed))
    return random.normal(0, 1, (count, 9)).astype(np.float32)


def moved(table: np.ndarray[Any, Any], name: str, by: float) -> np.ndarray[Any, Any]:
    table = table.copy()
    table[:, NAMES.index(name)] += by
    return table


def of(report: DriftReport, name: str) -> FeatureShift:
    (found,) = [shift for shift in report.features if shift.name == name]
    return found


def plain_distance(manifest: Manifest, name: str, values: Any) -> float:
    """The largest difference of two cumulative shares, looked at edge by edge."""
    histogram = manifest.features[NAMES.index(name)].histogram
    assert histogram is not None
    worst, below = 0.0, 0
    for edge, count in zip(histogram.edges, histogram.counts, strict=False):
        below += count
        share = sum(float(v) <= edge for v in values) / len(values)
        worst = max(worst, abs(below / sum(histogram.counts) - share))
    return worst


@pytest.fixture
def bot(tmp_path: Path) -> Predictor:
    return Predictor.open(variant(TRIO, tmp_path / "v", change=with_alarms()))


def test_an_import_has_no_alarm_level_and_says_so() -> None:
    with Predictor.open(TRIO) as bot:
        bot.predict(moved(rows(400), "rsi", 50.0), names=NAMES)
        report = bot.drift()
    assert bot.drift().note == (
        "no feature has an alarm level: this artifact was imported, or trained before they were measured"
    )
    assert report.drifted == ()
    assert report.days == 0
    assert {shift.reason for shift in report.features} == {"unknown"}
    assert (of(report, "rsi").distance or 0.0) > 0.8
    assert of(report, "rsi").alarm is None


def test_a_shift_alarms_once_a_day_is_complete(bot: Predictor) -> None:
    bot.predict(moved(rows(DAY - 1), "rsi", 2.0), names=NAMES)
    assert bot.drift().drifted == ()
    assert of(bot.drift(), "rsi").distance is None
    bot.predict(moved(rows(1), "rsi", 2.0), names=NAMES)
    report = bot.drift()
    assert report.days == 1
    assert report.drifted == ("rsi",)
    assert report.features[0].name == "rsi"
    assert report.note is None


def test_rows_like_those_of_training_raise_no_alarm(bot: Predictor) -> None:
    bot.predict(rows(WEEK), names=NAMES)
    assert bot.drift().drifted == ()
    assert all(shift.distance is not None for shift in bot.drift().features)


def test_the_distance_is_that_of_the_latest_week_alone(bot: Predictor) -> None:
    table = rows(WEEK + 3 * DAY + 7)
    table[: 3 * DAY] += 4.0
    bot.predict(table, names=NAMES)
    report = bot.drift()
    assert report.days == 7
    assert report.drifted == ()
    manifest = parse((TRIO / "manifest.json").read_bytes())
    latest = table[3 * DAY : 3 * DAY + WEEK]
    for i, name in enumerate(NAMES):
        assert of(report, name).rows == WEEK
        assert of(report, name).distance == pytest.approx(plain_distance(manifest, name, latest[:, i]))


def test_rows_one_by_one_and_in_tables_of_any_length_make_the_same_days(tmp_path: Path) -> None:
    table = moved(rows(WEEK + 11), "atr", 1.0)
    found = []
    for cuts in ((1,), (7, 90), (len(table),)):
        with Predictor.open(variant(TRIO, tmp_path / str(cuts), change=with_alarms())) as bot:
            start, step = 0, 0
            while start < len(table):
                part = table[start : start + cuts[step % len(cuts)]]
                if len(part) == 1:
                    bot.decide(dict(zip(NAMES, part[0].tolist(), strict=True)))
                else:
                    bot.predict(part, names=NAMES)
                start, step = start + len(part), step + 1
            found.append(bot.drift().features)
    assert found[0] == found[1] == found[2]


def test_a_feature_without_a_level_never_alarms_and_says_why(tmp_path: Path) -> None:
    why = {"rsi": "calendar", "atr": "excluded", "vix": "not monitorable", "dxy": "no whole week"}
    with Predictor.open(variant(TRIO, tmp_path / "v", change=with_alarms(**why))) as bot:
        bot.predict(rows(WEEK) + 9.0, names=NAMES)
        report = bot.drift()
    assert set(report.drifted) == set(NAMES) - set(why)
    for name, reason in why.items():
        shift = of(report, name)
        assert (shift.reason, shift.alarm, shift.smallest_shift, shift.drifted) == (reason, None, None, False)
    assert of(report, "close").smallest_shift == 1.0
    assert of(report, "close").smallest_deviations == 0.5


def test_a_feature_that_most_rows_lack_is_not_judged(bot: Predictor) -> None:
    table = moved(rows(WEEK), "usd_jpy", 9.0)
    column = NAMES.index("usd_jpy")
    table[: WEEK // 2 + 1, column] = np.nan
    bot.predict(table, names=NAMES)
    assert of(bot.drift(), "usd_jpy").distance is None
    table[0, column] = table[-1, column]
    bot.predict(table, names=NAMES)
    assert bot.drift().drifted == ("usd_jpy",)


def test_days_survive_a_restart_with_the_journal(tmp_path: Path) -> None:
    folder = variant(TRIO, tmp_path / "v", change=with_alarms())
    options = {"journal": tmp_path / "journal", "sync": "never", "max_age_days": 1e5}
    for start, stop in ((0, 13), (13, 47)):
        with Predictor.open(folder, **options) as bot:
            for i in range(start, stop):
                bot.decide(full_row(i % 32) | {"close": 1e6})
    with Predictor.open(folder, **options) as bot:
        report = bot.drift()
    assert report.days == 2
    assert report.drifted == ("close",)


def test_metrics_tell_the_distance_over_the_alarm_level(tmp_path: Path) -> None:
    folder = variant(TRIO, tmp_path / "v", change=with_alarms(0.4, rsi="excluded"))
    with Predictor.open(folder, metrics=True) as bot:
        bot.predict(moved(rows(WEEK), "atr", 3.0), names=NAMES)
        ratio = of(bot.drift(), "atr").distance
        text = bot.metrics()
    assert ratio is not None
    line = next(x for x in text.splitlines() if x.startswith("gradus_drift_ratio") and 'feature="atr"' in x)
    assert float(line.split()[-1]) == pytest.approx(ratio / 0.4)
    assert 'feature="rsi"' not in text


def sample(*features: FeatureDrift, rows_per_day: int = 96) -> Manifest:
    known = {f.name: f for f in features}
    default = FeatureDrift("", (), None, None, "excluded")
    entries = tuple(
        known.get(f.name, dataclasses.replace(default, name=f.name)) for f in sample_manifest().features
    )
    return dataclasses.replace(sample_manifest(), drift=Drift(rows_per_day, 3, entries))


GOOD = FeatureDrift("close", (0.5,) * 7, 1.0, 0.5, None)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (dataclasses.replace(GOOD, alarms=(0.5,) * 6), "7 alarm levels above 0 and at most 1"),
        (dataclasses.replace(GOOD, alarms=(0.5,) * 6 + (0.0,)), "7 alarm levels above 0 and at most 1"),
        (dataclasses.replace(GOOD, alarms=(1.5,) * 7), "7 alarm levels above 0 and at most 1"),
        (dataclasses.replace(GOOD, shift=None), "the smallest shift must be above 0"),
        (dataclasses.replace(GOOD, deviations=-1.0), "the smallest shift must be above 0"),
        (dataclasses.replace(GOOD, reason="calendar"), "must have no smallest shift"),
        (FeatureDrift("close", (), None, None, "lazy"), "a reason must be one of calendar, excluded"),
        (FeatureDrift("close", (), None, None, None), "7 alarm levels above 0"),
        (dataclasses.replace(GOOD, name="volume"), "must have a histogram"),
    ],
)
def test_a_broken_rule_of_drift_is_refused(broken: FeatureDrift, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(sample(broken).to_bytes())
    assert message in str(caught.value)


def test_drift_names_every_feature_in_their_order() -> None:
    assert parse(sample(GOOD).to_bytes()).drift is not None
    manifest = sample(GOOD)
    assert manifest.drift is not None
    turned = dataclasses.replace(manifest.drift, features=manifest.drift.features[::-1])
    with pytest.raises(ManifestError, match="drift must name every feature once"):
        parse(dataclasses.replace(manifest, drift=turned).to_bytes())
    with pytest.raises(ManifestError, match="rows of a day must be 1 to"):
        parse(sample(GOOD, rows_per_day=0).to_bytes())


def test_a_manifest_from_before_alarm_levels_stays_readable() -> None:
    value = strict_json.parse(sample_manifest().to_bytes(), place="x")
    assert "drift" not in value
    assert parse(strict_json.canonical_bytes(value)) == sample_manifest()
    with pytest.raises(ManifestError, match="canonical form"):
        parse(strict_json.canonical_bytes({**value, "drift": None}))
