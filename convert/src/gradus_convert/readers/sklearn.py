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
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.trees import NodeTable, assemble, check_classes

__all__ = ["nameless", "names_of", "node_table", "read", "read_regressor"]


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted forest or tree classifier.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule.
    """
    if model.n_outputs_ != 1:
        raise InexactModelError("a model must have one target", place=place, value="multi-output")
    check_classes(int(model.n_classes_), place)
    estimators = getattr(model, "estimators_", [model])
    trees = []
    for estimator in estimators:
        counts = estimator.tree_.value[:, 0, : model.n_classes_]
        trees.append(node_table(estimator.tree_, counts / counts.sum(axis=1, keepdims=True), -1))
    forest = assemble(
        trees,
        base=np.zeros(model.n_classes_),
        n_features=model.n_features_in_,
        n_outputs=int(model.n_classes_),
        link="identity",
        scale=1.0 / len(trees),
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
        feature_names=names_of(model),
    )


def read_regressor(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted forest or tree regressor, of one target or several.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule.
    """
    estimators, targets = getattr(model, "estimators_", [model]), int(model.n_outputs_)
    trees = [node_table(e.tree_, e.tree_.value[:, :, 0], 0 if targets == 1 else -1) for e in estimators]
    forest = assemble(
        trees,
        base=np.zeros(targets),
        n_features=model.n_features_in_,
        n_outputs=targets,
        link="identity",
        scale=1.0 / len(trees),
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
        feature_names=names_of(model),
    )


def names_of(model: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that an estimator was fitted with."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def node_table(tree: Any, values: npt.NDArray[np.float64], output: int) -> NodeTable:
    """Take over the arrays of a `sklearn.tree._tree.Tree`; `values` is float64 [n, K]."""
    is_leaf = tree.children_left < 0
    return NodeTable(
        left=tree.children_left,
        right=tree.children_right,
        feature=np.where(is_leaf, -1, tree.feature),
        threshold=np.where(is_leaf, np.float32(0), at_most(np.where(is_leaf, 0.0, tree.threshold))),
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
