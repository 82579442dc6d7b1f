"""XGBoost: scikit-learn wrapper, Booster, UBJSON and JSON model to a Forest.

The JSON of `Booster.save_raw("json")` is the source: it writes float32 so that they read back the same.
Layout: XGBoost's doc/model.schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, Link, softmax
from gradus_convert.forest.rounding import LARGEST, below
from gradus_convert.forest.views import LEFT_OF, CategoryView, ViewTable
from gradus_convert.readers.native import NativeModel, Predicts, Task
from gradus_convert.readers.trees import NodeTable, assemble, default_sides
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

    missing = _missing(model, place)
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    best = learner.get("attributes", {}).get("best_iteration")
    rounds = (0, int(best) + 1) if best is not None else (0, 0)
    objective = learner["objective"]["name"]
    head = _head(learner, objective, place)
    forest = _forest(learner, head, rounds[1], missing, place)
    per_round = forest.n_trees // (rounds[1] or booster.num_boosted_rounds())

    def predict(X: npt.NDArray[np.float32], **kind: bool) -> npt.NDArray[Any]:
        options = {"iteration_range": rounds, "validate_features": False, "strict_shape": True}
        if not np.isinf(X).any():
            return np.asarray(booster.predict(xgboost.DMatrix(X, missing=missing), **options, **kind))
        wanted = (
            "margin" if kind else "value"
        )  # a DMatrix refuses infinities, the estimator's predict does not
        said = booster.inplace_predict(X, missing=missing, predict_type=wanted, **options)
        return np.asarray(said)

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return predict(X, output_margin=True).astype(np.float64)

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        if objective == "multi:softmax":  # its predict gives labels alone
            return softmax(margins(X))
        p = predict(X).astype(np.float64)
        return np.concatenate([1.0 - p, p], axis=1) if forest.link == "sigmoid" else p

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        part = booster[trees.start // per_round : trees.stop // per_round]
        rows = xgboost.DMatrix(_without_infinities(X, missing), missing=missing)
        ids = part.predict(rows, pred_leaf=True, validate_features=False)
        return np.asarray(ids, np.int64).reshape(len(X), len(trees))

    def own_predict(X: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return np.asarray(model.predict(X, validate_features=False))

    labels = tuple(model.classes_.tolist()) if hasattr(model, "classes_") else None
    if labels is None and objective == "multi:softmax":  # its predict gives them as floats
        labels = tuple(float(k) for k in range(forest.n_outputs))
    two_of_softmax = head.link == "softmax" and head.outputs == 2  # its predict takes them for two targets
    names = booster.feature_names
    everywhere = np.ones(forest.n_features, np.bool_)
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
        missing=everywhere,
        infinite=everywhere if _takes_infinities(learner, missing) else None,
        landmarks=_landmarks(learner, missing, forest.n_features),
        categories=_recorded(learner, booster.feature_types or ()),
    )


def _recorded(learner: dict[str, Any], types: Sequence[str]) -> tuple[tuple[object, ...], ...]:
    """The categories of a dataframe that XGBoost 3.1 and later record, by column of them; older ones do not.

    Source: src/data/cat_container.cc, `CatContainer::Save`.
    """
    booster = learner["gradient_booster"]
    known = booster.get("gbtree", booster)["model"].get("cats", {}).get("enc", [])
    if len(known) != len(types):
        return ()
    found: list[tuple[object, ...]] = []
    for entry in (entry for entry, kind in zip(known, types, strict=True) if kind == "c"):
        if "offsets" not in entry:
            found.append(tuple(entry["values"]))
            continue
        data, ends = bytes(value % 256 for value in entry["values"]), entry["offsets"]
        found.append(tuple(data[a:b].decode() for a, b in pairwise(ends)))
    return tuple(found)


def _predicts(model: Any, head: _Head, objective: str) -> Predicts:
    if head.task == "values":
        return "values"
    if hasattr(model, "classes_") or objective == "multi:softmax":
        return "labels"
    return "positive" if head.link == "sigmoid" else "probabilities"


def _missing(model: Any, place: str) -> float:
    """The value that an estimator takes as missing, as well as NaN. A Booster leaves that to its DMatrix."""
    missing = getattr(model, "missing", np.nan)
    if not isinstance(missing, (int, float, np.number)):
        raise InexactModelError(
            "missing must be a number",
            place=place,
            value=missing,
            hint="Train with missing=nan, the default.",
        )
    return float(np.float32(missing))


def _takes_infinities(learner: dict[str, Any], missing: float) -> bool:
    """Whether infinities go where the largest numbers go, so that a DMatrix can be asked for their leaves."""
    booster = learner["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"]["trees"]
    conditions = (np.array(t["split_conditions"], np.float32)[_splits(t)] for t in trees)
    return bool(np.isinf(missing)) or all((np.abs(c) < LARGEST).all() for c in conditions)


def _landmarks(learner: dict[str, Any], missing: float, width: int) -> dict[int, list[float]]:
    """By column, the number that is missing, and every category of a split."""
    found = {c: [] if np.isnan(missing) else [missing] for c in range(width)}
    booster = learner["gradient_booster"]
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        for node, members in _categories(tree):
            found[tree["split_indices"][node]] += members.tolist()
    return {column: sorted(set(values)) for column, values in found.items()}


def _splits(tree: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """The splits by a condition. That of categories has none: XGBoost 3.0 writes NaN in its place."""
    found = np.array(tree["left_children"], np.int64) >= 0
    found[tree.get("categories_nodes", [])] = False
    return found


def _without_infinities(X: npt.NDArray[np.float32], missing: float) -> npt.NDArray[np.float32]:
    """Return rows that a DMatrix takes, with the same leaves: no condition is beyond the largest float32."""
    if np.isinf(missing):
        return X
    return np.clip(X, -LARGEST, LARGEST)


def _forest(learner: dict[str, Any], head: _Head, rounds: int, missing: float, place: str) -> Forest:
    booster = learner["gradient_booster"]
    if booster["name"] not in {"gbtree", "dart"}:
        raise InexactModelError("the booster must be gbtree or dart", place=place, value=booster["name"])
    outer = booster["gbtree"] if booster["name"] == "dart" else booster
    model = outer["model"]
    drops = booster.get("weight_drop") or model.get("weight_drop")  # within the model from 3.4 on
    dropped = np.array(drops or [1.0] * len(model["trees"]), np.float32).astype(np.float64)
    starts = model["iteration_indptr"]
    count = starts[min(rounds, len(starts) - 1)] if rounds else len(model["trees"])
    n_features = int(learner["learner_model_param"]["num_feature"])
    sides = _Sides(ViewTable(n_features), missing)
    trees = [
        _tree(model["trees"][i], float(dropped[i]), int(model["tree_info"][i]), sides, f"{place}: tree {i}")
        for i in range(count)
    ]
    return assemble(
        trees,
        base=_base(learner, head),
        n_features=n_features,
        n_outputs=head.outputs,
        link=head.link,
        views=sides.table.views,
        infinite=np.full(n_features, _takes_infinities(learner, missing)),
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
    """Where the margins start, from `base_score`: text of a number, or of a list since 3.1.

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
    """Of what is not above 0: -inf, which no forest may start from."""
    return np.array([Decimal(float(v)).ln() if v > 0 else -np.inf for v in x], np.float32)


