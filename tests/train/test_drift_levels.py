"""Alarm levels of drift: from the folds, for what can be monitored, with the smallest shift they show."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.drift_months import months_of
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_runtime.cli import main
from gradus_runtime.contracts import feature_order, run_folder
from gradus_runtime.contracts.manifest import Drift, FeatureDrift
from gradus_runtime.errors import ConfigError
from gradus_train import config as configuration
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSource
from gradus_train.evaluation.drift import drift_levels
from gradus_train.market import simulate
from gradus_train.run.run import train
from gradus_train.training.prepare import Plan, prepare
from gradus_train.training.progress import Silent

ROOT = Path(__file__).parents[2]
DAY = 96
WEEK = 7 * DAY
BARS = 60 * DAY


def dataset() -> Dataset:
    """b0: bars depend on nothing; b1: a random walk; s0: -1, 0 or 1; o0: absent but for the last day."""
    data = make_dataset(BARS)
    features = data.features.copy()
    random = np.random.Generator(np.random.PCG64(3))
    features[:, 1] = 100 + np.cumsum(random.normal(size=BARS))
    features[:, 2] = random.integers(-1, 2, BARS)
    features[: BARS - 100, 3] = np.nan
    return replace(data, features=features)


def plan_of(data: Dataset, **sections: object) -> Plan:
    config = quick_config(format="gradus-training/2", split={"gap": 4, "folds": 3}, **sections)
    return prepare(data, ORDER, config, ["level3"])


def of(drift: Drift, name: str) -> FeatureDrift:
    (found,) = [f for f in drift.features if f.name == name]
    return found


def plain_distances(plan: Plan, place: int, days: int, move: float = 0.0) -> list[float]:
    """Distances of all windows, by a plain rule: shares of values at most an edge, twelfths of the past."""
    found = []
    line = plan.timeline
    for before, test in [*((f.train, f.test) for f in line.folds), (line.development, line.holdout)]:
        past = sorted(plan.dataset.features[before, place].astype(float).tolist())
        edges = np.unique(np.quantile(past, np.linspace(0, 1, 13)[1:-1], method="nearest"))
        deviation = float(np.std(past))
        rows = plan.dataset.features[test[0] : test[-1] + 1, place].astype(float)
        for start in range(0, len(rows) - days * DAY + 1, DAY):
            window = rows[start : start + days * DAY] + move * deviation
            shares = [(np.mean(np.array(past) <= e), np.mean(window <= e)) for e in edges]
            found.append(max(abs(a - b) for a, b in shares))
    return found


def test_a_level_is_one_and_a_half_times_the_largest_distance_of_so_many_days() -> None:
    plan = plan_of(dataset())
    drift = drift_levels(plan)
    assert drift.rows_per_day == DAY
    assert drift.weeks == len(plain_distances(plan, 0, 7))
    for days in (1, 3, 7):
        expected = 1.5 * max(plain_distances(plan, 0, days))
        assert of(drift, "b0").alarms[days - 1] == pytest.approx(expected)


def test_the_smallest_shift_is_one_that_nine_of_ten_weeks_show_both_ways() -> None:
    plan = plan_of(dataset())
    found = of(drift_levels(plan), "b0")
    assert found.deviations is not None
    assert found.shift == pytest.approx(found.deviations, rel=0.05)  # the feature has deviation 1

    def seen(deviations: float) -> float:
        ways = [plain_distances(plan, 0, 7, move) for move in (deviations, -deviations)]
        return float(np.mean([min(both) > found.alarms[6] for both in zip(*ways, strict=True)]))

    assert seen(found.deviations) >= 0.9
    assert seen(found.deviations - 0.1) < 0.9


def test_a_walk_cannot_be_monitored_and_a_feature_of_a_few_days_has_no_week() -> None:
    drift = drift_levels(plan_of(dataset()))
    assert of(drift, "b1").reason == "not monitorable"
    assert of(drift, "o0").reason == "no whole week"
    assert of(drift, "b1").alarms == ()


def test_features_and_groups_are_left_out_by_name() -> None:
    drift = drift_levels(plan_of(dataset(), drift={"exclude": ["signals", "b1"]}))
    assert [f.reason for f in drift.features] == [None, "excluded", "excluded", "no whole week"]


def test_what_is_left_out_must_be_known() -> None:
    with pytest.raises(ConfigError, match=r"feature or a group of the feature order, but got 'b7'"):
        drift_levels(plan_of(dataset(), drift={"exclude": ["b7"]}))


def test_run_folder_and_report_say_what_each_feature_would_show(tmp_path: Path) -> None:
    plan = plan_of(dataset(), drift={"exclude": ["signals"]})
    train(plan, tmp_path / "run", progress=Silent())
    assert run_folder.load(tmp_path / "run").found.drift == drift_levels(plan)
    assert main(["report", "--run", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    part = page[page.index('id="drift"') :]
    assert '<th scope="row">b0</th>' in part
    assert "Not monitorable: b1." in part
    assert "Excluded: s0." in part
    assert "No whole week: o0." in part


def test_calendar_features_are_left_out(tmp_path: Path) -> None:
    files = simulate(tmp_path, bars=4000)
    order = feature_order.load(ROOT / "config/feature_order.json")
    config = configuration.load(ROOT / "config/training.toml")
    data = load_dataset(DataSource(files.candles, files.macro, settings=config.data), order, config.labels)
    drift = drift_levels(prepare(data, order, config, ["level3"]))
    calendar = {f.name for f in drift.features if f.reason == "calendar"}
    assert calendar == {f.name for f in order.features if f.group == "time"}


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["btc_jpy_15m.csv", "btc_usdt_15m_2024.csv"])
def test_false_alarms_are_rare_on_the_development_files(development_data: Path, name: str) -> None:
    order = feature_order.load(ROOT / "config/feature_order.json")
    config = configuration.load(ROOT / "config/training.toml")
    source = DataSource(development_data / name, development_data / "macro_daily.csv", settings=config.data)
    months = months_of(load_dataset(source, order, config.labels), order, config)
    assert months.alarms.total() <= 0.01 * months.monitored
    reasons = Counter(f.reason for f in months.newest.features)
    assert reasons["calendar"] == 14
    assert reasons[None] >= 15
