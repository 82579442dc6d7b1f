"""A library of trees that gradus does not know: forests in JSON, and the reader that a test adds for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.table import Files, Reader
from gradus_convert.readers.trees import NodeTable, assemble

READER = Reader(
    f"{__name__}:read", f"{__name__}:read_file", None, Files("plain trees' JSON", key="plain_trees")
)


class PlainTrees:
    """`x <= threshold` in float32 goes left; the softmax of the leaves' sums."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.trees = document["plain_trees"]

    def leaves(self, X: np.ndarray, trees: range) -> np.ndarray:
        return np.array([[_leaf(self.trees[t], row) for t in trees] for row in X], np.int64)

    def raw(self, X: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(X), self.document["classes"]))
        for t, leaves in enumerate(self.leaves(X, range(len(self.trees))).T):
            sums[:, self.trees[t]["output"]] += [self.trees[t]["nodes"][leaf]["value"] for leaf in leaves]
        return sums

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        raised = np.exp(self.raw(X))
        return raised / raised.sum(axis=1, keepdims=True)


PlainTrees.__module__ = "plain_trees"


def _leaf(tree: dict[str, Any], row: np.ndarray) -> int:
    at = 0
    while "feature" in tree["nodes"][at]:
        node = tree["nodes"][at]
        at = node["left"] if row[node["feature"]] <= np.float32(node["threshold"]) else node["right"]
    return at


def random_model(columns: int, *, trees: int = 6, classes: int = 3, depth: int = 3) -> PlainTrees:
    rng = np.random.default_rng(columns)

    def grow(nodes: list[dict[str, Any]], depth: int) -> int:
        at = len(nodes)
        nodes.append({"value": float(rng.normal())})
        if depth:
            split = {"feature": int(rng.integers(columns)), "threshold": float(np.float32(rng.normal()))}
            nodes[at] = split | {"left": grow(nodes, depth - 1), "right": grow(nodes, depth - 1)}
        return at

    grown = []
    for t in range(trees):
        nodes: list[dict[str, Any]] = []
        grow(nodes, depth)
        grown.append({"output": t % classes, "nodes": nodes})
    return PlainTrees({"columns": columns, "classes": classes, "plain_trees": grown})


def read_file(path: Path) -> NativeModel:
    return read(PlainTrees(json.loads(path.read_bytes())), place=str(path))


def read(model: PlainTrees, *, place: str) -> NativeModel:
    classes = model.document["classes"]
    forest = assemble(
        [_table(tree) for tree in model.trees],
        base=np.zeros(classes),
        n_features=model.document["columns"],
        n_outputs=classes,
        link="softmax",
    )
    labels = tuple(range(classes))
    return NativeModel("plain_trees", model, forest, model.predict_proba, model.leaves, 1, labels)


def _table(tree: dict[str, Any]) -> NodeTable:
    nodes = tree["nodes"]

    def column(key: str, none: float, kind: type) -> np.ndarray:
        return np.array([node.get(key, none) for node in nodes], kind)

    return NodeTable(
        column("left", 0, np.int64),
        column("right", 0, np.int64),
        column("feature", -1, np.int64),
        column("threshold", 0, np.float32),
        column("value", 0, np.float64)[:, None],
        np.arange(len(nodes)),
        tree["output"],
    )
