"""A level's graph says what the interpreter and a plain vote say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tests.convert.test_graph_tables import EDGES, rows_at
from tests.support.forests import chain, random_forest
from tests.support.graphs import run, session

from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.graphs import ALLOWED_OPERATORS, VotingMember, build_level, walk_tables
from gradus_convert.graphs.alignment import ALIGNMENT
from gradus_convert.graphs.operators import nodes_of
from gradus_runtime.contracts.graph import LARGE_CONSTANT
from gradus_runtime.errors import UsageError
from gradus_runtime.sessions.onnx_session import open_session
from gradus_runtime.sessions.shared_constants import take_apart

NAMES, CLASSES = ["a", "b", "c", "d"], ["SELL", "HOLD", "BUY"]


def plain_vote(
    members: list[VotingMember], rows: np.ndarray, *, hard: bool = False, weights: list[float] | None = None
) -> np.ndarray:
    """The vote, in plain numpy and float64."""
    total = np.zeros((len(rows), len(CLASSES)))
    for member in members:
        assert isinstance(member.model, Forest)
        p = interpret(member.model, rows).probabilities
        if hard:
            p = np.eye(p.shape[1])[p.argmax(axis=1)]
        total[:, member.classes] += member.weight * p
    total /= sum(m.weight for m in members)
    if weights:
        total = total * weights
        total /= total.sum(axis=1, keepdims=True)
    return total


def three_members(seed: int, depths: tuple[int, int, int] = (5, 8, 6)) -> list[VotingMember]:
    """Margins for three classes, vectors for three, and a sigmoid between the first and the last."""
    return [
        VotingMember("margins", 0.4, random_forest(seed, depth=depths[0], thresholds=EDGES[:5]), (0, 1, 2)),
        VotingMember("vectors", 0.2, random_forest(seed + 1, depth=depths[1], vector=True), (0, 1, 2)),
        VotingMember(
            "binary", 0.3, random_forest(seed + 2, n_outputs=1, depth=depths[2], link="sigmoid"), (0, 2)
        ),
    ]


def compile_(members: list[VotingMember], **options: object) -> bytes:
    return build_level(members, NAMES, CLASSES, metadata={"gradus.level": "level1"}, **options).model_bytes
    # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(
    encoding=st.sampled_from(["compact", "compact", "treeops", "treeops5"]),
    seed=st.integers(0, 2**32 - 4),
    depths=st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 7)),
    rows=st.sampled_from([1, 2, 33]),
    wide=st.sampled_from([0, 30, walk_tables.WIDE_SLOTS]),
)
def test_every_tree_ends_at_the_leaf_of_the_interpreter(
    encoding: str, seed: int, depths: tuple[int, int, int], rows: int, wide: int
) -> None:
    members = three_members(seed, depths)
    X = rows_at(members[0].model, rows, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk_tables, "WIDE_SLOTS", wide)
        result = run(compile_(members, encoding=encoding, leaves=True), X)
    expected = [interpret(m.model, X).leaves for m in members]
    assert (result["leaves"] == np.hstack(expected)).all()
    probabilities = plain_vote(members, X)
    assert np.abs(result["probabilities"] - probabilities).max() < 5e-7
    assert (result["label"] == result["probabilities"].argmax(axis=1)).all()


@pytest.mark.parametrize("depth", [0, 1, 4, 5, 40])
@pytest.mark.parametrize("trees", [1, 2, 7])
def test_few_trees_single_leaves_and_deep_trees_are_compiled(depth: int, trees: int) -> None:
    if depth == 40:
        members = [VotingMember("chain", 1.0, chain(depth), (0, 1, 2))]
    else:
        forest = random_forest(depth, trees=trees, depth=depth, n_features=1)
        members = [VotingMember("one", 1.0, forest, (0, 1, 2))]
    X = np.linspace(-50, 50, 101, dtype=np.float32)[:, None]
    model = build_level(members, ["a"], CLASSES, metadata={}, leaves=True).model_bytes
    for part in (X, X[:1]):
        result = run(model, part)
        assert (result["leaves"] == interpret(members[0].model, part).leaves).all()


@pytest.mark.parametrize("wide", [0, walk_tables.WIDE_SLOTS])
def test_more_than_255_features_are_compiled(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_tables, "WIDE_SLOTS", wide)
    forest = random_forest(5, n_features=700, depth=7)
    names = [f"f{i}" for i in range(700)]
    model = build_level([VotingMember("m", 1, forest, (0, 1, 2))], names, CLASSES, metadata={}, leaves=True)
    X = np.random.default_rng(1).normal(size=(9, 700)).astype(np.float32)
    assert (run(model.model_bytes, X)["leaves"] == interpret(forest, X).leaves).all()


def test_a_hard_vote_counts_decisions() -> None:
    members = three_members(11)
    X = np.random.default_rng(2).normal(size=(200, 4)).astype(np.float32)
    result = run(compile_(members, vote="hard"), X)
    expected = plain_vote(members, X, hard=True)
    assert np.abs(result["probabilities"] - expected).max() < 1e-7
    assert (result["label"] == expected.argmax(axis=1)).all()


@pytest.mark.parametrize("rows", [1, 5])
def test_a_tie_goes_to_the_first_class(rows: int) -> None:
    even = random_forest(1, trees=3, depth=0)
    even = Forest(
        **{k: getattr(even, k) for k in Forest.__slots__} | {"values": np.ones((3, 1)), "base": [0, 0, 0]}
    )
    assert (
        run(compile_([VotingMember("even", 1, even, (1, 0, 2))]), np.zeros((rows, 4), np.float32))[
            "label"
        ].tolist()
        == [0] * rows
    )


def test_the_same_members_give_the_same_bytes() -> None:
    assert compile_(three_members(4)) == compile_(three_members(4))
    assert compile_(three_members(4)) != compile_(three_members(5))


def test_large_constants_lie_in_the_file_so_that_the_runtime_need_not_copy_them() -> None:
    forests = [random_forest(s, trees=40, depth=9, vector=s == 2) for s in (1, 2)]
    members = [VotingMember(f"m{i}", 1, forest, (0, 1, 2)) for i, forest in enumerate(forests)]
    data = compile_(members)
    skeleton = take_apart(data, "elsewhere")
    model, rest = onnx.load_model_from_string(data), onnx.load_model_from_string(skeleton.model)
    whole, start = np.frombuffer(data, np.uint8), np.frombuffer(data, np.uint8).ctypes.data
    large = {t.name: t for t in model.graph.initializer if len(t.raw_data) >= LARGE_CONSTANT}
    assert len(large) > 4
    assert skeleton.tables.keys() == large.keys()
    for name, table in skeleton.tables.items():
        assert (table == numpy_helper.to_array(large[name])).all()
        assert np.shares_memory(table, whole)
        assert (table.ctypes.data - start) % ALIGNMENT == 0
    outside = {t.name: t for t in rest.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    assert outside.keys() == large.keys()
    for name, tensor in outside.items():
        assert [(e.key, e.value) for e in tensor.external_data] == [("location", "elsewhere")]
        assert (tensor.dims, tensor.data_type) == (large[name].dims, large[name].data_type)
    inside = {t.name: t for t in rest.graph.initializer if t.name not in large}
    assert inside == {t.name: t for t in model.graph.initializer if t.name not in large}
    assert rest.graph.node == model.graph.node
    assert rest.metadata_props == model.metadata_props


def test_the_file_says_what_it_is_and_holds_listed_operators_alone() -> None:
    level = build_level(three_members(4), NAMES, CLASSES, metadata={"b": "2", "a": "1"})
    model = onnx.load_model_from_string(level.model_bytes)
    assert [(p.key, p.value) for p in model.metadata_props] == [("a", "1"), ("b", "2")]
    operators = {(n.domain, n.op_type) for part in (model.graph, *model.functions) for n in nodes_of(part)}
    assert operators - ALLOWED_OPERATORS == {("gradus", "TreeWalk1")}
    assert level.opsets == {"ai.onnx": 13}
    opened = session(level.model_bytes)
    assert [(i.name, i.type, i.shape) for i in opened.get_inputs()] == [
        ("features", "tensor(float)", ["N", 4])
    ]
    outputs = [(o.name, o.type, o.shape) for o in opened.get_outputs()]
    assert outputs == [("probabilities", "tensor(float)", ["N", 3]), ("label", "tensor(int64)", ["N"])]


def test_every_constant_is_used() -> None:
    graph = onnx.load_model_from_string(compile_(three_members(4))).graph
    used = {i for n in nodes_of(graph) for i in n.input}
    assert {t.name for t in graph.initializer} <= used


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"members": []}, "a level must have a member"),
        ({"vote": "loud"}, "vote must be known, but got 'loud'"),
        ({"encoding": "zip"}, "encoding must be known, but got 'zip'"),
        ({"feature_names": ["a"]}, "a member must read the level's features, but got 4"),
        ({"classes": ["a", "b"]}, "classes must name different columns, but got (0, 1, 2)"),
        ({"members": [VotingMember("x", 0, random_forest(1), (0, 1, 2))]}, "a weight must be positive"),
        ({"members": [VotingMember("x", 1, random_forest(1), (0, 1))]}, "a column must have a class"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[str, object], text: str) -> None:
    arguments = {"members": three_members(1), "feature_names": NAMES, "classes": CLASSES, "metadata": {}}
    with pytest.raises(UsageError, match=text.replace("(", r"\(").replace(")", r"\)")):
        build_level(**(arguments | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["compact", "treeops", "treeops5"])
def test_no_rows_give_no_answers(encoding: str) -> None:
    result = run(compile_(three_members(1), encoding=encoding), np.zeros((0, 4), np.float32))
    assert result["probabilities"].shape == (0, 3)
    assert result["label"].shape == (0,)


@pytest.mark.parametrize("vote", ["soft", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_every_level_with_trees_has_a_form_for_one_row_with_the_same_answers(seed: int, vote: str) -> None:
    members = three_members(seed, depths=(1 + seed, 8 - seed, 5))
    data = compile_(members, vote=vote)
    one, many = (open_session(data, "compact", 1, one_row=single) for single in (True, False))
    assert (one.one_row, many.one_row) == (True, False)
    rows = rows_at(members[0].model, 300, seed)
    (expected,) = many.session.run(["probabilities"], {"features": rows})
    for row, answer in zip(rows, expected, strict=True):
        (got,) = one.session.run(["probabilities"], {"features": row[None]})
        assert np.abs(got[0] - answer).max() < 1e-6
