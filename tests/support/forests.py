"""Small random forests in the IR, for tests of every stage that takes one."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus_convert.forest.ir import Forest, Link


def random_forest(
    seed: int,
    *,
    trees: int = 6,
    n_features: int = 4,
    n_outputs: int = 3,
    depth: int = 5,
    vector: bool = False,
    link: Link = "softmax",
    thresholds: list[float] | None = None,
) -> Forest:
    """Grow random trees. With `vector`, leaves hold class probabilities and are averaged."""
    rng = np.random.default_rng(seed)
    fields: dict[str, list[Any]] = {
        k: [] for k in ("left", "right", "feature", "threshold", "leaf", "native")
    }
    roots, values = [], []

    def grow(level: int, ids: list[int]) -> int:
        node = len(fields["left"])
        for column in fields.values():
            column.append(-1)
        if level == depth or (level > 0 and rng.random() < 0.2):
            fields["left"][node] = fields["right"][node] = node
            fields["threshold"][node] = 0.0
            fields["leaf"][node], fields["native"][node] = len(values), len(ids)
            ids.append(node)
            width = n_outputs if vector else 1
            value = rng.normal(size=width) if not vector else rng.dirichlet(np.ones(width))
            values.append(value)
            return node
        fields["feature"][node] = int(rng.integers(n_features))
        fields["threshold"][node] = float(rng.choice(thresholds) if thresholds else np.float32(rng.normal()))
        fields["left"][node] = grow(level + 1, ids)
        fields["right"][node] = grow(level + 1, ids)
        return node

    for _ in range(trees):
        roots.append(grow(0, []))
    return Forest(
        roots=np.array(roots, np.int32),
        left=np.array(fields["left"], np.int32),
        right=np.array(fields["right"], np.int32),
        feature=np.array(fields["feature"], np.int32),
        threshold=np.array(fields["threshold"], np.float32),
        leaf=np.array(fields["leaf"], np.int32),
        values=np.array(values, np.float64),
        tree_output=np.array([-1 if vector else t % n_outputs for t in range(trees)], np.int32),
        base=np.zeros(n_outputs) if vector else rng.normal(size=n_outputs),
        n_features=n_features,
        n_outputs=n_outputs,
        link="identity" if vector else link,
        scale=1.0 / trees if vector else 1.0,
        native_leaf=np.array(fields["native"], np.int64),
    )


def chain(depth: int) -> Forest:
    """One tree of which every split has a leaf on its left: the deepest tree there is."""
    nodes = 2 * depth + 1
    split = np.arange(nodes) % 2 == 0
    split[-1] = False
    place = np.arange(nodes)
    leaf = np.full(nodes, -1)
    leaf[~split] = np.arange((~split).sum())
    rng = np.random.default_rng(depth)
    return Forest(
        roots=[0],
        left=np.where(split, place + 1, place),
        right=np.where(split, place + 2, place),
        feature=np.where(split, 0, -1),
        threshold=np.where(split, place - depth, 0),
        leaf=leaf,
        values=rng.dirichlet(np.ones(3), size=int((~split).sum())),
        tree_output=[-1],
        base=np.zeros(3),
        n_features=1,
        n_outputs=3,
        link="identity",
        scale=1.0,
        native_leaf=leaf,
    )  # type: ignore[arg-type]
