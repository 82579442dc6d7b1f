"""Writes an XGBoost model anew from checked values, so that the library parses only what we wrote.

A pickled Booster holds the model and its configuration in one buffer; the library does not survive a damaged
one. What is kept: objective, base score, names, best iteration, and the trees, number by number. Layout:
XGBoost's doc/model.schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.rounding import LARGEST
from gradus_convert.pickles import ubjson

__all__ = ["rewrite"]

_MAX_NODES = 1 << 24
_MAX_CLASSES = 64
_MAX_COLUMNS = 1 << 20
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_SCORE = re.compile(r"[-+.0-9eE]+|\[[-+.0-9eE,]+\]")
_OBJECTIVES = {
    "binary:logistic": "reg_loss_param",
    "multi:softmax": "softmax_multiclass_param",
    "multi:softprob": "softmax_multiclass_param",
    "reg:squarederror": "reg_loss_param",
    "reg:logistic": "reg_loss_param",
    "reg:gamma": "reg_loss_param",
    "count:poisson": "poisson_regression_param",
    "reg:tweedie": "tweedie_regression_param",
}
_OPTIONS = {
    "reg_loss_param": {"scale_pos_weight": "1"},
    "poisson_regression_param": {"max_delta_step": "0.7"},
    "tweedie_regression_param": {"tweedie_variance_power": "1.5"},
}
"""Of training alone: no answer depends on them, so none of the file's is taken over."""
_NUMBERS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_WHOLES = ("left_children", "right_children", "split_indices", "parents")
_NONE = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def rewrite(buffer: bytes) -> bytes:
    """Return the JSON model of a pickled Booster's buffer.

    Raises:
        InexactModelError: The model has no exact form: another objective or booster, categories.
        ValueError: The buffer is not one of XGBoost 1.6 or newer.
        KeyError, TypeError: Something is missing, or of another type.
    """
    found = json.loads(buffer) if buffer[:2] == b'{"' else ubjson.loads(buffer)
    model = found.get("Model", found)
    learner = model["learner"]
    params = {k: _text_of(v, _SCORE if k == "base_score" else _WHOLE) for k, v in _params(learner).items()}
    columns, classes = int(params["num_feature"]), int(params.get("num_class", "0"))
    _check_sizes(columns, classes, params)
    kept = {
        "attributes": _attributes(learner.get("attributes", {})),
        "feature_names": [_name(n) for n in learner.get("feature_names", [])],
        "feature_types": [],
        "gradient_booster": _booster(learner["gradient_booster"], columns, max(1, classes)),
        "learner_model_param": params,
        "objective": _objective(learner["objective"], params),
    }
    if kept["feature_names"] and len(kept["feature_names"]) != columns:
        raise ValueError("each column needs a name")
    version = [int(v) for v in model.get("version", [2, 1, 0])][:3]
    return json.dumps({"learner": kept, "version": version}, allow_nan=False).encode()


def _check_sizes(columns: int, classes: int, params: Mapping[str, str]) -> None:
    """The library allocates and writes by these numbers."""
    if not 0 < columns <= _MAX_COLUMNS or not 0 <= classes <= _MAX_CLASSES:
        raise ValueError(f"a model must have 1 to {_MAX_COLUMNS} columns and at most {_MAX_CLASSES} classes")
    if int(params.get("num_target", "1")) > 1:
        raise InexactModelError("a model must have one target", place="xgboost", value=params["num_target"])
    scores = params["base_score"].count(",") + 1
    if scores not in (1, max(1, classes)):
        raise ValueError(f"base_score must have one number, or one of each of the {classes} classes")


def _params(learner: Mapping[str, Any]) -> dict[str, Any]:
    known = ("base_score", "boost_from_average", "num_class", "num_feature", "num_target")
    return {k: v for k, v in learner["learner_model_param"].items() if k in known}


def _text_of(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"a parameter must be a number written as text, not {value!r:.40}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a feature's name must be printable text")
    return value


def _attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    best = attributes.get("best_iteration")
    return {} if best is None else {"best_iteration": _text_of(best, _WHOLE)}


