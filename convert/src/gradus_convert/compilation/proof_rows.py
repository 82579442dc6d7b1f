"""Rows that the proof is made on where no data is at hand: values around the thresholds of each column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest
from gradus_convert.parity.regions import Domain, critical_values

__all__ = ["COUNT", "made_rows"]

COUNT = 2_000
SEED = 20_260_101
_SPREAD = 64


def made_rows(forest: Forest | None, width: int) -> npt.NDArray[np.float32]:
    """Return finite rows, float32 [COUNT, width], the same for the same forest.

    A value of a column is one of its thresholds, a float32 neighbour of one, or near them.
    """
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(COUNT, width)).astype(np.float32)
    if forest is None:
        return rows
    split = forest.feature >= 0
    source = forest.sources[forest.feature[split]]
    order = np.argsort(source, kind="stable")
    nowhere = np.zeros(width, np.bool_)
    special = critical_values(forest, Domain(nowhere, nowhere))
    columns, thresholds = source[order], forest.threshold[split][order]
    ends = np.searchsorted(columns, np.arange(width + 1))
    for column in range(width):
        cuts = np.unique(thresholds[ends[column] : ends[column + 1]])
        cuts = cuts[np.isfinite(cuts)]
        if not len(cuts):
            continue
        with np.errstate(over="ignore"):
            near = [np.nextafter(cuts, np.float32(way)) for way in (np.inf, -np.inf)]
            scale = max(float(np.abs(cuts.astype(np.float64)).mean()), 1e-30)
            around = random.normal(float(np.median(cuts)), scale, _SPREAD).astype(np.float32)
        pool = np.concatenate([cuts, *near, around, special[column]])
        rows[:, column] = random.choice(pool[np.isfinite(pool)], COUNT)
    return rows
