"""Outages of groups of features: recorded ones from a file, or simulated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import DataError, UsageError
from gradus_runtime.rows.files import read_table
from gradus_runtime.rows.moments import read_moment
from gradus_train.walk.weeks import Week

__all__ = ["Outages", "Stretch", "read_outages"]

_MEAN_BARS = 24
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A group was not there for bars that closed from `start_ms` on and before `end_ms`."""

    group: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Outages:
    """Which groups are missing when.

    Attributes:
        recorded: Stretches of time.
        share: Share of the time for which each group that some level can do without is missing, in stretches
            of 24 bars on average, each group by itself; 0 for none.
        seed: Of the simulated ones.
    """

    recorded: tuple[Stretch, ...] = ()
    share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UsageError(
                "the share of simulated outages must be in [0, 1)", place="--outage-share", value=self.share
            )

    def missing(self, order: FeatureOrder, week: Week, stamps: Integers, bar_ms: int) -> Mapping[str, Flags]:
        """Return for each group the bars that it is missing for, bool [N].

        Groups that are always there are left out. What is drawn depends on the seed and the week alone.
        """
        found: dict[str, Flags] = {}
        closes = stamps + bar_ms
        for stretch in self.recorded:
            inside = (closes >= stretch.start_ms) & (closes < stretch.end_ms)
            if inside.any():
                found[stretch.group] = found.get(stretch.group, np.zeros(len(stamps), np.bool_)) | inside
        if self.share:
            for place, group in enumerate(_spared(order)):
                rng = np.random.default_rng([self.seed, week.start_ms // 86_400_000, place])
                drawn = _drawn(rng, len(stamps), self.share)
                if drawn.any():
                    found[group] = found.get(group, np.zeros(len(stamps), np.bool_)) | drawn
        return found


def _spared(order: FeatureOrder) -> list[str]:
    """Groups that some level can do without."""
    needed = set.intersection(*(set(level.groups) for level in order.levels))
    return [group.name for group in order.groups if group.name not in needed]


def _drawn(rng: np.random.Generator, bars: int, share: float) -> Flags:
    """A chain of two states: it is out for this share of the time, for 24 bars on average."""
    end = 1 / _MEAN_BARS
    begin = min(1.0, share * end / (1 - share))
    chance = rng.random(bars)
    result = np.zeros(bars, np.bool_)
    out = bool(rng.random() < share)
    for i in range(bars):
        result[i] = out
        out = chance[i] >= end if out else chance[i] < begin
    return result


def read_outages(path: Path, groups: Sequence[str]) -> tuple[Stretch, ...]:
    """Read recorded outages: a table with the columns `group`, `from` and `to`, the latter not included.

    Args:
        path: CSV, JSON Lines or Parquet; times are milliseconds since 1970 UTC, or ISO 8601 with an offset.
        groups: Names of the groups that there are.

    Raises:
        DataError: A column is missing, a group is not known, a time is no moment, or `to` is not later.
    """
    columns = read_table(path, ("group", "from", "to"), whole=True).columns
    missing = [name for name in ("group", "from", "to") if name not in columns]
    if missing:
        raise DataError(f"outages need the column {missing[0]}", place=str(path), value=sorted(columns))
    stretches = []
    rows = zip(columns["group"], columns["from"], columns["to"], strict=True)
    for number, (group, start, end) in enumerate(rows, start=1):
        place = f"{path}, row {number}"
        if group not in groups:
            raise DataError(
                "a group must be known", place=place, value=group, hint=f"Groups: {', '.join(groups)}."
            )
        begin, until = (
            round(read_moment(moment, place=place, error=DataError).timestamp() * 1000)
            for moment in (start, end)
        )
        if until <= begin:
            raise DataError("an outage must end after it begins", place=place, value=(start, end))
        stretches.append(Stretch(str(group), begin, until))
    return tuple(stretches)
