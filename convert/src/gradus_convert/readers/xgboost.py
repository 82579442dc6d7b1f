"""XGBoost: scikit-learn wrapper, Booster, UBJSON and JSON model to a Forest.

The JSON of `Booster.save_raw("json")` is the source: it writes float32 so that they read back the same.
Layout: XGBoost's doc/model.schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link
from gradus_convert.forest.ir import probabilities as links
from gradus_convert.forest.rounding import below
from gradus_convert.readers.native import NativeModel, Predicts, Task
from gradus_convert.readers.trees import NodeTable, assemble
from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["import_library", "read", "read_file"]


def import_library(place: str) -> Any:
    """Import XGBoost, which the distributions `xgboost` and `xgboost-cpu` both bring.

    Raises:
        EnvironmentFailedError: Neither is installed.
    """
    try:
        import xgboost
    except ImportError:
        raise EnvironmentFailedError(
            "XGBoost must be installed to read its models",
            place=place,
            hint="pip install xgboost-cpu, or xgboost where it trains on a GPU.",
        ) from None
    return xgboost


def read_file(path: Path) -> NativeModel:
    """Read a UBJSON or JSON model.

    Raises:
        EnvironmentFailedError: XGBoost is not installed.
        DataError: XGBoost cannot read it.
        InexactModelError: As `read`.
    """
    xgboost = import_library(str(path))
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except (xgboost.core.XGBoostError, OSError) as e:
        raise DataError("an XGBoost model must be readable", place=str(path), cause=str(e)) from None
    return read(booster, place=str(path))


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Lower an `XGBClassifier`, an `XGBRegressor` or a `Booster`, at its best iteration.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule and the tree.
    """
    import xgboost

    _check_missing(model, place)
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    best = learner.get("attributes", {}).get("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)
    objective = learner["objective"]["name"]
    head = _head(learner, objective, place)
    forest = _forest(learner, head, rounds[1], place)
    per_round = forest.n_trees // (rounds[1] or booster.num_boosted_rounds())

    def predict(X: npt.NDArray[np.float32], **kind: bool) -> npt.NDArray[Any]:
        return np.asarray(
            booster.predict(
                xgboost.DMatrix(X), iteration_range=rounds, validate_features=False, strict_shape=True, **kind
            )
        )

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return predict(X, output_margin=True).astype(np.float64)

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        if objective in ("multi:softmax", "binary:logitraw"):
            return links(forest, margins(X))
        p = predict(X).astype(np.float64)
        return np.concatenate([1.0 - p, p], axis=1) if forest.link == "sigmoid" else p

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        part = booster[trees.start // per_round : trees.stop // per_round]
        ids = part.predict(xgboost.DMatrix(X), pred_leaf=True, validate_features=False)
        return np.asarray(ids, np.int64).reshape(len(X), len(trees))

    def own_predict(X: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return np.asarray(model.predict(X, validate_features=False))

    labels = tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None
    if labels is None and objective == "multi:softmax":  # its predict gives them as floats
        labels = tuple(float(k) for k in range(forest.n_outputs))
    two_of_softmax = head.link == "softmax" and head.outputs == 2  # its predict takes them for two targets
    names = booster.feature_names
    return NativeModel(
        "xgboost",
        model,
        forest,
        probabilities,
        leaves,
        per_round,
        labels,
        task=head.task,
        predicts=_predicts(model, head, objective),
        predict=own_predict if hasattr(model, "classes_") and not two_of_softmax else None,
        margins=margins,
        feature_names=tuple(names) if names else None,
    )


def _predicts(model: Any, head: _Head, objective: str) -> Predicts:
    if head.task == "values":
        return "values"
    if hasattr(model, "classes_") or objective == "multi:softmax":
        return "labels"
    return "positive" if head.link == "sigmoid" else "probabilities"


def _check_missing(model: Any, place: str) -> None:
    missing = getattr(model, "missing", np.nan)
    if not np.isnan(missing):
        raise InexactModelError(
            "missing must be NaN", place=place, value=missing, hint="Train with missing=nan, the default."
        )


def _forest(learner: dict[str, Any], head: _Head, rounds: int, place: str) -> Forest:
    booster = learner["gradient_booster"]
    if booster["name"] not in {"gbtree", "dart"}:
        raise InexactModelError("the booster must be gbtree or dart", place=place, value=booster["name"])
    outer = booster["gbtree"] if booster["name"] == "dart" else booster
    model = outer["model"]
    drops = booster.get("weight_drop") or model.get("weight_drop")  # within the model from 3.4 on
    dropped = np.array(drops or [1.0] * len(model["trees"]), np.float32).astype(np.float64)
    starts = model["iteration_indptr"]
    count = starts[min(rounds, len(starts) - 1)] if rounds else len(model["trees"])
    trees = [
        _tree(model["trees"][i], float(dropped[i]), int(model["tree_info"][i]), f"{place}: tree {i}")
        for i in range(count)
    ]
    return assemble(
        trees,
        base=_base(learner, head),
        n_features=int(learner["learner_model_param"]["num_feature"]),
        n_outputs=head.outputs,
        link=head.link,
    )


@dataclass(frozen=True, slots=True)
class _Head:
    """What an objective makes of the sums; `start` is the link whose inverse `base_score` goes through."""

    task: Task
    link: Link
    outputs: int
    start: Link


_IDENTITY = (
    *("squarederror", "squaredlogerror", "pseudohubererror", "absoluteerror", "quantileerror"),
    "expectileerror",
)
_VALUES: Mapping[str, Link] = {
    **dict.fromkeys((f"reg:{name}" for name in _IDENTITY), "identity"),
    **dict.fromkeys(("rank:ndcg", "rank:pairwise", "rank:map"), "identity"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), "exp"),
    "reg:logistic": "logistic",
    "binary:logitraw": "identity",
}


def _head(learner: dict[str, Any], objective: str, place: str) -> _Head:
    """Read an objective: XGBoost's src/objective/*, `PredTransform` and `ProbToMargin`."""
    facts = learner["learner_model_param"]
    targets = max(1, int(facts.get("num_target", "1")))
    if objective in {"multi:softprob", "multi:softmax"}:
        return _Head("classes", "softmax", int(facts["num_class"]), "identity")
    if objective == "binary:logistic" and targets == 1:
        return _Head("classes", "sigmoid", 1, "logistic")
    if objective in _VALUES:
        link = _VALUES[objective]
        return _Head("values", link, targets, link)
    if targets > 1:
        raise InexactModelError("a model of classes must have one target", place=place, value="multi-target")
    known = ["binary:logistic", "multi:softprob", "multi:softmax", *_VALUES]
    raise InexactModelError(f"objective must be one of {', '.join(known)}", place=place, value=objective)


def _base(learner: dict[str, Any], head: _Head) -> npt.NDArray[np.float64]:
    """Where the margins start, from `base_score`: text of a number, or of a list since 3.0.

    Margins for multi-class. Elsewhere what the link gives for it: of a probability p XGBoost takes
    -log(1 / p - 1), of an expected value its log, in float32 (src/common/math.h and
    src/objective/regression_loss.h). The logarithm is made by decimals and rounded: libraries' own differ in
    the last bit, and two machines must write the same artifact.
    """
    score = json.loads(learner["learner_model_param"]["base_score"])
    base = np.broadcast_to(np.asarray(score, np.float32).reshape(-1), (head.outputs,))
    if head.start == "logistic":
        base = -_logarithm(np.float32(1) / base - np.float32(1))
    elif head.start == "exp":
        base = _logarithm(base)
    return base.astype(np.float64)


def _logarithm(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.array([np.float32(Decimal(float(v)).ln()) for v in x], np.float32)


def _tree(tree: dict[str, Any], weight: float, output: int, place: str) -> NodeTable:
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise InexactModelError(
            "a leaf must hold one value",
            place=place,
            value="multi_output_tree",
            hint="Train with multi_strategy='one_output_per_tree'.",
        )
    if any(tree.get("split_type", ())) or tree.get("categories"):
        raise InexactModelError(
            "splits must compare numbers",
            place=place,
            value="categorical split",
            hint="Train with enable_categorical=False: encode categories as numbers.",
        )
    left = np.array(tree["left_children"], np.int64)
    condition = np.array(tree["split_conditions"], np.float32)
    is_leaf = left < 0
    return NodeTable(
        left=left,
        right=np.array(tree["right_children"], np.int64),
        feature=np.where(is_leaf, -1, np.array(tree["split_indices"], np.int64)),
        threshold=np.where(is_leaf, np.float32(0), below(condition)),
        values=np.where(is_leaf, condition.astype(np.float64) * weight, 0.0)[:, None],
        native_leaf=np.arange(len(left)),
        output=output,
    )
