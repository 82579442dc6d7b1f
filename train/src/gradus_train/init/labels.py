"""The label of a table: the classes of its own column, or a rule on its price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from gradus_live.labels import Column, FixedHorizon
from gradus_runtime.wording import counted
from gradus_train.ingest.columns import fold
from gradus_train.ingest.feature_table import REACH_COLUMN, stated_reach
from gradus_train.ingest.table_file import RawTable
from gradus_train.init.questions import InitAnswers, Question

__all__ = ["fallback_class", "label_rule"]

_MOST_CLASSES = 20
_DOWN = ("sell", "short", "down", "bear", "bearish", "fall", "-1")
_FLAT = ("hold", "neutral", "flat", "none", "wait", "0")
_UP = ("buy", "long", "up", "bull", "bullish", "rise", "1")
_HORIZON = 4
_THRESHOLD = 0.5


def label_rule(
    table: RawTable, label: str | None, has_price: bool, answers: InitAnswers
) -> Column | FixedHorizon | list[Question]:
    """Return the rule of the labels, or what must be asked.

    Args:
        table: With the column.
        label: Column of labels, or None.
        has_price: Whether labels can be made of a price.
        answers: What a person said.

    Raises:
        ConfigError: An answer breaks a rule of labels.
        DataError: The column `label_reach` is no whole number.
    """
    if label is not None:
        return _of_column(table, label, answers)
    if not has_price:
        text = "What is to be predicted? Name the column of labels, or the price that labels are made of:"
        return [Question(text, "--label COLUMN or --close COLUMN")]
    return FixedHorizon(
        horizon=_HORIZON if answers.horizon is None else answers.horizon,
        threshold=_THRESHOLD if answers.threshold is None else answers.threshold,
        unit="volatility",
    )


def _of_column(table: RawTable, label: str, answers: InitAnswers) -> Column | list[Question]:
    counts = _counts(table.frame[label])
    reach = answers.reach
    if reach is None and any(fold(c) == fold(REACH_COLUMN) for c in table.columns):
        reach = stated_reach(table)
    questions = []
    if reach is None:
        text = f"How many bars after a row did whoever made the column {label} look at?"
        questions.append(Question(text, "--reach N"))
    if not 2 <= len(counts) <= _MOST_CLASSES:
        text = (
            f"The column {label} has {counted(len(counts), 'different value')}; a label must be one of 2 to "
            f"{_MOST_CLASSES} classes. Name another column, or have labels made of the price:"
        )
        return [Question(text, f"--label COLUMN, or --drop {label} --close COLUMN")]
    if questions or reach is None:
        return questions
    classes = tuple(sorted(counts, key=_rank))
    down, up = _named(classes, _DOWN), _named(classes, _UP)
    sides = (down, up) if down and up else ("", "")
    return Column(reach, classes, label, *sides)


def _counts(raw: pl.Series) -> Counter[str]:
    """How often each value occurs, as labels are read."""
    text = raw.cast(pl.String).str.replace(r"\.0$", "").drop_nulls()
    return Counter(text.filter(text != "NaN").to_list())


def _rank(name: str) -> tuple[int, float, str]:
    """Down, flat, up; then numbers; then other names by the alphabet."""
    for i, words in enumerate((_DOWN, _FLAT, _UP)):
        if name.lower() in words:
            return i, 0.0, name
    try:
        return 3, float(name), name
    except ValueError:
        return 4, 0.0, name


def _named(classes: Sequence[str], words: Sequence[str]) -> str:
    found = [c for c in classes if c.lower() in words]
    return found[0] if len(found) == 1 else ""


def fallback_class(shares: Mapping[str, float]) -> str:
    """Return the class of a row that no level serves.

    It is the one that means to do nothing, else the most frequent.
    """
    flat = [c for c in shares if c.lower() in _FLAT] if len(shares) > 2 else []
    return flat[0] if len(flat) == 1 else max(shares, key=lambda c: (shares[c], c))