@dataclass(frozen=True, slots=True)
class _Sides:
    """What the trees of a model share: the views, and the value that is missing as well as NaN."""

    table: ViewTable
    missing: float

    @property
    def low(self) -> float:
        """As views name it."""
        return float("inf") if np.isnan(self.missing) else self.missing

    @property
    def high(self) -> float:
        """As views name it."""
        return float("-inf") if np.isnan(self.missing) else self.missing


def _tree(tree: dict[str, Any], weight: float, output: int, sides: _Sides, place: str) -> NodeTable:
    left = np.array(tree["left_children"], np.int64)
    condition = np.array(tree["split_conditions"], np.float32)
    feature = np.array(tree["split_indices"], np.int64)
    default_left = np.array(tree["default_left"], np.int64) != 0
    is_leaf = left < 0
    split = np.flatnonzero(~is_leaf)
    column, threshold = np.full(len(left), -1), np.zeros(len(left), np.float32)
    column[split], threshold[split] = default_sides(
        sides.table,
        feature[split],
        below(condition[split]),
        default_left[split],
        low=sides.low,
        high=sides.high,
    )
    for node, members in _categories(tree):
        view = _category(int(feature[node]), members, default_left=bool(default_left[node]), sides=sides)
        column[node], threshold[node] = sides.table.column(view), LEFT_OF
    return NodeTable(
        left=left,
        right=np.array(tree["right_children"], np.int64),
        feature=column,
        threshold=threshold,
        values=_leaf_values(tree, is_leaf) * weight,
        native_leaf=np.arange(len(left)),
        output=-1 if _width(tree) > 1 else output,
    )


def _width(tree: dict[str, Any]) -> int:
    """How many values a leaf holds."""
    return max(1, int(tree["tree_param"].get("size_leaf_vector", "1")))


def _leaf_values(tree: dict[str, Any], is_leaf: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return float64 [n, width], 0 at a split.

    Of one output a leaf's value stands in the place of a condition. Of several every node has a vector, and
    from XGBoost 3.2 on every leaf, whose number stands in the place of a right child
    (src/tree/multi_target_tree_model.cc).
    """
    width = _width(tree)
    if width == 1:
        condition = np.array(tree["split_conditions"], np.float32)
        return np.where(is_leaf, condition, np.float32(0)).astype(np.float64)[:, None]
    values = np.zeros((len(is_leaf), width))
    number = np.array(tree["right_children"], np.int64) if "leaf_weights" in tree else np.arange(len(is_leaf))
    vectors = np.array(tree.get("leaf_weights", tree["base_weights"]), np.float32).reshape(-1, width)
    values[is_leaf] = vectors[number[is_leaf]]
    return values


def _categories(tree: dict[str, Any]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """The categorical splits of a tree, and the categories that go right at each (one, if it is one-hot)."""
    nodes = tree.get("categories_nodes", [])
    every = np.array(tree.get("categories", []), np.int64)
    for node, start, size in zip(
        nodes, tree.get("categories_segments", []), tree.get("categories_sizes", []), strict=True
    ):
        yield int(node), every[start : start + size]


def _category(
    feature: int, members: npt.NDArray[np.int64], *, default_left: bool, sides: _Sides
) -> CategoryView:
    """Return the view of a split's set (src/common/categorical.h, `Decision`): its categories go right.

    A missing value goes to the default side; a negative one, and one outside, to the left.
    """
    table = np.zeros(int(members.max(initial=-1)) + 4, np.uint8)
    table[0] = not default_left
    table[2 + members] = 1
    return CategoryView(feature, "floored", table.tobytes(), low=sides.low, high=sides.high)
