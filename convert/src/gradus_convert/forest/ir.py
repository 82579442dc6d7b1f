"""The Forest IR: all trees of a member as flat arrays, and the plain interpreter that says what they mean.

One rule: at a split, a row goes left iff `x <= threshold`, both float32. Missing values and categories keep
to it by views: columns behind those of the row, computed from them before the walk. It knows no file format
and no target: readers lower native models into it, `gradus_convert.graphs` lowers it to ONNX, and the parity
proof holds all three together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.views import View, check_view, widen
from gradus_runtime.wording import counted

__all__ = [
    "VALUE_LINKS",
    "Forest",
    "Interpretation",
    "Link",
    "Walker",
    "columns_used",
    "depths",
    "interpret",
    "leaves",
    "outputs",
    "probabilities",
    "softmax",
    "tree_of_node",
]

Link = Literal["softmax", "sigmoid", "identity", "sigmoids", "shares", "exp", "logistic", "square"]
VALUE_LINKS = frozenset({"identity", "exp", "logistic", "square"})
"""Links of models whose answers are values, as those of regressors are."""

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_BLOCK = 1 << 14
"""Pairs of a row and a tree that are walked at once, of 128 rows at least: more fall out of the caches."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T trees of together M nodes, L leaf values. Checked when built; every array is a read-only copy.

    The outputs of a row are `base + scale * sum over trees of values[leaf]`, summed in float64; `link` makes
    them probabilities.

    Attributes:
        roots: int32 [T], the root node of each tree.
        left: int32 [M], the node a row goes to iff `x <= threshold`; a leaf points at itself.
        right: int32 [M], the node it goes to otherwise; a leaf points at itself.
        feature: int32 [M], the column a split looks at: below n_features one of the row, from there on
            `views[feature - n_features]`; -1 at a leaf.
        threshold: float32 [M], no NaN; 0 at a leaf.
        leaf: int32 [M], the row of `values` of a leaf; -1 at a split.
        values: float64 [L, K]. K is 1 where `tree_output` names the output each tree adds to, else n_outputs.
        tree_output: int32 [T], the output each tree adds to; -1 in every place for vector leaves.
        base: float64 [n_outputs], where the outputs start.
        n_features: Columns of a row.
        n_outputs: Outputs, before the link.
        link: Of classes: "softmax"; "sigmoid": one output is the margin of the second of two classes;
            "sigmoids": of each output by itself; "shares": those, divided by their sum. Of values: "exp";
            "logistic", 1 / (1 + exp(-y)); "square", y abs(y). Of either: "identity".
        scale: Multiplies the summed leaf values (1 / T where trees are averaged).
        native_leaf: int64 [M], the leaf's id as the library that trained it names it; -1 at a split.
        views: What splits look at beside the row's own columns.
    """

    roots: Int32
    left: Int32
    right: Int32
    feature: Int32
    threshold: Float32
    leaf: Int32
    values: Float64
    tree_output: Int32
    base: Float64
    n_features: int
    n_outputs: int
    link: Link
    scale: float
    native_leaf: Int64
    views: tuple[View, ...] = ()

    def __post_init__(self) -> None:
        """Copy the arrays, make them read-only, and check every rule above.

        Raises:
            InexactModelError: A rule is broken; the message names the field.
        """
        for name, dtype in _DTYPES.items():
            array = np.array(getattr(self, name), dtype=dtype, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        _check_shapes(self)
        _check_nodes(self)
        _check_tree(self)

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, splits and leaves together."""
        return len(self.left)

    @property
    def n_columns(self) -> int:
        """Columns of a row and of its views together."""
        return self.n_features + len(self.views)

    @property
    def sources(self) -> Int32:
        """The row's column behind each of `n_columns`, int32: what a split looks at, views seen through."""
        own = np.arange(self.n_features, dtype=np.int32)
        return np.append(own, np.array([v.column for v in self.views], np.int32))

    @property
    def n_classes(self) -> int:
        """Number of columns of the probabilities."""
        return 2 if self.link == "sigmoid" else self.n_outputs

    @property
    def vector_leaves(self) -> bool:
        """Whether a leaf holds a value for every output."""
        return bool(self.tree_output[0] < 0)


_DTYPES = {
    "roots": np.int32,
    "left": np.int32,
    "right": np.int32,
    "feature": np.int32,
    "threshold": np.float32,
    "leaf": np.int32,
    "values": np.float64,
    "tree_output": np.int32,
    "base": np.float64,
    "native_leaf": np.int64,
}


def _require(ok: object, rule: str, place: str, value: object = None) -> None:
    if not ok:
        raise InexactModelError(rule, place=f"Forest.{place}", value=value)


