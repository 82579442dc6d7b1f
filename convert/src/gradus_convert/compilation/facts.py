"""What a compiled model takes and answers, beside its graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.readers.native import NativeModel, Predicts, Task

__all__ = ["Facts", "columns", "facts_of"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the graph does not say by itself.

    Attributes:
        source: The library that trained the model, or "onnx".
        task: "classes" or "values".
        predicts: What `predict` gives, as in `NativeModel`.
        labels: Of classes, as the user named them; None: their numbers.
        feature_names: Of the columns, where the model knows them.
        n_features: Columns of a row; 0 where that is not known.
        trees: How many the model has.
        nodes: Likewise.
        missing: By column, whether it may be NaN; None: none may.
        infinite: By column, whether it may be infinite; None: none may.
        numbers: The columns of the user's rows that the input float64 `features` has; None where that is
            float32 and has all.
        texts: Those that the input `texts` has.
        categories: As in `NativeModel`.
    """

    source: str
    task: Task
    predicts: Predicts
    labels: tuple[object, ...] | None
    feature_names: tuple[str, ...] | None
    n_features: int
    trees: int
    nodes: int
    missing: tuple[bool, ...] | None = None
    infinite: tuple[bool, ...] | None = None
    numbers: tuple[int, ...] | None = None
    texts: tuple[int, ...] = ()
    categories: tuple[tuple[object, ...], ...] | None = None


def facts_of(native: NativeModel) -> Facts:
    """Return the facts of a model that a reader has read."""
    form = native.lowered
    return Facts(
        native.library,
        native.task,
        native.predicts,
        native.labels,
        native.feature_names,
        form.n_features,
        getattr(form, "n_trees", 0),
        getattr(form, "n_nodes", 0),
        None if native.missing is None else tuple(native.missing.tolist()),
        None if native.infinite is None else tuple(native.infinite.tolist()),
        categories=native.categories,
    )


def columns(mask: npt.NDArray[np.bool_] | None) -> tuple[int, ...]:
    """Return the numbers of the columns that a mask names."""
    return () if mask is None else tuple(np.flatnonzero(mask).tolist())
