"""Exports of pipelines and of several outputs, and graphs on which onnx's shape inference crashes."""

import warnings

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import skl2onnx
from onnx import TensorProto, helper
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from tests.support.legacy_models import rows

from gradus_convert.compaction import value_types
from gradus_convert.compaction.probes import _compare, _flat
from gradus_convert.compaction.rewrite import compact
from gradus_convert.compaction.value_types import ValueType
from gradus_convert.errors import InexactModelError
from gradus_runtime.errors import CheckError


def forest():
    return RandomForestClassifier(4, max_depth=4, random_state=0)


PIPELINES = {
    "standard": lambda: make_pipeline(StandardScaler(), forest()),
    "min and max": lambda: make_pipeline(MinMaxScaler(), forest()),
    "largest": lambda: make_pipeline(MaxAbsScaler(), forest()),
    "robust": lambda: make_pipeline(RobustScaler(), forest()),
    "norm": lambda: make_pipeline(Normalizer(), forest()),
    "imputer": lambda: make_pipeline(SimpleImputer(), forest()),
    "some columns": lambda: make_pipeline(
        make_column_transformer((StandardScaler(), [0, 1]), remainder="passthrough"), forest()
    ),
    "regression": lambda: make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=4)),
    "two targets": lambda: MultiOutputClassifier(forest()),
}


def export(made, *, zipmap=False):
    X, y = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = made.fit(X, np.stack([y, y[::-1]], axis=1) if isinstance(made, MultiOutputClassifier) else y)
        options = {id(fitted): {"zipmap": zipmap}} if hasattr(fitted, "predict_proba") else None
        opsets = {"": 17, "ai.onnx.ml": 3}
        return skl2onnx.to_onnx(fitted, X[:1], options=options, target_opset=opsets).SerializeToString()


def answers(model, X):
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [part for o in session.run(None, {session.get_inputs()[0].name: X}) for part in _flat(o)]


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("kind", PIPELINES)
def test_an_exported_pipeline_is_rewritten_and_answers_as_before(kind, zipmap):
    original = export(PIPELINES[kind](), zipmap=zipmap)
    done = compact(original, place=kind)
    assert done.agreement.rows >= 2000
    X, _ = rows(seed=8)
    for a, b in zip(answers(original, X), answers(done.model_bytes, X), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
        else:
            np.testing.assert_array_equal(a, b)


def words():
    """Trees, then a LabelEncoder to texts, then a Reshape."""
    tree = helper.make_node(
        "TreeEnsembleClassifier", ["scaled"], ["label", "scores"], domain="ai.onnx.ml",
        classlabels_int64s=[0, 1], nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], class_treeids=[0] * 4,
        class_nodeids=[1, 1, 2, 2], class_ids=[0, 1, 0, 1], class_weights=[-1.0, 1.0, 1.0, -1.0],
        post_transform="NONE",
    )  # fmt: skip
    scaler = helper.make_node(
        "Scaler", ["x"], ["scaled"], domain="ai.onnx.ml", offset=[0.0] * 3, scale=[2.0] * 3
    )
    encoder = helper.make_node(
        "LabelEncoder", ["label"], ["words"], domain="ai.onnx.ml",
        keys_int64s=[0, 1], values_strings=["SELL", "BUY"], default_string="",
    )  # fmt: skip
    reshape = helper.make_node("Reshape", ["words", "shape"], ["out"])
    graph = helper.make_graph(
        [scaler, tree, encoder, reshape], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("out", TensorProto.STRING, [None, 1])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


CRASH = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}: os.abort()
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def crashing(tmp_path, monkeypatch):
    """Make other processes crash when they import these modules."""

    def plant(*names):
        (tmp_path / "sitecustomize.py").write_text(CRASH.format(names=names))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return plant


@pytest.mark.parametrize("crash", [(), ("onnx.shape_inference",)])
def test_a_graph_that_crashes_shape_inference_is_rewritten_all_the_same(crashing, monkeypatch, crash):
    if crash:
        real = value_types._ask

        def ask(task, *arguments):
            if task == "infer":
                crashing(*crash)
            answer = real(task, *arguments)
            monkeypatch.delenv("PYTHONPATH", raising=False)
            assert (answer == {}) == (task == "infer")
            return answer

        monkeypatch.setattr(value_types, "_ask", ask)
    original = words()
    done = compact(original, place="words")
    X, _ = rows(seed=8)
    (a,), (b,) = (answers(m, np.ascontiguousarray(X[:, :3])) for m in (original, done.model_bytes))
    np.testing.assert_array_equal(a, b)
    assert set(a.ravel()) == {"SELL", "BUY"}


def test_a_graph_that_crashes_both_is_refused_with_what_is_missing(crashing):
    crashing("onnx")
    with pytest.raises(
        InexactModelError, match=r"the type of the operator's input must be known.*value_info"
    ):
        compact(words(), place="words")


def test_values_that_onnx_does_not_know_are_asked_of_onnxruntime():
    model = onnx.load_model_from_string(words())
    known = value_types.value_types(model, {"scaled"}, place="words")
    assert known["x"] == ValueType(TensorProto.FLOAT, (0, 3))
    assert known["scaled"] == ValueType(TensorProto.FLOAT, (0, 3))


def test_parts_of_outputs_are_compared_each():
    one, two = np.array([[0.1, 0.7, 0.2]] * 2, np.float32), np.array(["a", "b"])
    assert len(_flat([one, [two, two]])) == 3
    assert _compare(_flat([one, two]), _flat([one, two]), 1e-6, 2, "p").largest_difference == 0
    with pytest.raises(CheckError, match="as many outputs"):
        _compare(_flat([one, two]), _flat([one]), 1e-6, 2, "p")
    with pytest.raises(CheckError, match="labels must agree"):
        _compare(_flat([one, two]), _flat([one, np.array(["a", "c"])]), 1e-6, 2, "p")
    with pytest.raises(CheckError, match="numbers must agree"):
        _compare(_flat([one, two]), _flat([one + 1, two]), 1e-6, 2, "p")
    with pytest.raises(CheckError, match="labels must agree"):
        _compare([np.array("a")], [np.array("b")], 1e-6, 1, "p")
