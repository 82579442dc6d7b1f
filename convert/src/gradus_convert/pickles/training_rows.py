"""Rows of the training data of imported models, and what they tell of bots that serve float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.artifact import LevelContent
from gradus_convert.parity.native_votes import MemberAnswers, native_vote
from gradus_runtime.errors import DataError
from gradus_runtime.rows.files import read_table
from gradus_runtime.rows.values import read_value
from gradus_runtime.wording import counted

__all__ = ["float64_remarks", "read_training_rows"]

_CLOSE = 1e-6
"""Probabilities that differ by less are the same to whoever reads them."""

Float64 = npt.NDArray[np.float64]


def read_training_rows(path: Path, names: Sequence[str], originals: Mapping[str, str]) -> Float64:
    """Read the columns of features, as the file has them.

    Args:
        path: CSV, JSON Lines, JSON or Parquet.
        names: Of the features.
        originals: By feature, the name that the models have for it, where that is another one.

    Returns:
        float64 [N, F], NaN where a value is missing or no number.

    Raises:
        DataError: The file cannot be read, or lacks a feature.
    """
    known = {*names, *originals.values()}
    table = read_table(path, known, whole=True)
    rows = np.full((table.count, len(names)), np.nan)
    for i, name in enumerate(names):
        column = table.columns.get(name, table.columns.get(originals.get(name, name)))
        if column is None:
            raise DataError("rows must have each feature", place=str(path), value=name)
        rows[:, i] = [read_value(value) for value in column]
    rows[~np.isfinite(rows)] = np.nan
    return rows


def float64_remarks(level: LevelContent, rows: Float64 | None, n_classes: int) -> Iterator[str]:
    """Say what a bot must know that gave its libraries float64 values, which gradus rounds to float32.

    Args:
        level: Whose members are asked.
        rows: float64 [N, F of the level]; None if there are none.
        n_classes: Of the artifact.
    """
    wide = [m for m in level.members if m.native.reads_float64]
    if rows is None:
        for m in wide:
            yield (
                f"{level.name}: {m.name}: {m.native.library} reads float64, gradus reads float32: a bot that "
                "served float64 may get other answers where values are no float32 (--rows FILE counts them)"
            )
        return
    complete = rows[np.isfinite(rows).all(axis=1)]
    if not wide or not len(complete):
        return
    before, after = (_vote(level, complete, wide=w, n_classes=n_classes) for w in (True, False))
    other = (np.abs(before - after) > _CLOSE).any(axis=1)
    labels = before.argmax(axis=1) != after.argmax(axis=1)
    count = len(complete)
    yield (
        f"{level.name}: of {counted(count, 'row')} as float64, {other.sum()} ({other.mean():.1%}) had other "
        f"probabilities (by more than {_CLOSE:g}) and {labels.sum()} ({labels.mean():.1%}) another class "
        f"than gradus gives, which reads float32 ({', '.join(m.name for m in wide)} read float64)"
    )


def _vote(level: LevelContent, rows: Float64, *, wide: bool, n_classes: int) -> Float64:
    """The libraries' vote on rows as float64 where they read it, or on the same rows as float32."""
    narrow = rows.astype(np.float32)
    answers = []
    for m in level.members:
        given: Any = rows if wide and m.native.reads_float64 else narrow
        answers.append(MemberAnswers(m.native.probabilities(given), m.classes, m.weight))
    return np.asarray(native_vote(answers, n_classes, level.vote, 0.0)[0], np.float64)
