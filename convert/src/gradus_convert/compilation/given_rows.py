"""What users bring as rows: arrays, lists, dataframes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.compilation.facts import Facts
from gradus_convert.preparation.pipeline_steps import MISSING_TEXT, NUMBERS, TEXTS
from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted

__all__ = ["read_given_rows", "read_mixed"]


Known = Sequence[Sequence[object]] | None


def read_given_rows(
    X: Any, names: Sequence[str] | None, width: int, categories: Known = None
) -> npt.NDArray[np.float32]:
    """Return rows as float32 [N, width].

    Args:
        X: An array or a list of rows, whose columns are taken in their order; or a dataframe (or a mapping of
            names to columns), whose columns are taken by name where the model knows names.
        names: Of the model's columns.
        width: How many columns there must be.
        categories: As in `Facts`.

    Raises:
        DataError: A column is missing, or is of categories that the model does not know; or what is there are
            not numbers in rows.
    """
    if isinstance(X, Mapping) or (hasattr(X, "columns") and hasattr(X, "__getitem__")):
        X = _by_name(X, names, categories)
    try:
        rows = np.asarray(X)
        if rows.dtype == object or rows.dtype.kind not in "fiub":
            rows = rows.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.ascontiguousarray(rows, np.float32)
    except (TypeError, ValueError) as e:
        raise DataError("rows must hold numbers", place="X", cause=str(e)) from None
    if rows.ndim != 2 or rows.shape[1] != width:
        raise DataError(
            f"rows must be [N, {width}]",
            place="X",
            value=rows.shape,
            hint="One row is X[None]." if rows.ndim == 1 else None,
        )
    return rows


def read_mixed(X: Any, facts: Facts) -> dict[str, npt.NDArray[Any]]:
    """Return rows as the inputs of a graph that takes float64 and texts.

    Args:
        X: As in `read_given_rows`.
        facts: Which columns are numbers, and which are texts.

    Raises:
        DataError: As `read_given_rows`; or a value is missing where the model takes none.
    """
    numbers = facts.numbers or ()
    if isinstance(X, Mapping) or (hasattr(X, "columns") and hasattr(X, "__getitem__")):
        columns = _columns(X, facts.feature_names, (*numbers, *facts.texts), facts.categories)
    else:
        rows = np.asarray(X, object if facts.texts else None)
        if rows.ndim != 2 or rows.shape[1] != facts.n_features:
            hint = "One row is X[None]." if rows.ndim == 1 else None
            raise DataError(f"rows must be [N, {facts.n_features}]", place="X", value=rows.shape, hint=hint)
        columns = {i: rows[:, i] for i in (*numbers, *facts.texts)}
    feed: dict[str, npt.NDArray[Any]] = {}
    if numbers:
        feed[NUMBERS] = np.stack([_number(columns[i], i, facts) for i in numbers], axis=1)
    if facts.texts:
        feed[TEXTS] = np.stack([_text(columns[i], i, facts) for i in facts.texts], axis=1)
    return feed


def _columns(
    X: Any, names: Sequence[str] | None, wanted: Sequence[int], categories: Known
) -> dict[int, npt.NDArray[Any]]:
    present = {str(name): name for name in (X if isinstance(X, Mapping) else X.columns)}
    known = list(names or present)
    missing = [known[i] for i in wanted if i >= len(known) or known[i] not in present]
    if missing:
        raise DataError("a dataframe must have the model's columns", place="X", value=missing[:5])
    found = _numbered(X, [present[known[i]] for i in wanted], categories)
    return dict(zip(wanted, found, strict=True))


def _name(i: int, facts: Facts) -> str:
    return f"X[{facts.feature_names[i]!r}]" if facts.feature_names else f"X[:, {i}]"


def _number(values: npt.NDArray[Any], i: int, facts: Facts) -> npt.NDArray[np.float64]:
    try:
        found = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as e:
        raise DataError("a column must hold numbers", place=_name(i, facts), cause=str(e)) from None
    bad = ~np.isfinite(found)
    for test, able in ((np.isnan, facts.missing), (np.isinf, facts.infinite)):
        if able is not None and able[i]:
            bad &= ~test(found)
    if bad.any():
        value = float(found[bad][0])
        raise DataError("a column must be finite", place=_name(i, facts), value=value)
    return found


def _text(values: npt.NDArray[Any], i: int, facts: Facts) -> npt.NDArray[Any]:
    found = np.array([MISSING_TEXT if _absent(v) else v for v in values.tolist()], object)
    wrong = [v for v in found.tolist() if not isinstance(v, str)]
    if wrong:
        raise DataError("a column must hold texts", place=_name(i, facts), value=wrong[0])
    if not (facts.missing and facts.missing[i]) and (found == MISSING_TEXT).any():
        raise DataError("a text must not be missing", place=_name(i, facts))
    return found


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NAType"


def _by_name(X: Any, names: Sequence[str] | None, categories: Known) -> npt.NDArray[Any]:
    present = {str(name): name for name in (X if isinstance(X, Mapping) else X.columns)}
    missing = [name for name in names or () if name not in present]
    if missing:
        raise DataError("a dataframe must have the model's columns", place="X", value=missing[:5])
    columns = _numbered(X, [present[name] for name in (names or present)], categories)
    if len({len(c) for c in columns}) > 1:
        raise DataError("columns must be of one length", place="X")
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def _numbered(X: Any, names: Sequence[Any], categories: Known) -> list[npt.NDArray[Any]]:
    """Return the columns of a dataframe, those of categories by the numbers that they had in training.

    A value that training did not know is missing, as LightGBM has it; XGBoost would raise.
    """
    columns = [X[name] for name in names]
    sets = [i for i, column in enumerate(columns) if _of_categories(column)]
    found = [np.asarray(column) for column in columns]
    if categories is None or not sets:
        return found
    if len(sets) != len(categories):
        raise DataError(
            f"a dataframe must have the model's {counted(len(categories), 'column')} of categories",
            place="X",
            value=[names[i] for i in sets][:5],
            hint="Pass the numbers of the categories (Series.cat.codes) where the model records none.",
        )
    for i, known in zip(sets, categories, strict=True):
        number = {value: float(k) for k, value in enumerate(known)}
        found[i] = np.array([number.get(value, np.nan) for value in found[i].tolist()], np.float64)
    return found


def _of_categories(column: Any) -> bool:
    """Whether a column is pandas' `category`, or polars' Categorical or Enum."""
    return str(getattr(column, "dtype", "")).split("(")[0] in ("category", "Categorical", "Enum")
