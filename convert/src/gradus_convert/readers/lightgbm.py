"""LightGBM: scikit-learn wrapper, Booster and text model to a Forest.

The text format is the source: `Booster.model_to_string` writes thresholds and leaf values with 17 digits,
which read back as the same float64. Layout: LightGBM's src/io/gbdt_model_text.cpp and src/io/tree.cpp.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link
from gradus_convert.forest.rounding import at_most_with_zero_band
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.trees import NodeTable, assemble
from gradus_runtime.errors import DataError

__all__ = ["read", "read_file"]

_CATEGORICAL = 1
_MISSING_IS_ZERO = 1


def read_file(path: Path) -> NativeModel:
    """Read a text model.

    Raises:
        DataError: LightGBM cannot read it.
        InexactModelError: As `read`.
    """
    import lightgbm

    try:
        booster = lightgbm.Booster(model_file=path)
    except lightgbm.basic.LightGBMError as e:
        raise DataError("a LightGBM model must be readable", place=str(path), cause=str(e)) from None
    return read(booster, place=str(path))


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Lower an `LGBMClassifier` or a `Booster`, at its best iteration.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule and the tree.
    """
    booster = getattr(model, "booster_", model)
    stop = booster.best_iteration if booster.best_iteration > 0 else None
    text = booster.model_to_string(num_iteration=stop)
    forest = _forest(text, place)
    per_round = forest.n_outputs

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        p = np.asarray(booster.predict(X, num_iteration=stop, validate_features=False), np.float64)
        return np.stack([1.0 - p, p], axis=1) if forest.link == "sigmoid" else p

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        rounds = range(trees.start // per_round, trees.stop // per_round)
        ids = booster.predict(
            X,
            start_iteration=rounds.start,
            num_iteration=len(rounds),
            pred_leaf=True,
            validate_features=False,
        )
        return np.asarray(ids, np.int64).reshape(len(X), len(trees))

    labels = tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None
    return NativeModel(
        "lightgbm", model, forest, probabilities, leaves, per_round, labels, reads_float64=True
    )


def _forest(text: str, place: str) -> Forest:
    head, *blocks = text.split("\nTree=")
    header = _fields(head)
    link, sigmoid = _link(header.get("objective", "(none)"), place)
    per_iteration = int(header["num_tree_per_iteration"])
    trees = [_tree(_fields(b), i % per_iteration, f"{place}: tree {i}") for i, b in enumerate(blocks)]
    averaged = "average_output" in header
    return assemble(
        trees,
        base=np.zeros(per_iteration),
        n_features=int(header["max_feature_idx"]) + 1,
        n_outputs=per_iteration,
        link=link,
        scale=sigmoid * (per_iteration / len(trees) if averaged and trees else 1.0),
    )


def _fields(block: str) -> dict[str, str]:
    fields = {}
    for line in block.splitlines():
        if line == "end of trees":
            break
        key, _, value = line.partition("=")
        fields[key] = value
    return fields


def _link(objective: str, place: str) -> tuple[Link, float]:
    """The link and the factor on the margin (LightGBM's parameter `sigmoid`)."""
    name, *options = objective.split()
    if name == "multiclass":
        return "softmax", 1.0
    if name == "binary":
        named = dict(o.split(":", 1) for o in options if ":" in o)
        return "sigmoid", float(named.get("sigmoid", 1.0))
    raise InexactModelError(
        "objective must be binary or multiclass",
        place=place,
        value=name,
        hint="multiclassova's probabilities do not sum to 1; others give no class probabilities.",
    )


def _tree(fields: dict[str, str], output: int, place: str) -> NodeTable:
    if fields.get("is_linear", "0") != "0":
        raise InexactModelError(
            "leaves must be constants", place=place, value="linear_tree", hint="Train with linear_tree=False."
        )
    n_leaves = int(fields["num_leaves"])
    n_splits = n_leaves - 1

    def column(key: str, dtype: type) -> npt.NDArray[Any]:
        return np.array(fields[key].split(), dtype=dtype)[:n_splits]

    kind = column("decision_type", np.int64)
    if int(fields.get("num_cat", "0")) or (kind & _CATEGORICAL).any():
        raise InexactModelError(
            "splits must compare numbers",
            place=place,
            value="categorical split",
            hint="Train without categorical_feature: encode categories as numbers.",
        )
    if ((kind >> 2) & 3 == _MISSING_IS_ZERO).any():
        raise InexactModelError(
            "zero must be a number like others",
            place=place,
            value="zero_as_missing",
            hint="Train with zero_as_missing=False.",
        )
    leaves = np.arange(n_leaves)
    child = {
        key: np.where(c >= 0, c, n_splits - c - 1)
        for key in ("left_child", "right_child")
        for c in (column(key, np.int64),)
    }
    pad = np.zeros(n_leaves, np.int64)
    return NodeTable(
        left=np.concatenate([child["left_child"], pad]),
        right=np.concatenate([child["right_child"], pad]),
        feature=np.concatenate([column("split_feature", np.int64), pad - 1]),
        threshold=np.concatenate(
            [at_most_with_zero_band(column("threshold", np.float64)), pad.astype(np.float32)]
        ),
        values=np.concatenate([np.zeros(n_splits), np.array(fields["leaf_value"].split(), np.float64)])[
            :, None
        ],
        native_leaf=np.concatenate([np.full(n_splits, -1), leaves]),
        output=output,
    )