def _check_shapes(forest: Forest) -> None:
    nodes, trees = forest.left.shape, forest.roots.shape
    _require(len(trees) == 1 and trees[0] > 0, "a forest must have at least one tree", "roots", trees)
    for name in ("right", "feature", "threshold", "leaf", "native_leaf"):
        shape = getattr(forest, name).shape
        _require(len(nodes) == 1 and shape == nodes, f"one entry a node is needed ({nodes})", name, shape)
    _require(forest.tree_output.shape == trees, "one entry a tree is needed", "tree_output")
    _require(forest.n_features > 0, "there must be a feature", "n_features", forest.n_features)
    _require(forest.link in get_args(Link), "link must be known", "link", forest.link)
    _require(
        forest.n_outputs == 1 if forest.link == "sigmoid" else forest.n_outputs > 0,
        "there must be an output, and one alone for the sigmoid",
        "n_outputs",
        forest.n_outputs,
    )
    _require(forest.base.shape == (forest.n_outputs,), "one entry an output is needed", "base")
    single = bool((forest.tree_output >= 0).all())
    _require(
        single or bool((forest.tree_output == -1).all()),
        "all trees or none must name their output",
        "tree_output",
    )
    _require(
        not single or int(forest.tree_output.max()) < forest.n_outputs,
        "an output must be below n_outputs",
        "tree_output",
    )
    width = 1 if single else forest.n_outputs
    _require(
        forest.values.ndim == 2 and forest.values.shape[1] == width,
        f"a leaf must hold {counted(width, 'value')}",
        "values",
        forest.values.shape,
    )
    for name in ("values", "base", "scale"):
        _require(np.isfinite(getattr(forest, name)).all(), "every number must be finite", name)
    _require(not np.isnan(forest.threshold).any(), "a threshold must be a number", "threshold")
    for i, view in enumerate(forest.views):
        check_view(view, forest.n_features, f"Forest.views[{i}]")


def _check_nodes(forest: Forest) -> None:
    nodes = np.arange(forest.n_nodes, dtype=np.int32)
    is_leaf = forest.feature < 0
    for name in ("left", "right"):
        child = getattr(forest, name)
        _require((child[is_leaf] == nodes[is_leaf]).all(), "a leaf must point at itself", name)
        _require(
            ((child >= 0) & (child < forest.n_nodes)).all() and (child[~is_leaf] != nodes[~is_leaf]).all(),
            "a child must be another node",
            name,
        )
    _require((forest.feature[is_leaf] == -1).all(), "a leaf's feature must be -1", "feature")
    _require((forest.threshold[is_leaf] == 0).all(), "a leaf's threshold must be 0", "threshold")
    _require(
        forest.feature.max() < forest.n_columns,
        "a split's feature must be a column or a view",
        "feature",
        int(forest.feature.max()),
    )
    for name, limit in (("leaf", len(forest.values)), ("native_leaf", np.iinfo(np.int64).max)):
        rows = getattr(forest, name)
        _require(
            (rows[~is_leaf] == -1).all() and (rows[is_leaf] >= 0).all() and (rows < limit).all(),
            "it must name a leaf's row, and be -1 at a split",
            name,
        )


def _check_tree(forest: Forest) -> None:
    """Every node has one parent, or is one root; and every node is reached."""
    split = forest.feature >= 0
    arrivals = np.concatenate([forest.roots, forest.left[split], forest.right[split]])
    in_range = (arrivals >= 0) & (arrivals < forest.n_nodes)
    _require(in_range.all(), "a root must be a node", "roots")
    _require(
        len(arrivals) == forest.n_nodes and (np.bincount(arrivals, minlength=forest.n_nodes) == 1).all(),
        "every node must have one parent, or be one root",
        "left, right, roots",
    )
    _require((depths(forest) >= 0).all(), "every node must be reached from a root", "left, right")


def columns_used(feature: npt.NDArray[np.integer]) -> Int64:
    """Columns and views that some of the splits look at, in order; -1 is a leaf.

    Counted, and not sorted: this is asked of every forest several times, also of five million nodes.
    """
    return np.flatnonzero(np.bincount(feature + 1)[1:])


def depths(forest: Forest) -> Int32:
    """Depth of every node: int32 [M], 0 at a root; -1 where no root leads."""
    result = np.full(forest.n_nodes, -1, np.int32)
    level, depth = forest.roots, 0
    while len(level):
        result[level] = depth
        splits = level[forest.feature[level] >= 0]
        level = np.concatenate([forest.left[splits], forest.right[splits]])
        depth += 1
    return result


