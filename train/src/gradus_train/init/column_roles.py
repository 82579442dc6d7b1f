"""What the columns of a table are: time, price, features, or nothing to train on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from gradus_runtime.contracts import names
from gradus_runtime.errors import DataError, UsageError
from gradus_train.ingest.columns import ALIASES, fold, is_simulated_name
from gradus_train.ingest.feature_table import REACH_COLUMN, feature_column
from gradus_train.ingest.table_file import RawTable
from gradus_train.init.questions import InitAnswers, Question

__all__ = ["Roles", "check_named", "roles", "time_column"]

_PRICES = ("open", "high", "low", "close")
_CLOSE_ALIASES = (*ALIASES["close"], "price", "mid", "midprice", "adjclose", "settle")
_INDEX_NAMES = ("", "unnamed0", "index", "indexlevel0", "row", "rownumber", "id")
_OUTCOME_WORDS = frozenset(
    (
        *("target", "targets", "label", "labels", "y", "future", "fwd", "forward", "next", "ahead"),
        *("outcome", "outcomes", "pnl", "profit", "win"),
    )
)
_OFTEN_MISSING = 0.01
_MOSTLY_MISSING = 0.5


@dataclass(slots=True)
class Roles:
    """Roles of columns, by their names in the file.

    Attributes:
        label: Column of labels; None where labels are to be made of the price.
        prices: "open", "high", "low", "close" to column, as far as they are there.
        features: Feature names to columns, in the order of the file.
        sometimes: Feature names that are missing in more than 1 % of the rows after their first value.
        left_out: Other columns, and why each is not a feature.
        questions: What must be asked about them.
    """

    label: str | None = None
    prices: dict[str, str] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    sometimes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)


def check_named(table: RawTable, answers: InitAnswers) -> None:
    """Check that the columns that were named are there.

    Raises:
        UsageError: One is not.
    """
    named = [("--time", answers.time), ("--close", answers.close), ("--label", answers.label)]
    named += [("--feature", name) for name in answers.features]
    named += [("--drop", name) for name in answers.drop]
    for option, name in named:
        if name is not None and name not in table.columns:
            hint = f"Columns: {', '.join(table.columns)}."
            raise UsageError("a column must be in the table", place=option, value=name, hint=hint)


def time_column(table: RawTable, answers: InitAnswers) -> str | Question:
    """Return the column of the stamps, or the question which one it is."""
    if answers.time is not None:
        return answers.time
    folded = {column: fold(column) for column in table.columns}
    own = [c for c, name in folded.items() if name == "timestamp"]
    other = [c for c, name in folded.items() if name in ALIASES["timestamp"]]
    typed = [c for c in table.columns if table.frame[c].dtype in (pl.Datetime, pl.Date)]
    dated = [c for c in table.columns if folded[c] in _INDEX_NAMES and _looks_like_time(table.frame[c])]
    for found in (own, other, typed, dated):
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(found)
            return Question(f"Which of the columns {which} is the time of a row?", f"--time {found[0]}")
    text = f"Which column is the time of a row? There are {', '.join(table.columns)}."
    return Question(text, "--time COLUMN")


def _looks_like_time(column: pl.Series) -> bool:
    first = column.drop_nulls().head(1).cast(pl.String, strict=False).to_list()
    return bool(first) and re.match(r"\d{4}-\d{2}-\d{2}|\d{9,}", str(first[0])) is not None


def roles(table: RawTable, time: str, answers: InitAnswers) -> Roles:
    """Say what each column is.

    Raises:
        DataError: There is no feature.
    """
    found = Roles(label=_label(table, answers))
    dropped = set(answers.drop)
    _find_prices(table, answers, found)
    for column in table.columns:
        if column in (time, found.label) or fold(column) == REACH_COLUMN.replace("_", ""):
            continue
        if is_simulated_name(column):
            continue
        if column in dropped:
            found.left_out[column] = "as asked"
        elif column in found.prices.values() and column not in answers.features:
            found.left_out[column] = "a price, for labels and money"
        else:
            _consider(table, column, answers, found)
    if not found.features and not found.questions:
        why = "; ".join(f"{name}: {reason}" for name, reason in found.left_out.items()) or "no other column"
        raise DataError("a table must have at least one feature", place=table.name, cause=why)
    return found


def _label(table: RawTable, answers: InitAnswers) -> str | None:
    if answers.label is not None:
        return answers.label
    own = [c for c in table.columns if fold(c) == "label" and c not in answers.drop]
    return own[0] if len(own) == 1 else None


def _find_prices(table: RawTable, answers: InitAnswers, found: Roles) -> None:
    free = [c for c in table.columns if c not in answers.drop and c != found.label]
    for price in _PRICES:
        same = [c for c in free if fold(c) == price]
        if len(same) == 1:
            found.prices[price] = same[0]
    if answers.close is not None:
        found.prices["close"] = answers.close
    elif "close" not in found.prices:
        alike = [c for c in free if fold(c) in _CLOSE_ALIASES and c not in answers.features]
        if len(alike) == 1:
            found.prices["close"] = alike[0]


def _consider(table: RawTable, column: str, answers: InitAnswers, found: Roles) -> None:
    """Take a column as a feature, or say why not, or ask."""
    raw = table.frame[column]
    wanted = column in answers.features
    why = None if wanted else _no_feature(column, raw)
    if why is not None:
        found.left_out[column] = why
        return
    if not wanted and _words(column) & _OUTCOME_WORDS:
        text = f"Does the column {column} know the future (a label, a later return), or is it a feature?"
        option = f"--label {_typed(column)}, --drop {_typed(column)} or --feature {_typed(column)}"
        found.questions.append(Question(text, option))
        return
    try:
        values = feature_column(table, column)
    except DataError as e:
        text = f"{e.place}: column {column} holds {e.value!r}, which is not a finite number. Correct it, or:"
        found.questions.append(Question(text, f"--drop {_typed(column)}"))
        return
    known = values.is_not_null()
    first = known.arg_max() or 0
    missing = 1.0 - float(known[first:].mean() or 0.0)  # type: ignore[arg-type]
    if missing > _MOSTLY_MISSING and not wanted:
        found.left_out[column] = f"missing in {100 * missing:.0f} % of the rows"
        return
    name = _feature_name(column, found.features)
    found.features[name] = column
    if missing > _OFTEN_MISSING:
        found.sometimes.append(name)


def _no_feature(column: str, raw: pl.Series) -> str | None:
    """Why a column cannot be a feature; None where it may be one."""
    if raw.null_count() == len(raw):
        return "empty"
    if raw.dtype in (pl.Datetime, pl.Date, pl.Time, pl.Duration):
        return "a time"
    numbers = raw.cast(pl.Float64, strict=False) if raw.dtype.is_numeric() or raw.dtype in _TEXTS else None
    if numbers is None or numbers.is_not_null().sum() * 2 <= raw.is_not_null().sum():
        return "text" if raw.dtype in _TEXTS else f"of type {raw.dtype}"
    if numbers.n_unique() == 1:
        return "constant"
    if fold(column) in _INDEX_NAMES and bool((numbers.diff().drop_nulls() == 1).all()):
        return "row numbers"
    return None


_TEXTS = (pl.String, pl.Boolean)


def _words(column: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower()))


def _typed(text: str) -> str:
    return text if re.fullmatch(r"[\w.:/-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _feature_name(column: str, taken: dict[str, str]) -> str:
    """Return the column's own name where it can name a feature, else the nearest that can."""
    if names.is_identifier(column) and column not in taken:
        return column
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain.replace("%", "pct")).strip("_.-")[:100]
    if not plain:
        plain = f"feature_{len(taken) + 1}"
    if not names.is_identifier(plain):
        plain = f"f_{plain}"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}_{number}", number + 1
    return name


def shell_words(words: Sequence[str]) -> str:
    """Return words as they are typed in a shell."""
    return " ".join(map(_typed, words))
