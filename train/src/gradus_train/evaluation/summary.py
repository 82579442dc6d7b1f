"""The dataset and its split, in numbers for people."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_live.labels import sentence
from gradus_runtime.candles.reading import iso_time
from gradus_train.data.dataset import Dataset
from gradus_train.evaluation.details import BalanceBucket, DataSummary, FoldSpan, SplitSummary
from gradus_train.training.prepare import Plan

__all__ = ["summarise_data", "summarise_split"]

_MOST_BUCKETS = 60


def summarise_data(plan: Plan) -> DataSummary:
    """Describe the dataset of a run."""
    d = plan.dataset
    return DataSummary(
        bars=len(d.labels),
        labelled=int((d.labels >= 0).sum()),
        start=iso_time(d.timestamps[0]),
        end=iso_time(d.timestamps[-1]),
        sha256=d.data_sha256,
        simulated=d.simulated,
        classes=d.classes,
        label=sentence(d.rule),
        reach=d.rule.reach,
        balance=_balance(d),
    )


def summarise_split(plan: Plan) -> SplitSummary:
    """Describe the split of a run."""
    line, stamps = plan.timeline, plan.dataset.timestamps
    return SplitSummary(
        development_rows=len(line.development),
        holdout_rows=len(line.holdout),
        gap=plan.config.split.gap,
        holdout_start=iso_time(stamps[line.holdout[0]]),
        holdout_end=iso_time(stamps[line.holdout[-1]]),
        folds=tuple(FoldSpan(*_span(stamps, f.train), *_span(stamps, f.test)) for f in line.folds),
    )


def _span(stamps: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> tuple[str, str]:
    return iso_time(stamps[rows[0]]), iso_time(stamps[rows[-1]])


def _balance(dataset: Dataset) -> tuple[BalanceBucket, ...]:
    """Count labels in stretches of whole days, of equal length, at most 60 of them."""
    day = 86_400_000
    days = (dataset.timestamps - dataset.timestamps[0]) // day
    width = int(days[-1]) // _MOST_BUCKETS + 1
    buckets = []
    for b in range(int(days[-1]) // width + 1):
        inside = (days // width == b) & (dataset.labels >= 0)
        counts = np.bincount(dataset.labels[inside], minlength=len(dataset.classes))
        start = iso_time(dataset.timestamps[0] + b * width * day)
        buckets.append(BalanceBucket(start, tuple(int(n) for n in counts)))
    return tuple(buckets)
