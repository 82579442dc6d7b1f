"""Members that are no trees join the level's graph and keep their answers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support.forests import random_forest
from tests.support.graphs import run

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.fragment import OPSETS, OnnxFragment
from gradus_convert.forest.ir import interpret
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.readers import read_model
from gradus_runtime.sessions.one_row_graph import for_one_row
from gradus_runtime.sessions.onnx_session import open_session
from gradus_runtime.sessions.shared_constants import take_apart

CLASSES = ["SELL", "HOLD", "BUY"]


def fragment(operator: str = "Identity", *, opset: int = OPSETS[""], domain: str = "") -> OnnxFragment:
    """A fragment that answers its three columns."""
    value = helper.make_tensor_value_info
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    graph = helper.make_graph(
        [node], "g", [value("x", TensorProto.FLOAT, [None, 3])], [value("y", TensorProto.FLOAT, [None, 3])]
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return OnnxFragment(helper.make_model(graph, opset_imports=opsets).SerializeToString(), 3, 3)


@pytest.mark.parametrize("rows", [1, 40])
def test_fragments_and_forests_vote_in_one_graph(rows: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    y = np.digitize(X[:, 0] + rng.normal(size=300), [-0.5, 0.5])
    models = [
        LogisticRegression().fit(X, y),
        make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=30, random_state=0)).fit(X, y),
    ]
    forest = random_forest(1)
    members = [VotingMember(f"m{i}", i + 1, read_model(m).lowered, (0, 1, 2)) for i, m in enumerate(models)]
    members.append(VotingMember("forest", 3, forest, (0, 1, 2)))
    level = build_level(members, list("abcd"), CLASSES, metadata={})
    result = run(level.model_bytes, X[:rows])
    parts = [m.predict_proba(X[:rows]) for m in models] + [interpret(forest, X[:rows]).probabilities]
    expected = sum(p * w for p, w in zip(parts, (1, 2, 3), strict=True)) / 6
    assert np.abs(result["probabilities"] - expected).max() < 1e-6
    assert level.opsets == {"ai.onnx": 13, "ai.onnx.ml": 3}
    single = open_session(level.model_bytes, "compact", 1, one_row=True)
    assert single.one_row
    for row, answer in zip(X[:rows], expected, strict=True):
        (got,) = single.session.run(["probabilities"], {"features": row[None]})
        assert np.abs(got[0] - answer).max() < 1e-6


def test_a_level_may_have_no_trees() -> None:
    member = VotingMember("m", 1, fragment(), (2, 0, 1))
    level = build_level([member], list("abc"), CLASSES, metadata={})
    assert for_one_row(take_apart(level.model_bytes, "x")) is None
    rows = np.float32([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    result = run(level.model_bytes, rows)
    assert (result["probabilities"] == rows[:, [1, 2, 0]]).all()
    assert result["label"].tolist() == [0, 1]
    assert level.encoding == "none"


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (fragment(opset=18), "a fragment must have the opsets"),
        (fragment("Scan"), "every operator must be on the list of allowed operators, but got 'ai.onnx.Scan'"),
        (
            fragment("Gelu", domain="com.microsoft"),
            "m: every operator must be on the list of allowed operators, but got 'com.microsoft.Gelu'",
        ),
    ],
)
def test_a_fragment_that_could_not_be_served_everywhere_is_refused(broken: OnnxFragment, text: str) -> None:
    with pytest.raises(InexactModelError, match=text):
        build_level([VotingMember("m", 1, broken, (0, 1, 2))], list("abc"), CLASSES, metadata={})


def test_two_fragments_of_one_name_do_not_meet() -> None:
    members = [VotingMember(n, 1, fragment(), (0, 1, 2)) for n in "ab"]
    model = onnx.load_model_from_string(build_level(members, list("abc"), CLASSES, metadata={}).model_bytes)
    names = [o for n in model.graph.node for o in n.output]
    assert len(names) == len(set(names))
