"""A classifier by itself as one operator: the leaves, probabilities and labels of its forest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from tests.support.forests import random_forest

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, leaves
from gradus_convert.forest.views import FilledView, MissingView
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.tree_classifier import fits
from gradus_convert.graphs.treeops import without_fills
from gradus_convert.parity.nan_sides import check_sides_of_nan

Rows = npt.NDArray[np.float32]


def _rows(forest: Forest) -> Rows:
    """Thresholds and their neighbours; some values missing where the forest has views for that."""
    random = np.random.default_rng(4)
    some = random.choice(forest.threshold, size=(600, forest.n_features))
    some[::3] = np.nextafter(some[::3], np.float32(np.inf))
    if forest.views:
        some[random.random(some.shape) < 0.1] = np.nan
    return some.astype(np.float32)


def _sums(forest: Forest, X: Rows) -> npt.NDArray[np.float64]:
    at = forest.leaf[leaves(forest, X)]
    if forest.vector_leaves:
        return forest.base + forest.scale * forest.values[at].sum(axis=1)
    total = np.tile(forest.base, (len(X), 1))
    for t, output in enumerate(forest.tree_output):
        total[:, output] += forest.scale * forest.values[at[:, t], 0]
    return total


def _expected(forest: Forest, X: Rows) -> npt.NDArray[np.float64]:
    sums = _sums(forest, X)
    if forest.link == "softmax":
        e = np.exp(sums - sums.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    if forest.link == "sigmoid":
        second = 1 / (1 + np.exp(-sums))
        return np.concatenate([1 - second, second], axis=1)
    return sums


def _with_missing(forest: Forest) -> Forest:
    """Splits look at a column in which NaN is -inf, or 0, or +inf."""
    width = forest.n_features
    fills = (-np.inf, 0.0, np.inf)
    views = tuple(FilledView(c, fill) for fill in fills for c in range(width))
    feature = forest.feature.copy()
    at = np.flatnonzero(feature >= 0)
    feature[at] += width * (1 + np.arange(len(at)) % 3).astype(np.int32)
    threshold = forest.threshold.copy()
    threshold[at[1::6]] = 0.0  # as much as what stands for NaN there
    return replace(forest, feature=feature, threshold=threshold, views=views)


def _probabilities_of_two(forest: Forest) -> Forest:
    second = np.random.default_rng(1).random(len(forest.values))
    values = np.stack([1 - second, second], axis=1)
    return replace(forest, values=values, base=np.zeros(2), scale=1 / forest.n_trees)


FORESTS = {
    "softmax": random_forest(1, trees=9),
    "softmax with priors": replace(random_forest(2, trees=9), base=np.array([0.5, -1.25, 2.0])),
    "sigmoid": random_forest(3, trees=7, n_outputs=1, link="sigmoid"),
    "sigmoid with a prior": replace(
        random_forest(4, trees=7, n_outputs=1, link="sigmoid"), base=np.array([0.75])
    ),
    "probabilities": random_forest(5, trees=6, vector=True),
    "probabilities of two": _probabilities_of_two(random_forest(6, trees=6, n_outputs=2, vector=True)),
}


def _model(forest: Forest, labels: object = None, leaves: bool = False) -> onnx.ModelProto:
    n = max(forest.n_outputs, 2)
    graph = build_level(
        [VotingMember("m", 1.0, forest, tuple(range(n)))],
        [f"f{i}" for i in range(forest.n_features)],
        [str(i) for i in range(n)],
        encoding="treeops",
        metadata={},
        leaves=leaves,
        labels=labels,  # type: ignore[arg-type]
        alone=True,
    )
    return onnx.load_from_string(graph.model_bytes)


def _run(model: onnx.ModelProto, X: Rows, *outputs: str) -> list[npt.NDArray[np.float32]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(o) for o in session.run(list(outputs), {"features": X})]


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("missing", [False, True])
def test_one_operator_says_what_the_forest_says(name: str, missing: bool) -> None:
    forest = _with_missing(FORESTS[name]) if missing else FORESTS[name]
    model = _model(forest)
    assert [n.op_type for n in model.graph.node] == ["TreeEnsembleClassifier"]
    X = _rows(forest)
    expected = _expected(forest, X)
    for rows in (X, X[:1]):
        said, label = _run(model, rows, "probabilities", "label")
        assert np.abs(said - expected[: len(rows)]).max() < 2e-6
        best = np.sort(expected[: len(rows)], axis=1)
        sure = best[:, -1] - best[:, -2] > 1e-5
        assert (label == expected[: len(rows)].argmax(axis=1))[sure].all()


def test_leaves_stand_beside_the_operator_and_send_missing_values_as_it_does() -> None:
    forest = _with_missing(FORESTS["softmax"])
    X = _rows(forest)
    (found,) = _run(_model(forest, leaves=True), X, "leaves")
    assert np.array_equal(found, leaves(forest, X))


@pytest.mark.parametrize("operator", [0, -1])
def test_the_proof_finds_a_split_that_sends_missing_values_elsewhere(operator: int) -> None:
    forest = _with_missing(FORESTS["softmax"])
    model = _model(forest, leaves=True)
    check_sides_of_nan([forest], model.SerializeToString())
    node = [n for n in model.graph.node if n.op_type.startswith("TreeEnsemble")][operator]
    (sides,) = (a for a in node.attribute if a.name == "nodes_missing_value_tracks_true")
    sides.ints[0] = 1 - sides.ints[0]
    with pytest.raises(ParityError, match="every split must send missing values where its library does"):
        check_sides_of_nan([forest], model.SerializeToString())


@pytest.mark.parametrize(
    ("labels", "nodes"),
    [(["no", "perhaps", "yes"], 1), ([7, 3, 5], 1), ([0.5, 1.5, 2.5], 2)],
)
def test_labels_are_the_operators_own_where_it_can_hold_them(labels: list[object], nodes: int) -> None:
    forest = FORESTS["softmax"]
    words = np.array(labels, object if isinstance(labels[0], str) else None)
    model, X = _model(forest, words), _rows(forest)
    assert len(model.graph.node) == nodes
    (label,) = _run(model, X, "label")
    assert label.tolist() == words[_expected(forest, X).argmax(axis=1)].tolist()


def test_margins_without_a_negative_leaf_keep_operators_of_their_own() -> None:
    """onnxruntime would take 0.5 for the border of the classes, and the margins for probabilities."""
    forest = FORESTS["sigmoid"]
    positive = replace(forest, values=np.abs(forest.values) + 0.01, base=np.array([-0.1]))
    assert fits(forest, (0, 1), 2)
    assert not fits(replace(positive, base=np.array([0.0])), (0, 1), 2)
    model, X = _model(replace(positive, base=np.array([0.0]))), _rows(forest)
    said, label = _run(model, X, "probabilities", "label")
    assert (label == 1).all()
    assert np.abs(said - _expected(replace(positive, base=np.array([0.0])), X)).max() < 2e-6


def test_a_vote_that_changes_the_classes_is_no_single_operator() -> None:
    assert not fits(FORESTS["softmax"], (0, 2, 1), 3)
    assert not fits(FORESTS["probabilities of two"], (0, 1), 3)
    halves = replace(FORESTS["probabilities of two"], scale=0.5 / 6)
    assert not fits(halves, (0, 1), 2)


def test_views_of_another_kind_stay_views() -> None:
    forest = FORESTS["softmax"]
    assert without_fills(replace(forest, views=(MissingView(0, 1),))) is None
    assert without_fills(replace(forest, views=(FilledView(0, 0.0, -1e-35, 1e-35),))) is None