def _objective(objective: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
    name = objective["name"]
    if name not in _OBJECTIVES:
        known = ", ".join(_OBJECTIVES)
        raise InexactModelError(f"the objective must be one of {known}", place="xgboost", value=name)
    classes = int(params.get("num_class", "0"))
    if (classes > 1) != name.startswith("multi:"):
        raise ValueError(f"{name} must fit num_class, {classes}")
    options = _OPTIONS.get(_OBJECTIVES[name]) or {"num_class": params["num_class"]}
    return {"name": name, _OBJECTIVES[name]: options}


def _booster(booster: Mapping[str, Any], columns: int, groups: int) -> dict[str, Any]:
    """Trees, with the weights of dropout where there are any: written as every version reads them."""
    name = booster["name"]
    if name not in ("gbtree", "dart"):
        raise InexactModelError("the booster must be gbtree or dart", place="xgboost", value=name)
    inner = booster["gbtree"]["model"] if name == "dart" else booster["model"]
    model = _model(inner, columns, groups)
    trees = {"name": "gbtree", "model": model}
    weights = booster["weight_drop"] if name == "dart" else inner.get("weight_drop")  # inside from 3.4 on
    if not weights:
        return trees
    drop = [_number(w) for w in weights]
    if len(drop) != len(model["trees"]):
        raise ValueError("each tree needs a weight")
    return {"name": "dart", "gbtree": trees, "weight_drop": drop}


def _model(model: Mapping[str, Any], columns: int, groups: int) -> dict[str, Any]:
    trees = [_tree(tree, number, columns) for number, tree in enumerate(model["trees"])]
    parallel = _text_of(model["gbtree_model_param"].get("num_parallel_tree", "1"), _WHOLE)
    info = [_whole(i) for i in model["tree_info"]]
    if len(info) != len(trees) or not trees:
        raise ValueError("each tree needs its class")
    if not all(0 <= i < groups for i in info):
        raise ValueError(f"a tree's class must be one of the {groups} classes")
    kept: dict[str, Any] = {
        "gbtree_model_param": {"num_parallel_tree": parallel, "num_trees": str(len(trees))},
        "tree_info": info,
        "trees": trees,
    }
    if "iteration_indptr" in model:
        starts = [_whole(i) for i in model["iteration_indptr"]]
        if starts != sorted(starts) or starts[:1] != [0] or starts[-1] != len(trees):
            raise ValueError("rounds must follow each other")
        if len({b - a for a, b in pairwise(starts)}) > 1:
            raise ValueError("rounds must have as many trees as each other")
        kept["iteration_indptr"] = starts
    return kept


def _tree(tree: Mapping[str, Any], number: int, columns: int) -> dict[str, Any]:
    place = f"xgboost: tree {number}"
    if any(tree.get("split_type", ())) or any(tree.get(key) for key in _NONE):
        raise InexactModelError("splits must compare numbers, not categories", place=place)
    if _text_of(tree["tree_param"].get("size_leaf_vector", "1"), _WHOLE) not in ("0", "1"):
        raise InexactModelError("a leaf must hold one value", place=place)
    kept: dict[str, Any] = {key: [_number(v) for v in tree[key]] for key in _NUMBERS}
    kept |= {key: [_whole(v) for v in tree[key]] for key in _WHOLES}
    kept["default_left"] = [int(bool(v)) for v in tree["default_left"]]
    count = len(kept["left_children"])
    if not 0 < count <= _MAX_NODES or any(len(items) != count for items in kept.values()):
        raise ValueError(f"tree {number}: arrays must have one entry a node")
    _walk(kept, number, columns)
    param = {"num_feature": str(columns), "num_nodes": str(count), "size_leaf_vector": "1"}
    param["num_deleted"] = _text_of(tree["tree_param"].get("num_deleted", "0"), _WHOLE)
    empty: dict[str, Any] = {key: [] for key in _NONE}
    return {**kept, **empty, "split_type": [0] * count, "id": number, "tree_param": param}


def _walk(tree: Mapping[str, list[int]], number: int, columns: int) -> None:
    """From the root each node is reached once, within the arrays, by splits at columns that exist."""
    left, right, parents = tree["left_children"], tree["right_children"], tree["parents"]
    reached = bytearray(len(left))
    waiting = [0]
    while waiting:
        node = waiting.pop()
        if reached[node]:
            raise ValueError(f"tree {number}: a node must have one parent")
        reached[node] = 1
        children = (left[node], right[node])
        if children == (-1, -1):
            continue
        if not all(0 < c < len(left) and parents[c] == node for c in children):
            raise ValueError(f"tree {number}: children must exist and name their parent")
        if not 0 <= tree["split_indices"][node] < columns:
            raise ValueError(f"tree {number}: a split must look at a column that exists")
        waiting.extend(children)
    for node in range(len(left)):
        inside = -1 <= left[node] < len(left) and -1 <= right[node] < len(left)
        if not reached[node] and not inside:
            raise ValueError(f"tree {number}: a deleted node must stay within the tree")


def _whole(value: Any) -> int:
    if type(value) is not int or not -(1 << 31) <= value < 1 << 32:
        raise ValueError(f"a whole number is needed, not {value!r:.40}")
    return value


def _number(value: Any) -> float:
    """A float32 as the shortest decimal that reads back the same."""
    if type(value) not in (int, float) or not abs(value) <= LARGEST:
        raise ValueError(f"a finite number is needed, not {value!r:.40}")
    return float(str(np.float32(value)))
