"""LightGBM: scikit-learn wrapper, Booster and text model to a Forest.

The text format is the source: `Booster.model_to_string` writes thresholds and leaf values with 17 digits,
which read back as the same float64. Layout: LightGBM's src/io/gbdt_model_text.cpp and src/io/tree.cpp.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link
from gradus_convert.forest.rounding import at_most, at_most_with_zero_band
from gradus_convert.forest.views import LEFT_OF, CategoryView, FilledView, ViewTable
from gradus_convert.readers.native import NativeModel, Predicts, Task
from gradus_convert.readers.trees import NodeTable, assemble, default_sides
from gradus_runtime.errors import DataError

__all__ = ["read", "read_file"]

_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_NO_MISSING, _ZERO_MISSING, _NAN_MISSING = 0, 1, 2
_ZERO_BAND = float(np.float32(1e-35))
_MOST_CATEGORIES = 1 << 20


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
    """Lower an `LGBMClassifier`, an `LGBMRegressor` or a `Booster`, at its best iteration.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule and the tree.
    """
    booster = getattr(model, "booster_", model)
    stop = booster.best_iteration if booster.best_iteration > 0 else None
    text = booster.model_to_string(num_iteration=stop)
    head = _head(_fields(text.split("\nTree=")[0]).get("objective", "custom"), place)
    forest = _forest(text, head, place)
    per_round = forest.n_outputs

    def predict(X: npt.NDArray[np.float32], **kind: Any) -> npt.NDArray[np.float64]:
        options = {"num_iteration": stop, "validate_features": False} | kind
        return np.asarray(booster.predict(X, **options), np.float64)

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        p = predict(X)
        return np.stack([1.0 - p, p], axis=1) if forest.link == "sigmoid" else p.reshape(len(X), per_round)

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return predict(X, raw_score=True).reshape(len(X), per_round)

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        rounds = range(trees.start // per_round, trees.stop // per_round)
        ids = predict(X, start_iteration=rounds.start, num_iteration=len(rounds), pred_leaf=True)
        return ids.astype(np.int64).reshape(len(X), len(trees))

    everywhere = np.ones(forest.n_features, np.bool_)
    return NativeModel(
        "lightgbm",
        model,
        forest,
        probabilities,
        leaves,
        per_round,
        tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None,
        reads_float64=True,
        task=head.task,
        predicts=_predicts(model, head),
        predict=_own_predict(model) if hasattr(model, "classes_") else None,
        margins=margins,
        margin_scale=forest.scale,
        feature_names=_given_names(booster.feature_name()),
        missing=everywhere,
        infinite=everywhere,
        landmarks=_categories(text),
        categories=tuple(tuple(known) for known in booster.pandas_categorical or ()),
    )


def _categories(text: str) -> dict[int, list[float]]:
    """The categories that each column had in training, of the header's "0:1:2"; numbers have "[0:9]"."""
    infos = _fields(text.split("\nTree=")[0]).get("feature_infos", "").split()
    lists = {i: info.split(":") for i, info in enumerate(infos) if info[:1] not in ("[", "n")}
    return {i: [float(category) for category in found] for i, found in lists.items()}


def _predicts(model: Any, head: _Head) -> Predicts:
    if head.task == "values":
        return "values"
    if hasattr(model, "classes_"):
        return "labels"
    return "positive" if head.link == "sigmoid" else "probabilities"


def _own_predict(model: Any) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]:
    def predict(X: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return np.asarray(model.predict(X, validate_features=False))

    return predict


def _given_names(names: list[str]) -> tuple[str, ...] | None:
    """Return the columns' names unless they are those that LightGBM makes up."""
    return None if names == [f"Column_{i}" for i in range(len(names))] else tuple(names)


def _forest(text: str, head: _Head, place: str) -> Forest:
    start, *blocks = text.split("\nTree=")
    header = _fields(start)
    per_iteration = int(header["num_tree_per_iteration"])
    n_features = int(header["max_feature_idx"]) + 1
    table = ViewTable(n_features)
    trees = [_tree(_fields(b), i % per_iteration, table, f"{place}: tree {i}") for i, b in enumerate(blocks)]
    averaged = "average_output" in header
    return assemble(
        trees,
        base=np.zeros(per_iteration),
        n_features=n_features,
        n_outputs=per_iteration,
        link=head.link,
        scale=head.sigmoid * (per_iteration / len(trees) if averaged and trees else 1.0),
        views=table.views,
        infinite=np.ones(n_features, np.bool_),
    )


def _fields(block: str) -> dict[str, str]:
    fields = {}
    for line in block.splitlines():
        if line == "end of trees":
            break
        key, _, value = line.partition("=")
        fields[key] = value
    return fields


@dataclass(frozen=True, slots=True)
class _Head:
    """What an objective makes of the sums; `sigmoid` multiplies the margin (LightGBM's parameter)."""

    task: Task
    link: Link
    sigmoid: float = 1.0


_CLASSES: Mapping[str, Link] = {"binary": "sigmoid", "multiclass": "softmax", "multiclassova": "sigmoids"}
_VALUES: Mapping[str, Link] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    **dict.fromkeys(("lambdarank", "rank_xendcg", "custom"), "identity"),
    "cross_entropy": "logistic",
}


