"""The data report: what is in a dataset, before anything is trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.labels import NO_LABEL
from gradus_runtime.candles import bar_numbers, open_hours
from gradus_runtime.candles.reading import iso_time
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_train.data.dataset import Dataset

__all__ = ["DataReport", "Gap", "GroupCoverage", "LevelCoverage", "make_report"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing bars: `bars` of them after the bar that opens at `after` (ISO 8601 UTC)."""

    after: str
    bars: int


@dataclass(frozen=True, slots=True)
class GroupCoverage:
    """A group: the share of rows where any of its features is unavailable, and the worst feature's share."""

    name: str
    features: int
    missing_share: float
    worst_feature: str
    worst_share: float


@dataclass(frozen=True, slots=True)
class LevelCoverage:
    """A level: rows with all its features, and those of them that have a label."""

    name: str
    features: int
    rows: int
    labelled_rows: int


@dataclass(frozen=True, slots=True)
class DataReport:
    """What is in a dataset.

    `constant` are features with one value on all rows that have them; `duplicates` are groups of features
    that are equal on every row; `empty` are features that no row has. Shares lie in [0, 1]. `bridged_bars`
    are the missing bars of short gaps, for which bars without trades stand while features are computed.
    """

    rows: int
    start: str
    end: str
    bar_minutes: float
    source_bar_minutes: float
    partial_bars: int
    simulated: bool
    data_sha256: str
    gaps: tuple[Gap, ...]
    missing_bars: int
    bridged_bars: int
    labelled_rows: int
    label_counts: Mapping[str, int]
    label_shares: Mapping[str, float]
    groups: tuple[GroupCoverage, ...]
    levels: tuple[LevelCoverage, ...]
    empty: tuple[str, ...]
    constant: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]


def make_report(dataset: Dataset, order: FeatureOrder) -> DataReport:
    """Describe a dataset.

    Args:
        dataset: As `load_dataset` returns it.
        order: The feature order it was made with.
    """
    missing = np.isnan(dataset.features)
    labelled = dataset.labels != NO_LABEL
    counts = np.bincount(dataset.labels[labelled], minlength=len(dataset.classes))
    gaps = _gaps(dataset)
    empty = tuple(
        n for n, gone in zip(dataset.names, np.atleast_1d(missing.all(axis=0)).tolist(), strict=True) if gone
    )
    return DataReport(
        rows=len(dataset.timestamps),
        start=dataset.data_start,
        end=dataset.data_end,
        bar_minutes=dataset.bar_ms / 60_000,
        source_bar_minutes=dataset.source_bar_ms / 60_000,
        partial_bars=dataset.partial_bars,
        simulated=dataset.simulated,
        data_sha256=dataset.data_sha256,
        gaps=gaps,
        missing_bars=sum(g.bars for g in gaps),
        bridged_bars=dataset.bridged,
        labelled_rows=int(labelled.sum()),
        label_counts=dict(zip(dataset.classes, counts.tolist(), strict=True)),
        label_shares=dict(zip(dataset.classes, (counts / max(1, counts.sum())).tolist(), strict=True)),
        groups=tuple(_group(dataset, missing, g.name, [f.name for f in g.features]) for g in order.groups),
        levels=tuple(
            _level(dataset, missing, labelled, s.name, order.needed_features(s.name)) for s in order.levels
        ),
        empty=empty,
        constant=tuple(n for n in _constant(dataset) if n not in empty),
        duplicates=_duplicates(dataset, empty),
    )


def _gaps(dataset: Dataset) -> tuple[Gap, ...]:
    hours = None if dataset.graph is None else open_hours(dataset.graph.spec.gaps)
    steps = np.diff(bar_numbers(dataset.timestamps, dataset.bar_ms, hours))
    before = np.flatnonzero(steps >= 2)
    return tuple(Gap(iso_time(dataset.timestamps[i]), int(steps[i]) - 1) for i in before)


def _columns(dataset: Dataset, names: tuple[str, ...] | list[str]) -> list[int]:
    position = {name: i for i, name in enumerate(dataset.names)}
    return [position[name] for name in names]


def _group(dataset: Dataset, missing: npt.NDArray[np.bool_], name: str, features: list[str]) -> GroupCoverage:
    block = missing[:, _columns(dataset, features)]
    shares = block.mean(axis=0)
    worst = int(shares.argmax())
    return GroupCoverage(
        name, len(features), float(block.any(axis=1).mean()), features[worst], float(shares[worst])
    )


def _level(
    dataset: Dataset,
    missing: npt.NDArray[np.bool_],
    labelled: npt.NDArray[np.bool_],
    name: str,
    features: tuple[str, ...],
) -> LevelCoverage:
    whole = ~missing[:, _columns(dataset, features)].any(axis=1)
    return LevelCoverage(name, len(features), int(whole.sum()), int((whole & labelled).sum()))


def _constant(dataset: Dataset) -> list[str]:
    result = []
    for i, name in enumerate(dataset.names):
        column = dataset.features[:, i]
        present = column[~np.isnan(column)]
        if len(present) == 0 or present.min() == present.max():
            result.append(name)
    return result


def _duplicates(dataset: Dataset, empty: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Features with the same digest of their bytes; -0.0 counts as 0.0."""
    by_content: dict[bytes, list[str]] = {}
    for i, name in enumerate(dataset.names):
        if name not in empty:
            content = np.ascontiguousarray(dataset.features[:, i] + np.float32(0.0)).tobytes()
            by_content.setdefault(hashlib.sha256(content).digest(), []).append(name)
    return tuple(tuple(names) for names in by_content.values() if len(names) > 1)
