"""Walk-forward folds and the final holdout, on one timeline for all levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import TimeSeriesSplit

from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted
from gradus_train.config import Split
from gradus_train.training.member import RowNumbers

__all__ = ["Fold", "Timeline", "tail_start", "timeline"]


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers of the dataset: trained on `train`, measured on `test`, which is later."""

    train: RowNumbers
    test: RowNumbers


@dataclass(frozen=True, slots=True)
class Timeline:
    """Row numbers of the dataset, in time order.

    `development` and `holdout` are apart by the gap; `folds` lie inside `development`. A level uses those of
    the rows that have all its features, so that all levels are measured on the same stretches of time.
    """

    development: RowNumbers
    holdout: RowNumbers
    folds: tuple[Fold, ...]


def timeline(usable: npt.NDArray[np.bool_], split: Split) -> Timeline:
    """Split the usable rows by time.

    A gap of g rows between training and test leaves out at least g bars, so no label of a training row,
    which looks at most g bars ahead, reaches into the test rows.

    Args:
        usable: Rows with a label that some level has features for, bool [N], in time order.
        split: Folds, gap and share of the holdout.

    Raises:
        DataError: Too few rows.
    """
    rows = np.flatnonzero(usable).astype(np.int64)
    held = int(np.ceil(len(rows) * split.holdout))
    development = rows[: max(0, len(rows) - held - split.gap)]
    need = (split.folds + 1) * (split.gap + 2)
    if len(development) < need:
        raise DataError(
            f"{counted(split.folds, 'fold')} with a gap of {split.gap} need at least {need} rows "
            "before the holdout",
            place="split",
            value=len(development),
            hint="Give more candles, or fewer folds.",
        )
    splitter = TimeSeriesSplit(n_splits=split.folds, gap=split.gap)
    folds = tuple(Fold(development[train], development[test]) for train, test in splitter.split(development))
    return Timeline(development, rows[len(rows) - held :], folds)


def tail_start(n: int, share: float, gap: int) -> tuple[int, int]:
    """Return (end of the head, start of the tail) among n training rows, `gap` rows apart.

    The head may be empty: then there are too few rows to watch a tail.
    """
    start = n - int(np.ceil(n * share))
    return max(0, start - gap), start
