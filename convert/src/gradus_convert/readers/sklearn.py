"""scikit-learn's trees and forests (RandomForest, ExtraTrees), classifiers and regressors, to a Forest.

`sklearn.tree._tree.Tree` compares float32 inputs with float64 thresholds by `<=`, and predict_proba is the
mean over trees of each leaf's class fractions, predict of a regressor that of its values.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.rounding import at_most
from gradus_convert.forest.views import ViewTable
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.trees import NodeTable, assemble, check_classes, default_sides

__all__ = ["feature_names_of", "nameless", "node_table", "read", "read_regressor", "takes"]


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted forest or tree classifier.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule.
    """
    if model.n_outputs_ != 1:
        raise InexactModelError("a model must have one target", place=place, value="multi-output")
    check_classes(int(model.n_classes_), place)
    estimators, table = getattr(model, "estimators_", [model]), ViewTable(model.n_features_in_)
    able, trees = takes(model.predict_proba, np.nan, model.n_features_in_), []
    for estimator in estimators:
        counts = estimator.tree_.value[:, 0, : model.n_classes_]
        fractions = counts / counts.sum(axis=1, keepdims=True)
        trees.append(node_table(estimator.tree_, fractions, -1, missing=None if able is None else table))
    forest = assemble(
        trees,
        base=np.zeros(model.n_classes_),
        n_features=model.n_features_in_,
        n_outputs=int(model.n_classes_),
        link="identity",
        scale=1.0 / len(trees),
        views=table.views,
    )

    in_order = copy.copy(model)
    if hasattr(model, "n_jobs"):
        in_order.n_jobs = 1  # threads add up the trees as they finish: other bits every time

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.asarray(nameless(in_order.predict_proba, X), np.float64)

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        return np.stack([estimators[i].tree_.apply(X) for i in trees], axis=1).astype(np.int64)

    return NativeModel(
        "sklearn",
        model,
        forest,
        probabilities,
        leaves,
        1,
        tuple(model.classes_.tolist()),
        predict=lambda X: np.asarray(nameless(in_order.predict, X)),
        feature_names=feature_names_of(model),
        missing=able,
    )


def read_regressor(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted forest or tree regressor, of one target or several.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule.
    """
    estimators, targets = getattr(model, "estimators_", [model]), int(model.n_outputs_)
    table, output = ViewTable(model.n_features_in_), 0 if targets == 1 else -1
    able = takes(model.predict, np.nan, model.n_features_in_)
    views = None if able is None else table
    trees = [node_table(e.tree_, e.tree_.value[:, :, 0], output, missing=views) for e in estimators]
    forest = assemble(
        trees,
        base=np.zeros(targets),
        n_features=model.n_features_in_,
        n_outputs=targets,
        link="identity",
        scale=1.0 / len(trees),
        views=table.views,
    )
    in_order = copy.copy(model)
    if hasattr(model, "n_jobs"):
        in_order.n_jobs = 1

    def values(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.asarray(nameless(in_order.predict, X), np.float64).reshape(len(X), targets)

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        return np.stack([estimators[i].tree_.apply(X) for i in trees], axis=1).astype(np.int64)

    return NativeModel(
        "sklearn",
        model,
        forest,
        values,
        leaves,
        1,
        None,
        task="values",
        predicts="values",
        feature_names=feature_names_of(model),
        missing=able,
    )


def feature_names_of(model: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that an estimator was fitted with."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def takes(predict: Any, value: float, width: int) -> npt.NDArray[np.bool_] | None:
    """Return whether rows may hold a value, in any column: bool [width], None if not. Asks the estimator."""
    try:
        nameless(predict, np.full((1, width), value, np.float32))
    except ValueError:
        return None
    return np.ones(width, np.bool_)


def node_table(
    tree: Any, values: npt.NDArray[np.float64], output: int, *, missing: ViewTable | None = None
) -> NodeTable:
    """Take over the arrays of a `sklearn.tree._tree.Tree`.

    Args:
        tree: The tree.
        values: float64 [n, K].
        output: As in `NodeTable`.
        missing: Views are added to, which send NaN to the side of each split; None if rows have no NaN.
    """
    is_leaf = tree.children_left < 0
    feature = np.where(is_leaf, -1, tree.feature)
    threshold = np.where(is_leaf, np.float32(0), at_most(np.where(is_leaf, 0.0, tree.threshold)))
    if missing is not None and hasattr(tree, "missing_go_to_left"):
        split, side = np.flatnonzero(~is_leaf), np.asarray(tree.missing_go_to_left, np.bool_)
        feature[split], threshold[split] = default_sides(
            missing, feature[split], threshold[split], side[split]
        )
    return NodeTable(
        left=tree.children_left,
        right=tree.children_right,
        feature=feature,
        threshold=threshold,
        values=values,
        native_leaf=np.arange(tree.node_count),
        output=output,
    )


def nameless(method: Any, X: npt.NDArray[Any]) -> Any:
    """Call a method of an estimator that may have been fitted with column names, by position."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return method(X)
