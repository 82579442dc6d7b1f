"""Fitted scikit-learn transformers as blocks of columns, or refused by name."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.preparation.pipeline_steps import (
    MISSING_TEXT,
    Block,
    Coded,
    Computed,
    Filled,
    JoinedBlocks,
    Missing,
    Numbers,
    Picked,
    TextColumns,
    width,
)

__all__ = ["Raw", "as_numbers", "read_step"]


@dataclass(frozen=True, slots=True)
class Raw:
    """Columns of the user's rows of which no step has said yet whether they are numbers or texts."""

    columns: tuple[int, ...]


Input = Raw | Block
Float64 = npt.NDArray[np.float64]


def as_numbers(block: Input) -> Block:
    """Take columns as numbers."""
    return Numbers(block.columns) if isinstance(block, Raw) else block


def read_step(step: Any, block: Input, place: str) -> Input:
    """Return what a fitted transformer makes of a block.

    Args:
        step: The transformer, or "passthrough".
        block: What goes in.
        place: How errors name it.

    Raises:
        InexactModelError: It has no exact form; the message names it.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return block
    name = type(step).__name__
    reader = _READERS.get(name)
    if reader is None and hasattr(step, "get_support"):
        reader = _selected
    if reader is None or not type(step).__module__.startswith("sklearn."):
        raise InexactModelError(
            f"a step of a pipeline must be one of {', '.join(sorted(_READERS))} or a selection of columns",
            place=place,
            value=name,
            hint="Compute it before the pipeline, and train on its result.",
        )
    return reader(step, block, f"{place}: {name}")


def _count(block: Input) -> int:
    return len(block.columns) if isinstance(block, Raw) else width(block)


def _pick(block: Input, columns: Sequence[int]) -> Input:
    if isinstance(block, Raw):
        return Raw(tuple(block.columns[i] for i in columns))
    if isinstance(block, TextColumns):
        return TextColumns(tuple(block.columns[i] for i in columns), tuple(block.fills[i] for i in columns))
    return Picked(block, tuple(int(i) for i in columns))


def _joined(parts: Sequence[Input], place: str) -> Input:
    """Put blocks side by side; those that are columns of the rows stay so."""
    kept = [p for p in parts if _count(p)]
    if not kept:
        raise InexactModelError("a step must leave a column", place=place)
    if len(kept) == 1:
        return kept[0]
    if all(isinstance(p, Raw) for p in kept):
        return Raw(tuple(c for p in kept if isinstance(p, Raw) for c in p.columns))
    if any(isinstance(p, TextColumns) for p in kept):
        raise InexactModelError(
            "texts must be encoded by the step that takes them",
            place=place,
            hint="Put imputer and encoder of texts into one pipeline of the ColumnTransformer.",
        )
    return JoinedBlocks(tuple(as_numbers(p) for p in kept))


def _refuse(rule: str, place: str, value: object) -> InexactModelError:
    return InexactModelError(rule, place=place, value=value)


# ---------------------------------------------------------------- steps of steps


def _pipeline(step: Any, block: Input, place: str) -> Input:
    for name, inner in step.steps:
        block = read_step(inner, block, f"{place}: {name}")
    return block


def _columns(step: Any, block: Input, place: str) -> Input:
    if step.transformer_weights:
        raise _refuse("transformer_weights must be None", place, "ColumnTransformer")
    parts = []
    for name, inner, _ in step.transformers_:
        indices = step._transformer_to_input_indices[name]
        if isinstance(inner, str) and inner == "drop":
            continue
        if len(indices):
            parts.append(read_step(inner, _pick(block, list(indices)), f"{place}: {name}"))
    return _joined(parts, place)


def _union(step: Any, block: Input, place: str) -> Input:
    if step.transformer_weights:
        raise _refuse("transformer_weights must be None", place, "FeatureUnion")
    inner = [(n, t) for n, t in step.transformer_list if not (isinstance(t, str) and t == "drop")]
    return _joined([read_step(t, block, f"{place}: {n}") for n, t in inner], place)


# ---------------------------------------------------------------- missing values


def _imputer(step: Any, block: Input, place: str) -> Input:
    if not _is_missing(step.missing_values):
        raise _refuse("missing_values must be NaN or None", place, step.missing_values)
    statistics = np.asarray(step.statistics_)
    if statistics.dtype == object and any(isinstance(v, str) for v in statistics):
        return _text_imputer(step, block, place)
    values = statistics.astype(np.float64)
    numeric = as_numbers(block)
    kept = np.flatnonzero(~np.isnan(values))
    if len(kept) < len(values):  # columns without any value are left out
        filled: Block = Filled(Picked(numeric, tuple(kept.tolist())), values[kept])
    else:
        filled = Filled(numeric, values)
    if step.indicator_ is None:
        return filled
    return JoinedBlocks((filled, _indicated(step.indicator_, numeric)))


def _indicated(indicator: Any, numeric: Block) -> Block:
    return Missing(Picked(numeric, tuple(int(i) for i in indicator.features_)))


def _text_imputer(step: Any, block: Input, place: str) -> Input:
    if step.indicator_ is not None:
        raise _refuse("add_indicator must be False for texts", place, step.add_indicator)
    if not isinstance(block, Raw | TextColumns):
        raise _refuse("an imputer of texts must come first", place, "texts")
    before = block.fills if isinstance(block, TextColumns) else (None,) * len(block.columns)
    fills = [str(v) for v in step.statistics_]
    return TextColumns(
        block.columns, tuple(b if b is not None else f for b, f in zip(before, fills, strict=True))
    )


def _indicator(step: Any, block: Input, place: str) -> Input:
    if not _is_missing(step.missing_values):
        raise _refuse("missing_values must be NaN", place, step.missing_values)
    return _indicated(step, as_numbers(block))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, numbers.Real) and bool(np.isnan(float(value))))


# ---------------------------------------------------------------- scalers


def _computed(block: Block, *steps: tuple[Any, npt.ArrayLike | None]) -> Block:
    for operator, operand in steps:
        if operand is not None:
            values = np.broadcast_to(np.asarray(operand, np.float64), (width(block),))
            block = Computed(block, operator, values)
    return block


def _standard(step: Any, block: Input, place: str) -> Input:
    mean, scale = (step.mean_ if step.with_mean else None), (step.scale_ if step.with_std else None)
    return _computed(as_numbers(block), ("Sub", mean), ("Div", scale))


def _min_max(step: Any, block: Input, place: str) -> Input:
    low, high = step.feature_range if step.clip else (None, None)
    return _computed(as_numbers(block), ("Mul", step.scale_), ("Add", step.min_), ("Max", low), ("Min", high))


def _max_abs(step: Any, block: Input, place: str) -> Input:
    if getattr(step, "clip", False):
        raise _refuse("clip must be False", place, True)
    return _computed(as_numbers(block), ("Div", step.scale_))


def _robust(step: Any, block: Input, place: str) -> Input:
    return _computed(as_numbers(block), ("Sub", step.center_), ("Div", step.scale_))


def _binarizer(step: Any, block: Input, place: str) -> Input:
    return _computed(as_numbers(block), ("Greater", step.threshold))


def _function(step: Any, block: Input, place: str) -> Input:
    if step.func is not None:
        raise InexactModelError(
            "a custom function has no exact form",
            place=place,
            value=getattr(step.func, "__name__", "func"),
            hint="Compute it before the pipeline, and train on its result.",
        )
    return block


def _selected(step: Any, block: Input, place: str) -> Input:
    return _pick(block, np.flatnonzero(step.get_support()).tolist())


# ---------------------------------------------------------------- categories


def _encoder(step: Any, block: Input, place: str) -> Input:
    """One-hot, ordinal and target encoders: what the encoder itself makes of each category is the table."""
    known = [np.asarray(c, object if np.asarray(c).dtype.kind in "OUS" else None) for c in step.categories_]
    sizes = _output_sizes(step, len(known))
    ends = np.cumsum([0, *sizes])
    parts: list[Block] = []
    for j, categories in enumerate(known):
        rows = _varied(known, j)
        table = _dense(step.transform(rows))[:, ends[j] : ends[j + 1]]
        table = np.concatenate([table, _unknown(step, known, j)[:, ends[j] : ends[j + 1]]])
        if sizes[j]:
            parts.append(Coded(_one(block, j, categories, place), _keys(categories, place), table))
    return _joined(parts, place)


def _output_sizes(step: Any, count: int) -> list[int]:
    if type(step).__name__ == "OneHotEncoder":
        return [int(n) for n in step._n_features_outs]
    return [1] * count


def _varied(known: Sequence[npt.NDArray[Any]], j: int) -> npt.NDArray[Any]:
    """Rows with every category of one column, the first of all others."""
    kind = object if any(c.dtype == object for c in known) else np.float64
    rows = np.empty((len(known[j]), len(known)), kind)
    for i, categories in enumerate(known):
        rows[:, i] = categories if i == j else categories[0]
    return rows


def _unknown(step: Any, known: Sequence[npt.NDArray[Any]], j: int) -> Float64:
    """What an unknown category becomes: 0 throughout where the encoder raises."""
    total = int(sum(_output_sizes(step, len(known))))
    if getattr(step, "handle_unknown", "ignore") == "error":
        return np.zeros((1, total))
    row = _varied(known, j)[:1].copy()
    row[0, j] = "\x00unknown" if known[j].dtype == object else 1.6e308
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _dense(step.transform(row))


def _dense(values: Any) -> Float64:
    found = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(found, np.float64)


def _one(block: Input, j: int, categories: npt.NDArray[Any], place: str) -> Block:
    text = any(isinstance(c, str) for c in categories)
    picked = _pick(block, [j])
    if not text:
        if isinstance(picked, TextColumns):
            raise _refuse("categories must be texts where the imputer's are", place, "numbers")
        return as_numbers(picked)
    if isinstance(picked, Raw):
        return TextColumns(picked.columns, (None,))
    if isinstance(picked, TextColumns):
        return picked
    raise _refuse("texts must come from the rows", place, "texts")


def _keys(categories: npt.NDArray[Any], place: str) -> tuple[str, ...] | tuple[float, ...]:
    values = categories.tolist()
    if any(isinstance(c, str) for c in values):
        keys = [MISSING_TEXT if _is_missing(c) else c for c in values]
        if not all(isinstance(c, str) for c in keys):
            raise _refuse("categories of one column must be texts or numbers, not both", place, values[:5])
        return tuple(str(c) for c in keys)
    if not all(c is None or isinstance(c, numbers.Real) for c in values):
        raise _refuse("categories must be texts or numbers", place, values[:5])
    return tuple(float("nan") if c is None else float(c) for c in values)


_READERS: Mapping[str, Callable[[Any, Input, str], Input]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _columns,
    "FeatureUnion": _union,
    "SimpleImputer": _imputer,
    "MissingIndicator": _indicator,
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "Binarizer": _binarizer,
    "FunctionTransformer": _function,
    "OneHotEncoder": _encoder,
    "OrdinalEncoder": _encoder,
}
