"""Checks rebuilt GradientBoosting and HistGradientBoosting classifiers: their walks do not look at bounds.

What they keep of their loss is not taken from the file: it follows from the classes, and is made anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.pickles.inert import BrokenPickleError

__all__ = ["BOOSTING", "check_boosting", "check_nodes"]

_MAX_CLASSES = 64
BOOSTING = frozenset({"GradientBoostingClassifier", "HistGradientBoostingClassifier"})
"""Names of the classes that this module checks."""


def check_boosting(model: Any, place: str) -> None:
    """Hold the parts of a boosted classifier to each other, and give it its loss.

    Raises:
        BrokenPickleError: They do not fit.
    """
    classes = model.__dict__.get("classes_")
    _need(
        isinstance(classes, np.ndarray) and classes.ndim == 1 and 2 <= len(classes) <= _MAX_CLASSES,
        f"a model must have 2 to {_MAX_CLASSES} classes",
        place,
    )
    outputs = 1 if len(model.classes_) == 2 else len(model.classes_)
    _need(
        model.__dict__.get("n_trees_per_iteration_", outputs) == outputs,
        f"a round must have {outputs} trees",
        place,
    )
    if type(model).__name__ == "GradientBoostingClassifier":
        _check_gradient_boosting(model, outputs, place)
    else:
        _check_histogram_boosting(model, outputs, place)
    _need(
        hasattr(model, "_get_loss"), f"a {type(model).__name__} must be of scikit-learn 1.4 or newer", place
    )
    model._loss = model._get_loss(sample_weight=None)
    _need(model._loss is not None, "the loss must be one of classification", place)


def _need(holds: object, rule: str, place: str) -> None:
    if not holds:
        raise BrokenPickleError(rule, place=place)


def _check_gradient_boosting(model: Any, outputs: int, place: str) -> None:
    trees = model.__dict__.get("estimators_")
    _need(
        isinstance(trees, np.ndarray)
        and trees.dtype == object
        and trees.ndim == 2
        and trees.shape[1] == outputs
        and len(trees),
        f"a model must hold rounds of {outputs} trees",
        place,
    )
    cores = [getattr(tree, "tree_", None) for tree in model.estimators_.ravel()]
    _need(len({id(core) for core in cores}) == len(cores), "a forest must name each tree once", place)
    for core in cores:
        ok = core is not None and core.n_features == model.n_features_in_ and core.max_n_classes == 1
        _need(ok, "a model's trees must read its columns and give one number", place)
    _need(model.__dict__.get("n_classes_") == len(model.classes_), "n_classes_ must count the classes", place)


def _check_histogram_boosting(model: Any, outputs: int, place: str) -> None:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    rounds = model.__dict__.get("_predictors")
    _need(
        isinstance(rounds, list)
        and rounds
        and all(isinstance(r, list) and len(r) == outputs for r in rounds),
        f"a model must hold rounds of {outputs} trees",
        place,
    )
    trees = [tree for r in model._predictors for tree in r]
    _need(len({id(tree) for tree in trees}) == len(trees), "a forest must name each tree once", place)
    known = model._bin_mapper.is_categorical_
    _need(model.__dict__.get("_preprocessor") is None, "splits must compare numbers, not categories", place)
    _need(
        isinstance(known, np.ndarray) and known.shape == (model.n_features_in_,) and not known.any(),
        "splits must compare numbers, not categories",
        place,
    )
    _need(
        np.shape(model._baseline_prediction) in ((1, outputs), (outputs,)), "a round needs its start", place
    )
    for tree in trees:
        nodes = getattr(tree, "nodes", None)
        if not isinstance(nodes, np.ndarray) or nodes.dtype != PREDICTOR_RECORD_DTYPE:
            raise BrokenPickleError("a tree must hold nodes as scikit-learn has them", place=place)
        _need(not nodes["is_categorical"].any(), "splits must compare numbers, not categories", place)
        leaf = nodes["is_leaf"] != 0
        left, right = (np.where(leaf, -1, nodes[key].astype(np.int64)) for key in ("left", "right"))
        check_nodes(left, right, nodes["feature_idx"], model.n_features_in_, place)
        tree.raw_left_cat_bitsets = tree.binned_left_cat_bitsets = np.zeros((0, 8), np.uint32)


def check_nodes(
    left: npt.NDArray[Any], right: npt.NDArray[Any], feature: npt.NDArray[Any], features: int, place: str
) -> None:
    """Children come after their parent, each has one, and every split looks at a column that exists.

    Args:
        left: By node, -1 at a leaf.
        right: By node, -1 at a leaf.
        feature: By node.
        features: How many columns there are.
        place: How errors name the tree.

    Raises:
        BrokenPickleError: It is no such tree.
    """
    _need(left.ndim == 1 and len(left) > 0, "a tree must have a node", place)
    split = left != -1
    _need(((right != -1) == split).all(), "a node must have two children or none", place)
    index = np.arange(len(left))
    children = np.concatenate([left[split], right[split]]).astype(np.int64)
    parents = np.concatenate([index[split], index[split]])
    ok = ((children > parents) & (children < len(left))).all()
    _need(ok, "a child must stand behind its parent", place)
    _need(len(np.unique(children)) == len(children), "a node must have one parent", place)
    column = feature[split].astype(np.int64)
    _need(((column >= 0) & (column < features)).all(), "a split must look at a column that exists", place)
