"""scikit-learn's DecisionTree, ExtraTree, RandomForest and ExtraTrees classifiers to a Forest.

`sklearn.tree._tree.Tree` compares float32 inputs with float64 thresholds by `<=`, and predict_proba is the
mean over trees of each leaf's class fractions.
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

__all__ = ["node_table", "read"]


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
        return np.asarray(_nameless(in_order.predict_proba, X), np.float64)

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        return np.stack([estimators[i].tree_.apply(X) for i in trees], axis=1).astype(np.int64)

    return NativeModel("sklearn", model, forest, probabilities, leaves, 1, tuple(model.classes_.tolist()))


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


def _nameless(method: Any, X: npt.NDArray[np.float32]) -> Any:
    """Call a method of an estimator that may have been fitted with column names, by position."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return method(X)
