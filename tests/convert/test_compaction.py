"""A rewritten model answers what the original answers, or nothing is written."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from packaging.version import Version
from tests.support.graphs import run
from tests.support.operators import classifier, ensemble5, model, regressor

from gradus_convert.compaction import compact, probes
from gradus_convert.errors import InexactModelError
from gradus_runtime.errors import CheckError, DataError

VALUES = [0.0, -0.0, 0.5, -0.25, 1.0, 1e-45, np.inf, -np.inf, np.nan, 3.0]


def rows(count: int, seed: int = 0, columns: int = 3) -> np.ndarray:
    """Rows at the thresholds of `tree_attributes`, their neighbours, NaN and infinities."""
    rng = np.random.default_rng(seed)
    value = rng.choice(np.float32(VALUES), size=(count, columns))
    moved = np.nextafter(value, np.float32(rng.choice([-9, 9])))
    return np.where(rng.random(value.shape) < 0.3, moved, value).astype(np.float32)


NEWEST_MEANING = Version(onnxruntime.__version__) >= Version("1.31")
"""Two classes from one score, and averages of version 5, mean something else before."""


def assert_same(original: bytes, *, counts: tuple[int, ...] = (1, 2, 200), columns: int = 3) -> bytes:
    try:
        result = compact(original, place="m.onnx").model_bytes
    except CheckError:
        if NEWEST_MEANING:
            raise
        return original  # an older onnxruntime means something else by this operator: refusing is right
    for count in counts:
        X = rows(count, count, columns)
        before, after = run(original, X, name="x"), run(result, X, name="x")
        assert list(before) == list(after)
        for name, expected in before.items():
            assert expected.dtype == after[name].dtype
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(after[name], expected, atol=2e-6)
            else:
                assert (expected == after[name]).all()
    assert not {n.op_type for n in onnx.load_model_from_string(result).graph.node if n.domain}
    return result


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    depth=st.integers(0, 7),
    targets=st.integers(1, 3),
    transform=st.sampled_from(["NONE", "LOGISTIC", "SOFTMAX"]),
    aggregate=st.sampled_from(["SUM", "AVERAGE"]),
    nan=st.booleans(),
)
def test_a_regressor_keeps_its_answers(
    seed: int, depth: int, targets: int, transform: str, aggregate: str, nan: bool
) -> None:
    changes = {
        "post_transform": transform,
        "aggregate_function": aggregate,
        "base_values": [0.5, -1.0, 2.0][:targets],
    }
    if targets == 1:
        changes["post_transform"] = "NONE"
    assert_same(regressor(seed, targets=targets, depth=depth, nan=nan, changes=changes))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(
    ("ids", "base"),
    [([0], []), ([0], [0.25]), ([1], []), ([0, 1], [])],
    ids=["first", "base", "second", "both"],
)
def test_two_classes_mean_what_onnxruntime_makes_of_them(
    ids: list[int], base: list[float], positive: bool, transform: str
) -> None:
    changes: dict[str, Any] = {"post_transform": transform} | ({"base_values": base} if base else {})
    assert_same(classifier(3, ids, [0, 1], positive=positive, changes=changes))


@pytest.mark.parametrize("labels", [[0, 1, 2], [7, -1, 3], ["BUY", "HOLD", "SELL"]], ids=str)
@pytest.mark.parametrize("base", [None, [0.5, -0.5, 0.0]])
def test_labels_of_many_classes_keep_their_names(labels: list[Any], base: list[float] | None) -> None:
    changes: dict[str, Any] = {"post_transform": "SOFTMAX"} | ({"base_values": base} if base else {})
    assert_same(classifier(4, [0, 1, 2], labels, changes=changes))


def test_a_tree_ensemble_of_version_5_keeps_its_answers() -> None:
    assert_same(ensemble5())
    assert_same(ensemble5(changes={"aggregate_function": 0}))


def test_nan_goes_where_the_operator_sends_it() -> None:
    for nan in (True, False):
        assert_same(regressor(9, nan=nan, modes=["BRANCH_LEQ"]))


def around() -> bytes:
    """A model with nodes before and after the operator, and metadata."""
    inner = onnx.load_model_from_string(regressor(5, targets=2)).graph.node[0]
    inner.input[0], inner.output[0] = "scaled", "raw"
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["scaled"]),
        inner,
        helper.make_node("Add", ["raw", "one"], ["y"]),
    ]
    built = onnx.load_model_from_string(
        model(nodes, [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])])
    )
    built.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(2), "two"), numpy_helper.from_array(np.float32(1), "one")]
    )
    built.metadata_props.add(key="owner", value="somebody")
    return built.SerializeToString()


def test_everything_around_an_operator_is_kept() -> None:
    original = onnx.load_model_from_string(around())
    result = onnx.load_model_from_string(assert_same(around()))
    assert result.metadata_props == original.metadata_props
    assert list(result.graph.input) == list(original.graph.input)
    assert list(result.graph.output) == list(original.graph.output)
    assert result.graph.node[0] == original.graph.node[0]
    assert result.graph.node[-1] == original.graph.node[-1]


def test_two_operators_are_rewritten_and_their_names_do_not_meet() -> None:
    first, second = (onnx.load_model_from_string(regressor(s)).graph.node[0] for s in (1, 2))
    first.output[0], second.output[0] = "compact0_v0", "b"
    built = model(
        [first, second, helper.make_node("Add", ["compact0_v0", "b"], ["y"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
    )
    assert_same(built)


def test_an_old_opset_is_raised_and_an_unknown_width_is_cut() -> None:
    source = onnx.load_model_from_string(regressor(6))
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])]
    assert_same(model(list(source.graph.node), output, opset=9))
    assert_same(model(list(source.graph.node), output, columns="F"), columns=5)
    alone = onnx.load_model_from_string(model(list(source.graph.node), output))
    del alone.opset_import[0]
    assert_same(alone.SerializeToString())


def test_the_same_file_gives_the_same_bytes() -> None:
    assert compact(regressor(1), place="m").model_bytes == compact(regressor(1), place="m").model_bytes


SINGLE = {"nodes_treeids": [0], "nodes_nodeids": [0]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"post_transform": "LOGISTIC"},
            "post_transform of a single target must be NONE, but got 'LOGISTIC'",
        ),
        ({"aggregate_function": "MIN"}, "aggregate_function must be SUM or AVERAGE, but got 'MIN'"),
        (
            {"post_transform": "PROBIT"},
            "post_transform must be one of NONE, SOFTMAX, LOGISTIC, but got 'PROBIT'",
        ),
        ({"post_transform": "SOFTMAX_ZERO"}, "but got 'SOFTMAX_ZERO'"),
        (
            {"nodes_modes": ["BRANCH_EQ", "LEAF", "LEAF"]},
            "a node's mode must compare by order, but got 'BRANCH_EQ'",
        ),
        ({"nodes_values": [np.inf, 0, 0]}, "every threshold must be finite, but got inf"),
        ({"nodes_values": [np.nan, 0, 0]}, "nodes_values must hold no NaN"),
        ({"nodes_values": [0.0]}, "nodes_values must have 3 entries, but got 1"),
        (
            {"nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [7, 0, 0]},
            "a tree must have one root, but got 2",
        ),
        ({"nodes_truenodeids": [2, 0, 0]}, "a tree must have one root"),
        ({"nodes_featureids": [-4, 0, 0]}, "a split's feature must be a column, but got -4"),
        ({"nodes_nodeids": [0, 1, 1]}, "a node's id must occur once in its tree"),
        ({"nodes_missing_value_tracks_true": [1]}, "nodes_missing_value_tracks_true must have 3 entries"),
        ({"target_nodeids": [0, 2]}, "target_nodeids must name leaves"),
        ({"target_ids": [0, 9]}, "target_ids must be below 1, but got 9"),
        ({"target_weights": [np.inf, 0]}, "target_weights must be finite"),
        ({"base_values": [1.0, 2.0]}, "base_values must have 1 entry, but got 2"),
        ({"n_targets": 10**9}, "nodes times outputs must be"),
        ({"nodes_modes": []}, "an ensemble must have a node"),
        (
            {"nodes_values_as_tensor": numpy_helper.from_array(np.zeros(3))},
            "numbers must be float32, but got 'nodes_values_as_tensor'",
        ),
    ],
)
def test_what_has_no_exact_form_is_refused_by_its_rule(changes: dict[str, Any], text: str) -> None:
    stump: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
        "n_targets": 1,
    }
    attributes = {k: v for k, v in (stump | changes).items() if v != []}
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", None])]
    with pytest.raises((InexactModelError, DataError)) as caught:
        compact(model([node], output), place="m.onnx")
    assert text in str(caught.value)
    assert "m.onnx" in str(caught.value)


def test_a_loop_of_nodes_is_refused() -> None:
    changes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["LEAF", "BRANCH_LEQ", "BRANCH_LEQ"],
        "nodes_values": [0.0, 0.0, 0.0],
        "nodes_truenodeids": [0, 2, 1],
        "nodes_falsenodeids": [0, 2, 1],
    }
    with pytest.raises(InexactModelError, match="every node must be reached from a root, but got 1"):
        compact(regressor(1, trees=1, depth=0, nan=False, changes=changes), place="m")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"classlabels_int64s": [1]}, "a classifier must have two classes, but got 1"),
        ({"base_values": [1.0, 2.0]}, "base_values of two classes must have one clear meaning"),
    ],
)
def test_a_classifier_without_a_clear_meaning_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InexactModelError, match=text):
        compact(classifier(1, [0], [0, 1], changes=changes), place="m")


def test_a_class_that_some_rows_give_no_score_is_refused() -> None:
    with pytest.raises(InexactModelError, match="every class must get a score in every row"):
        compact(classifier(1, [0, 1], [0, 1, 2]), place="m")
    with pytest.raises(InexactModelError, match="base_values must have 3 entries, but got 1"):
        compact(classifier(1, [0, 1, 2], [0, 1, 2], changes={"base_values": [1.0]}), place="m")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"nodes_truenodeids": [9, 0, 3]}, "a child must be a node"),
        ({"nodes_modes": numpy_helper.from_array(np.uint8([6, 0, 0]))}, "must compare by order"),
        (
            {"nodes_modes": numpy_helper.from_array(np.uint8([99, 0, 0]))},
            "nodes_modes must be numbers of modes",
        ),
        ({"leaf_targetids": [0, 1, 0, 5]}, "leaf_targetids must be below n_targets"),
        ({"tree_roots": [0, 0]}, "every node must have one parent"),
        ({"tree_roots": [0]}, "every node must be reached from a root"),
        ({"tree_roots": [-1]}, "a child must be a node"),
        ({"nodes_falsenodeids": [1, 1, 3], "nodes_falseleafs": [0, 1, 1]}, "every node must have one parent"),
        ({"aggregate_function": 9}, "aggregate_function must be known, but got 9"),
        ({"post_transform": 1}, "must be NONE, but got 'SOFTMAX'"),
        ({"n_targets": 10**10}, "nodes times outputs"),
        (
            {"nodes_splits": numpy_helper.from_array(np.zeros(3))},
            "numbers must be float32, but got 'nodes_splits'",
        ),
        (
            {"leaf_weights": numpy_helper.from_array(np.float32([1, 2, 3, np.inf]))},
            "leaf_weights must be finite",
        ),
        ({"nodes_missing_value_tracks_true": [1]}, "must have 3 entries, but got 1"),
    ],
)
def test_a_malformed_tree_ensemble_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InexactModelError, match=text):
        compact(ensemble5(changes=changes), place="m")


def test_a_model_without_trees_is_refused() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    plain = model([node], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])])
    with pytest.raises(InexactModelError, match="a model must have a tree operator"):
        compact(plain, place="m")


def test_trees_in_a_subgraph_are_refused() -> None:
    inner = onnx.load_model_from_string(regressor(1)).graph
    branch = helper.make_graph(inner.node, "b", [], inner.output)
    nodes = [*inner.node, helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)]
    branch.node[0].output[0] = branch.output[0].name = "inner"
    built = onnx.load_model_from_string(model(nodes, list(inner.output)))
    for attribute in built.graph.node[1].attribute:
        attribute.g.node[0].output[0] = attribute.g.output[0].name = "inner"
    built.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    with pytest.raises(InexactModelError, match="tree operators must stand outside of subgraphs, but got 2"):
        compact(built.SerializeToString(), place="m")


@pytest.mark.parametrize(
    ("kind", "text"),
    [(TensorProto.DOUBLE, "input must be float32, but got 'DOUBLE'"), (TensorProto.INT64, "but got 'INT64'")],
)
def test_other_inputs_than_float32_are_refused(kind: int, text: str) -> None:
    node = onnx.load_model_from_string(regressor(1)).graph.node[0]
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])]
    with pytest.raises(InexactModelError, match=text):
        compact(model([node], output, kind=kind), place="m")


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(cut: float) -> None:
    data = regressor(1)
    with pytest.raises((DataError, InexactModelError)):
        compact(data[: int(len(data) * cut)], place="m")


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"PK\x03\x04nothing", b"{}", bytes(range(256)) * 9])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises((DataError, InexactModelError)):
        compact(data, place="m")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_a_file_with_flipped_bytes_gives_a_typed_error_or_the_same_answers(data: st.DataObject) -> None:
    changed = bytearray(regressor(1, trees=1, depth=2))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError, CheckError):
        compact(bytes(changed), place="m")


def test_tensors_outside_the_file_are_refused() -> None:
    built = onnx.load_model_from_string(around())
    tensor = built.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    with pytest.raises(DataError, match="tensors must be inside the file, but got 'two'"):
        compact(built.SerializeToString(), place="m")


def test_a_rewriting_that_changes_an_answer_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_convert.compaction import rewrite

    real = rewrite.read_operator

    def one_threshold_up(*args: Any, **named: Any) -> Any:
        import dataclasses

        ensemble = real(*args, **named)
        forest = ensemble.forest
        threshold = forest.threshold.copy()
        first = int(np.flatnonzero(forest.feature >= 0)[0])
        threshold[first] = np.nextafter(threshold[first], np.float32(9))
        return dataclasses.replace(ensemble, forest=dataclasses.replace(forest, threshold=threshold))

    monkeypatch.setattr(rewrite, "read_operator", one_threshold_up)
    with pytest.raises(CheckError, match="numbers must agree within"):
        compact(regressor(2), place="m")


def test_a_label_that_changes_without_a_tie_is_caught() -> None:
    scores, labels = np.float32([[0.9, 0.1]]), np.array([0])
    with pytest.raises(CheckError, match="labels must agree"):
        probes._compare([labels, scores], [labels + 1, scores], 1e-6, 1, "m")
    even = np.float32([[0.3, 0.3]])
    assert probes._compare([labels, even], [labels + 1, even], 1e-6, 1, "m").ties == 1
    with pytest.raises(CheckError, match="outputs of one shape"):
        probes._compare([scores], [scores[:, :1]], 1e-6, 1, "m")
