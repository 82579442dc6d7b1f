"""CatBoost, an optional dependency: `CatBoostClassifier` and its `.cbm` and JSON files to a Forest.

It tests `x > border` with a float32 border, so `x <= border` is the IR's rule as it stands. Symmetric trees
have one split a level; bit i of a leaf's index is the answer of split i. Others are nested. Layout: the JSON
export of CatBoost.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Link
from gradus_convert.forest.views import ViewTable
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.trees import NodeTable, assemble, default_sides
from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["read", "read_file"]


def read_file(path: Path) -> NativeModel:
    """Read a `.cbm` model, or one in JSON.

    Raises:
        EnvironmentFailedError: CatBoost is not installed.
        DataError: CatBoost cannot read the file.
        InexactModelError: As `read`.
    """
    try:
        import catboost
    except ImportError:
        raise EnvironmentFailedError(
            "CatBoost must be installed to read its models", place=str(path), hint="pip install catboost."
        ) from None
    model = catboost.CatBoost()
    try:
        model.load_model(str(path), format="json" if path.suffix == ".json" else "cbm")
    except catboost.CatBoostError as e:
        rule = "a CatBoost model must be readable"
        raise DataError(rule, place=str(path), cause=str(e).splitlines()[0]) from None
    return read(model, place=str(path))


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a fitted `CatBoostClassifier`, `CatBoostRegressor` or `CatBoost`.

    Raises:
        InexactModelError: The model has no exact form; the message names the rule and the tree.
    """
    document = _document(model)
    loss = document["model_info"]["params"]["loss_function"]["type"]
    link = _link(loss, place)
    classes = link in ("sigmoid", "softmax", "sigmoids")
    scale, bias = document["scale_and_bias"]
    base = np.atleast_1d(np.asarray(bias, np.float64))
    outputs = len(base)
    symmetric = "oblivious_trees" in document
    trees, lower = (document["oblivious_trees"], _tree) if symmetric else (document["trees"], _nested_tree)
    columns = document["features_info"]["float_features"]
    table, everywhere = ViewTable(len(columns)), np.ones(len(columns), np.bool_)
    right = np.array([c.get("nan_value_treatment") == "AsTrue" for c in columns], np.bool_)
    forest = assemble(
        [lower(t, outputs, table, right, f"{place}: tree {i}") for i, t in enumerate(trees)],
        base=base,
        n_features=len(columns),
        n_outputs=outputs,
        link=link,
        scale=float(scale),
        views=table.views,
        infinite=everywhere,
    )

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        said = inner.predict(X, prediction_type="Probability") if classes else regressor(X)
        return np.asarray(said, np.float64).reshape(len(X), forest.n_classes)

    def leaves(X: npt.NDArray[np.float32], trees: range) -> npt.NDArray[np.int64]:
        ids = model.calc_leaf_indexes(X, ntree_start=trees.start, ntree_end=trees.stop)
        return np.asarray(ids, np.int64).reshape(len(X), len(trees))

    def margins(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        said = np.asarray(inner.predict(X, prediction_type="RawFormulaVal"), np.float64)
        return said.reshape(len(X), outputs)

    def labels_of(X: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return np.asarray(inner.predict(X, prediction_type="Class")).reshape(len(X))

    inner, regressor = _as("CatBoost", model), _as("CatBoostRegressor", model, loss_function=loss).predict
    names = list(model.feature_names_ or ())
    return NativeModel(
        "catboost",
        model,
        forest,
        probabilities,
        leaves,
        1,
        tuple(np.asarray(model.classes_).tolist()) if classes else None,
        task="classes" if classes else "values",
        predicts="labels" if classes else "values",
        predict=labels_of if classes else None,
        margins=margins,
        feature_names=tuple(names) if names and names != [str(i) for i in range(len(names))] else None,
        missing=everywhere,
        infinite=everywhere,
    )


def _as(kind: str, model: Any, **given: str) -> Any:
    """Return the model as a `CatBoost`, whose `predict` takes every kind of prediction; or as another class.

    A `CatBoostRegressor` itself knows what its loss makes of the sums: the proof asks it, not our own table.
    """
    import catboost

    again = getattr(catboost, kind)(**given)
    again.load_model(blob=model._serialize_model())
    return again


def _document(model: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        document: dict[str, Any] = json.loads(path.read_bytes())
    return document


_LINKS: Mapping[str, Link] = {
    **dict.fromkeys(("Logloss", "CrossEntropy"), "sigmoid"),
    "MultiClass": "softmax",
    "MultiClassOneVsAll": "sigmoids",
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber", "Expectile", "LogLinQuantile"), "identity"),
    **dict.fromkeys(("LogCosh", "Lq", "MultiRMSE"), "identity"),
    **dict.fromkeys(("YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise"), "identity"),
    **dict.fromkeys(("QueryRMSE", "QuerySoftMax"), "identity"),
    **dict.fromkeys(("Poisson", "Tweedie"), "exp"),
}


def _link(loss: str, place: str) -> Link:
    if loss in _LINKS:
        return _LINKS[loss]
    rule = f"the loss must be one of {', '.join(_LINKS)}"
    raise InexactModelError(rule, place=place, value=loss)


def _tree(
    tree: dict[str, Any], outputs: int, table: ViewTable, right: npt.NDArray[np.bool_], place: str
) -> NodeTable:
    """Lower a tree; `right` says where NaN goes right in each column (nan_mode="Max"), else it goes left."""
    splits = (tree.get("splits") or [])[::-1]  # the last split is the highest bit: it comes first
    inner, leaves = (1 << len(splits)) - 1, 1 << len(splits)
    nodes = np.arange(inner + leaves)
    level = np.frexp(nodes + 1.0)[1].astype(np.int64) - 1
    seen, at = _looks(splits, table, right, place)
    column, border = np.append(seen, -1), np.append(at, np.float32(0))
    values = np.array(tree["leaf_values"], np.float64).reshape(leaves, outputs)
    return NodeTable(
        left=2 * nodes + 1,
        right=2 * nodes + 2,
        feature=column[level],
        threshold=border[level],
        values=np.concatenate([np.zeros((inner, outputs)), values]),
        native_leaf=nodes - inner,
        output=0 if outputs == 1 else -1,
    )


def _nested_tree(
    tree: dict[str, Any], outputs: int, table: ViewTable, right: npt.NDArray[np.bool_], place: str
) -> NodeTable:
    """Lower a tree that was grown node by node (grow_policy "Lossguide" or "Depthwise")."""
    nodes, first = [tree], []
    for node in nodes:  # which grows
        first.append(len(nodes) if "split" in node else -1)
        nodes += [node["left"], node["right"]] if "split" in node else []
    children = np.array(first, np.int64)
    is_leaf = children < 0
    column, border = np.full(len(nodes), -1), np.zeros(len(nodes), np.float32)
    column[~is_leaf], border[~is_leaf] = _looks(
        [n["split"] for n in nodes if "split" in n], table, right, place
    )
    values = np.zeros((len(nodes), outputs))
    values[is_leaf] = [np.atleast_1d(n["value"]) for n in nodes if "split" not in n]
    return NodeTable(
        left=children,
        right=children + 1,
        feature=column,
        threshold=border,
        values=values,
        native_leaf=_numbers(children),
        output=0 if outputs == 1 else -1,
    )


def _numbers(first: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How CatBoost numbers leaves: at each split the children that are leaves, then what is below the others.

    Args:
        first: The left child of each node, whose right child follows it; -1 at a leaf.
    """
    numbers, count = np.full(len(first), -1), 0
    numbers[0] = 0 if first[0] < 0 else -1
    waiting = [0] if first[0] >= 0 else []
    while waiting:
        left = int(first[waiting.pop()])
        for child in (left, left + 1):
            if first[child] < 0:
                numbers[child], count = count, count + 1
        waiting += [child for child in (left + 1, left) if first[child] >= 0]
    return numbers


def _looks(
    splits: Sequence[dict[str, Any]], table: ViewTable, right: npt.NDArray[np.bool_], place: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the columns and thresholds of splits.

    Raises:
        InexactModelError: One compares categories.
    """
    for split in splits:
        if split["split_type"] != "FloatFeature":
            raise InexactModelError(
                "splits must compare numbers",
                place=place,
                value=f"categorical split ({split['split_type']})",
                hint="Train without cat_features: encode categories as numbers.",
            )
    columns = np.array([s["float_feature_index"] for s in splits], np.int64)
    borders = np.array([s["border"] for s in splits], np.float32)
    return default_sides(table, columns, borders, ~right[columns])
