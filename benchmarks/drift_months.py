"""How often features alarm in the month after training, on data in which nothing is wrong.

    python -m benchmarks.drift_months --candles candles.csv --daily macro.csv

From two fifths of the data on, one training a week: alarm levels and reference as a run that ends there would
ship them, and the 30 days after it as a bot would see them, looked at every day. A month of a feature counts
once, however often it alarms. No model is trained.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradus_runtime.contracts import feature_order
from gradus_runtime.contracts.histograms import describe_column
from gradus_runtime.contracts.manifest import Drift
from gradus_runtime.contracts.manifest.drift import DAYS, distance
from gradus_train import config as configuration
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.source import DataSource
from gradus_train.evaluation.drift import drift_levels
from gradus_train.training.prepare import prepare

__all__ = ["Months", "main", "months_of"]

MONTH = 30


@dataclass(frozen=True, slots=True)
class Months:
    """Months of features: all that were looked at, those with an alarm level, and false alarms by feature.

    `newest` are the alarm levels of the last training.
    """

    trainings: int
    months: int
    monitored: int
    alarms: Counter[str]
    newest: Drift

    @property
    def text(self) -> str:
        """All of it for people."""
        false = self.alarms.total()
        levels = [f for f in self.newest.features if f.alarms]
        reasons = Counter(f.reason for f in self.newest.features if f.reason)
        said = ", ".join(f"{name} {count}" for name, count in self.alarms.most_common())
        shifts = ", ".join(
            f"{f.name} {f.deviations:g}" for f in sorted(levels, key=lambda f: f.deviations or 0)
        )
        return "\n".join(
            [
                f"{self.trainings} trainings, {self.months} months of features, {self.monitored} of them "
                f"with an alarm level",
                f"false alarms: {false} ({100 * false / max(1, self.months):.2f} % of all, "
                f"{100 * false / max(1, self.monitored):.2f} % of those with a level) {said}",
                f"newest training: {len(levels)} features with an alarm level; "
                + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()),
                f"smallest shift within a week, in standard deviations: {shifts}",
            ]
        )


def months_of(
    data: Dataset, order: feature_order.FeatureOrder, config: configuration.TrainingConfig
) -> Months:
    """Train alarm levels once a week, and watch the 30 days after."""
    alarms: Counter[str] = Counter()
    count = months = monitored = 0
    n, day = len(data.labels), round(86_400_000 / data.bar_ms)
    for end in range(int(n * 0.4), n - MONTH * day + 1, DAYS * day):
        drift = drift_levels(prepare(data.select(np.arange(n) < end), order, config))
        count += 1
        for i, feature in enumerate(drift.features):
            if feature.reason in ("calendar", "excluded"):
                continue
            months += 1
            monitored += bool(feature.alarms)
            if feature.alarms and _alarms(data.features[:, i], end, drift.rows_per_day, feature.alarms):
                alarms[feature.name] += 1
    return Months(count, months, monitored, alarms, drift)


def _alarms(column: np.ndarray, end: int, day: int, levels: tuple[float, ...]) -> bool:
    """Whether the latest 1 to 7 days alarm on any day of the month after row `end`."""
    described = describe_column(column[:end])
    if described is None:
        return False
    edges, counts = described[2].edges, described[2].counts
    for last in range(1, MONTH + 1):
        days = min(last, DAYS)
        rows = column[end + (last - days) * day : end + last * day]
        known = rows[np.isfinite(rows)]
        if len(known) >= max(1, days * day // 2):
            seen = np.bincount(np.searchsorted(edges, known), minlength=len(counts))
            if distance(counts, seen) > levels[days - 1]:
                return True
    return False


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candles", required=True, type=Path)
    parser.add_argument("--daily", type=Path)
    parser.add_argument("--config", type=Path, default=Path("config/training.toml"))
    parser.add_argument("--feature-order", type=Path, default=Path("config/feature_order.json"))
    args = parser.parse_args()
    config, order = configuration.load(args.config), feature_order.load(args.feature_order)
    data = load_dataset(DataSource(args.candles, args.daily, settings=config.data), order, config.labels)
    print(months_of(data, order, config).text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