def tree_of_node(forest: Forest) -> Int32:
    """The tree that every node belongs to: int32 [M]."""
    result = np.full(forest.n_nodes, -1, np.int32)
    result[forest.roots] = np.arange(forest.n_trees)
    level = forest.roots
    while len(level):
        splits = level[forest.feature[level] >= 0]
        for child in (forest.left, forest.right):
            result[child[splits]] = result[splits]
        level = np.concatenate([forest.left[splits], forest.right[splits]])
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """What a forest says of N rows.

    Attributes:
        leaves: int32 [N, T], the node (index into the forest's arrays) each tree ends at.
        outputs: float64 [N, n_outputs], before the link.
        probabilities: float64 [N, n_classes].
    """

    leaves: Int32
    outputs: Float64
    probabilities: Float64


def interpret(forest: Forest, X: Float32) -> Interpretation:
    """Walk every tree for every row, plainly; the definition of what a forest means.

    Args:
        forest: The forest.
        X: float32 [N, n_features]; NaN and infinities only in columns that have views for them.

    Raises:
        InexactModelError: `X` has another shape or type.
    """
    nodes = leaves(forest, X)
    margins = outputs(forest, nodes)
    return Interpretation(nodes, margins, probabilities(forest, margins))


def leaves(forest: Forest, X: Float32) -> Int32:
    """Return the node each tree ends at: int32 [N, T]."""
    return Walker(forest).leaves(X)


class Walker:
    """Walks the trees of one forest, many times.

    Args:
        forest: The forest.
    """

    def __init__(self, forest: Forest) -> None:
        self._forest = forest
        self._column = np.maximum(forest.feature, 0)
        self._children = np.stack([forest.left, forest.right], axis=1).reshape(-1)
        self._steps = int(depths(forest).max())

    def leaves(self, X: Float32, trees: range | None = None) -> Int32:
        """Return the node that some trees, by default all, end at: int32 [N, trees]."""
        self._check(X)
        roots = self._forest.roots if trees is None else self._forest.roots[trees.start : trees.stop]
        result = np.empty((len(X), len(roots)), np.int32)
        block = max(128, _BLOCK // len(roots))
        for start in range(0, len(X), block):
            rows = self._wide(X[start : start + block])
            node = np.broadcast_to(roots, (len(rows), len(roots)))
            result[start : start + block] = self._walk(rows, node, np.arange(len(rows))[:, None])
        return result

    def leaf(self, X: Float32, tree: Int64) -> Int32:
        """Return the node that one tree ends at, another for each row: int32 [N]."""
        self._check(X)
        return self._walk(self._wide(X), self._forest.roots[tree], np.arange(len(X)))

    def _wide(self, X: Float32) -> Float32:
        return widen(X, self._forest.views) if self._forest.views else X

    def _walk(self, X: Float32, node: Int32, row: npt.NDArray[np.intp]) -> Int32:
        cells, first = X.reshape(-1), row * X.shape[1]
        for _ in range(self._steps):
            goes_right = cells.take(first + self._column.take(node)) > self._forest.threshold.take(node)
            node = self._children.take(2 * node + goes_right)
        return node

    def _check(self, X: Float32) -> None:
        _require(
            X.dtype == np.float32 and X.ndim == 2 and X.shape[1] == self._forest.n_features,
            f"rows must be float32 [N, {self._forest.n_features}]",
            "interpret(X)",
            (X.dtype, X.shape),
        )


def outputs(forest: Forest, nodes: Int32) -> Float64:
    """Sum the leaf values of `leaves(forest, X)`: float64 [N, n_outputs]."""
    total = np.zeros((len(nodes), forest.n_outputs))
    for tree, output in enumerate(forest.tree_output):
        value = forest.values[forest.leaf[nodes[:, tree]]]
        if output < 0:
            total += value
        else:
            total[:, output] += value[:, 0]
    return forest.base + forest.scale * total


def softmax(margins: Float64) -> Float64:
    """Return what each row's outputs come to as shares of 1: float64 [N, K]."""
    shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def probabilities(forest: Forest, margins: Float64) -> Float64:
    """Apply the link to `outputs(...)`: float64 [N, n_classes], or values [N, n_outputs]."""
    if forest.link == "identity":
        return margins
    if forest.link == "exp":
        return np.asarray(np.exp(margins))
    if forest.link == "square":
        return np.asarray(margins * np.abs(margins))
    if forest.link in ("sigmoids", "logistic"):
        return np.asarray(np.exp(-np.logaddexp(0.0, -margins)))
    if forest.link == "shares":
        each = np.exp(-np.logaddexp(0.0, -margins))
        return np.asarray(each / each.sum(axis=1, keepdims=True))
    if forest.link == "softmax":
        return softmax(margins)
    positive = np.exp(-np.logaddexp(0.0, -margins[:, 0]))
    negative = np.exp(-np.logaddexp(0.0, margins[:, 0]))
    return np.stack([negative, positive], axis=1)