def _head(objective: str, place: str) -> _Head:
    """Read an objective as the text model has it: `src/objective/*.hpp`, `ToString` and `ConvertOutput`."""
    name, *options = objective.split()
    named = dict(o.split(":", 1) for o in options if ":" in o)
    if name in _CLASSES:
        return _Head("classes", _CLASSES[name], float(named.get("sigmoid", 1.0)))
    if name in _VALUES:
        return _Head("values", "square" if "sqrt" in options else _VALUES[name])
    raise InexactModelError(
        f"objective must be one of {', '.join([*_CLASSES, *_VALUES])}", place=place, value=name
    )


def _tree(fields: dict[str, str], output: int, table: ViewTable, place: str) -> NodeTable:
    if fields.get("is_linear", "0") != "0":
        raise InexactModelError(
            "leaves must be constants", place=place, value="linear_tree", hint="Train with linear_tree=False."
        )
    n_leaves = int(fields["num_leaves"])
    n_splits = n_leaves - 1

    def column(key: str, dtype: type) -> npt.NDArray[Any]:
        return np.array(fields[key].split(), dtype=dtype)[:n_splits]

    leaves = np.arange(n_leaves)
    child = {
        key: np.where(c >= 0, c, n_splits - c - 1)
        for key in ("left_child", "right_child")
        for c in (column(key, np.int64),)
    }
    kind, feature = column("decision_type", np.int64), column("split_feature", np.int64)
    bounds = column("threshold", np.float64)
    seen, threshold = _numeric(table, feature, bounds, kind)
    for i in np.flatnonzero(kind & _CATEGORICAL):
        seen[i] = table.column(_category(fields, int(feature[i]), int(bounds[i]), place))
        threshold[i] = LEFT_OF
    pad = np.zeros(n_leaves, np.int64)
    return NodeTable(
        left=np.concatenate([child["left_child"], pad]),
        right=np.concatenate([child["right_child"], pad]),
        feature=np.concatenate([seen, pad - 1]),
        threshold=np.concatenate([threshold, pad.astype(np.float32)]),
        values=np.concatenate([np.zeros(n_splits), np.array(fields["leaf_value"].split(), np.float64)])[
            :, None
        ],
        native_leaf=np.concatenate([np.full(n_splits, -1), leaves]),
        output=output,
    )


def _numeric(
    table: ViewTable,
    feature: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.float64],
    kind: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return columns and thresholds as if every split were numeric (`Tree::NumericalDecision`).

    By a split's missing type: none takes NaN for 0; zero takes NaN for 0 and sends 0 to the default side; NaN
    sends NaN there. Every abs(x) <= 1e-35 is 0.
    """
    seen, threshold = np.zeros(len(feature), np.int64), at_most_with_zero_band(bounds)
    default_left, missing = kind & _DEFAULT_LEFT != 0, (kind >> 2) & 3
    for type_ in (_NO_MISSING, _ZERO_MISSING, _NAN_MISSING):
        here = np.flatnonzero(missing == type_)
        if type_ == _NO_MISSING:
            columns, which = np.unique(feature[here], return_inverse=True)
            seen[here] = table.columns([FilledView(c, 0.0) for c in columns.tolist()], which)
            continue
        band = {"low": -_ZERO_BAND, "high": _ZERO_BAND} if type_ == _ZERO_MISSING else {}
        at = at_most(bounds[here]) if type_ == _ZERO_MISSING else threshold[here]
        seen[here], threshold[here] = default_sides(table, feature[here], at, default_left[here], **band)
    return seen, threshold


def _category(fields: dict[str, str], feature: int, index: int, place: str) -> CategoryView:
    """Return the view of a split's set (`Tree::CategoricalDecision`): its categories go left.

    A category is the value without its fraction. NaN, categories below 0 and those outside go right.
    """
    bounds = fields["cat_boundaries"].split()
    words = fields["cat_threshold"].split()[int(bounds[index]) : int(bounds[index + 1])]
    bits = np.unpackbits(np.array(words, np.uint32).astype("<u4").view(np.uint8), bitorder="little")
    members = np.flatnonzero(bits)
    size = int(members[-1]) + 1 if len(members) else 0
    if size > _MOST_CATEGORIES:
        raise InexactModelError(
            f"a category must be below {_MOST_CATEGORIES}",
            place=place,
            value=size - 1,
            hint="Number the categories from 0.",
        )
    sides = np.concatenate([[1, 1], 1 - bits[:size], [1]])
    return CategoryView(feature, "truncated", sides.astype(np.uint8).tobytes())
