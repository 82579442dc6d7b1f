"""The walk is a function of the file, with one body, which publishing knows and the runtime puts in."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.support.forests import random_forest
from tests.support.graphs import session
from tests.support.levels import LEVELS

from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.alignment import ALIGNMENT
from gradus_convert.graphs.exact_vote import exact_ballots
from gradus_convert.graphs.plan import plan_sums
from gradus_convert.graphs.tree_walk import walk_call
from gradus_convert.graphs.types import Vote
from gradus_convert.publishing.walk_rules import check_walk
from gradus_runtime.errors import IntegrityError
from gradus_runtime.sessions.onnx_session import open_session
from gradus_runtime.sessions.shared_constants import SplitModel, take_apart
from gradus_runtime.sessions.walk_function import with_body

ROWS = np.random.default_rng(3).normal(size=(40, 4)).astype(np.float32)


def compiled(level: str = "three links", vote: Vote = "soft", **options: bool) -> bytes:
    names, classes = list("abcd"), list("xyz")
    return build_level(LEVELS[level], names, classes, vote=vote, metadata={}, **options).model_bytes


def deep() -> list[VotingMember]:
    """Forests below and above the heap, of values and of vectors."""
    forests = [random_forest(1, trees=40, depth=9, vector=True), random_forest(2, trees=30, depth=3)]
    return [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]


def test_a_level_of_trees_calls_its_walk_once_and_gives_it_every_table() -> None:
    model = onnx.load_from_string(compiled())
    (walk,), (call,) = model.functions, [n for n in model.graph.node if n.domain]
    assert (walk.domain, walk.name) == (call.domain, call.op_type) == ("gradus", "TreeWalk1")
    assert {o.domain: o.version for o in model.opset_import} == {"": 13, "gradus": 1}
    assert list(call.input) == list(walk.input)
    assert list(call.output) == list(walk.output)
    assert set(call.input[1:]) <= {t.name for t in model.graph.initializer}
    assert {a.name for a in call.attribute} == set(walk.attribute)
    assert not any(n.op_type == "If" for n in model.graph.node)


def test_the_large_tables_of_a_walk_lie_aligned_and_are_used_where_they_lie() -> None:
    data = build_level(deep(), list("abcd"), list("xyz"), metadata={}).model_bytes
    start = np.frombuffer(data, np.uint8).ctypes.data
    called = take_apart(data, "level")
    assert len(called.tables) > 1
    for skeleton in (called, with_body(called)):
        assert skeleton is not None
        for table in skeleton.tables.values():
            assert (table.ctypes.data - start) % ALIGNMENT == 0
            assert start <= table.ctypes.data < start + len(data)


def test_links_vote_and_label_stay_outside_so_that_only_whole_sums_leave_the_walk() -> None:
    model = onnx.load_from_string(compiled())
    sums = {n for call in model.graph.node if call.domain for n in call.output}
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    assert {types[name] for name in sums} == {onnx.TensorProto.DOUBLE}
    assert "probabilities" not in {o for n in model.functions[0].node for o in n.output}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    depths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    vectors=st.lists(st.booleans(), min_size=4, max_size=4),
    trees=st.integers(1, 30),
)
def test_publishing_finds_the_body_again_from_the_tables(
    seed: int, depths: list[int], vectors: list[bool], trees: int
) -> None:
    forests = [
        random_forest(seed + i, trees=trees + i, depth=d, vector=v)
        for i, (d, v) in enumerate(zip(depths, vectors, strict=False))
    ]
    members = [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]
    built = build_level(members, list("abcd"), list("xyz"), metadata={})
    check_walk(onnx.load_from_string(built.model_bytes), "level1.onnx")


@pytest.mark.parametrize("level", LEVELS)
def test_the_body_in_the_place_of_the_call_gives_the_bits_of_the_function(level: str) -> None:
    model = compiled(level)
    plain = session(model).run(["probabilities", "label"], {"features": ROWS})
    for one in (False, True):
        opened = open_session(model, "compact", 1, one_row=one)
        assert not opened.remarks
        got = opened.replay(ROWS)
        assert got[0].tobytes() == plain[0].tobytes()
        assert one or (got[1] == plain[1]).all()


def test_the_default_optimisations_of_onnxruntime_keep_the_bits() -> None:
    model = compiled()
    usual = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (expected,) = session(model).run(["probabilities"], {"features": ROWS})
    assert usual.run(["probabilities"], {"features": ROWS})[0].tobytes() == expected.tobytes()


def test_the_runtime_gives_onnxruntime_no_function_to_put_in() -> None:
    skeleton = take_apart(compiled("many trees"), "x")
    placed = with_body(skeleton)
    assert placed is not None
    model = onnx.load_from_string(placed.model)
    assert not model.functions
    assert [o.domain for o in model.opset_import] == [""]
    assert {n.domain for n in model.graph.node} == {""}
    assert placed.tables is skeleton.tables


def _other_names(m: onnx.ModelProto) -> None:
    m.functions[0].output[0] = "elsewhere"


def _twice(m: onnx.ModelProto) -> None:
    m.graph.node.append(next(n for n in m.graph.node if n.domain))


def _two(m: onnx.ModelProto) -> None:
    m.functions.append(m.functions[0])


def _renamed(m: onnx.ModelProto) -> None:
    m.functions[0].name = "TreeWalk2"


@pytest.mark.parametrize("change", [_other_names, _twice, _two, _renamed])
def test_a_call_that_is_not_the_compilers_is_left_to_onnxruntime(
    change: Callable[[onnx.ModelProto], None],
) -> None:
    model = onnx.load_from_string(compiled())
    change(model)
    assert with_body(SplitModel(model.SerializeToString(), {})) is None


def test_a_body_of_other_names_is_served_by_onnxruntimes_own_means() -> None:
    model = onnx.load_from_string(compiled())
    walk = model.functions[0]
    for node in walk.node:
        node.output[:] = ["elsewhere" if o == walk.output[0] else o for o in node.output]
    walk.output[0] = "elsewhere"
    expected = session(compiled()).run(["probabilities"], {"features": ROWS})[0]
    assert (
        open_session(model.SerializeToString(), "compact", 1).replay(ROWS)[0].tobytes() == expected.tobytes()
    )


def test_damaged_functions_raise_nothing() -> None:
    rng = random.Random(4)
    skeleton = take_apart(compiled("many trees"), "x").model
    placed = 0
    for _ in range(1500):
        damaged = bytearray(skeleton)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randrange(len(damaged)) if rng.random() < 0.3 else len(damaged) :]
        placed += with_body(SplitModel(bytes(damaged), {})) is not None
    assert 0 < placed < 1500


def _set(m: onnx.ModelProto, name: str, *values: int) -> None:
    call = next(n for n in m.graph.node if n.domain)
    (old,) = (a for a in call.attribute if a.name == name)
    if name in ("columns", "heap"):
        old.i = values[0]
    else:
        old.ints[:] = values


def _table(m: onnx.ModelProto, name: str, at: int, value: float) -> None:
    (tensor,) = (t for t in m.graph.initializer if t.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[at] = value
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def _shorter(m: onnx.ModelProto, name: str) -> None:
    (tensor,) = (t for t in m.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:-1], name))


def _body(m: onnx.ModelProto) -> None:
    node = next(n for n in m.functions[0].node if n.op_type == "Equal")
    node.op_type = "Greater"


def _branch(m: onnx.ModelProto) -> None:
    choice = next(n for n in m.functions[0].node if n.op_type == "If")
    branch = next(a.g for a in choice.attribute if a.name == "else_branch")
    next(n for n in branch.node if n.op_type == "Greater").op_type = "Less"


def _made_table(m: onnx.ModelProto) -> None:
    m.graph.node.insert(0, helper.make_node("Identity", ["column0"], ["made"]))
    for part in (next(n for n in m.graph.node if n.domain), m.functions[0]):
        part.input[1] = "made"


SPOILT: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "a changed operator": (_body, "must have exactly the body that the compiler emits"),
    "a changed branch": (_branch, "must have exactly the body that the compiler emits"),
    "another output": (_other_names, "must have exactly the body that the compiler emits"),
    "another name": (_renamed, r"only function must be the walk, but got \[\('gradus', 'TreeWalk2'\)\]"),
    "two functions": (_two, "a graph's only function must be the walk"),
    "two calls": (_twice, "a graph must call its walk once, but got 2"),
    "a table that is computed": (_made_table, r"the walk's tables must be constants, but got \['made'\]"),
    "a column beyond the row": (lambda m: _table(m, "column1", 3, 5), "`column1` must be from 0 to 4"),
    "a column before the row": (lambda m: _table(m, "column0", 0, -1), "`column0` must be from 0 to 4"),
    "a bottom column": (lambda m: _table(m, "column", 0, 99), "`column` must be from 0 to 4"),
    "a child before the tables": (lambda m: _table(m, "left", 0, -1), "`left` must be from 0 to"),
    "a child beyond the tables": (lambda m: _table(m, "left", 0, 1 << 30), "`left` must be from 0 to"),
    "a short heap": (lambda m: _shorter(m, "threshold0"), r"`threshold0` must have the shape \(70,\)"),
    "a short bottom": (lambda m: _shorter(m, "left"), "`left` must have the shape"),
    "no vectors": (
        lambda m: _set(m, "run_vectors", 0, 0),
        "as many trees for each of their outputs|called as",
    ),
    "one tree less": (lambda m: _set(m, "stage_trees", 40, 29), "must have the shape"),
    "another width": (lambda m: _set(m, "widths", 1, 5), "the walk must be called as the compiler calls it"),
    "other steps": (lambda m: _set(m, "stage_steps", 3, 9), "the steps of the stages must fall"),
    "endless steps": (lambda m: _set(m, "stage_steps", 1 << 30, 3), "at most 256 steps"),
    "no stage": (lambda m: _set(m, "stage_trees"), "the walk must have numbers `stage_trees`"),
    "a high heap": (lambda m: _set(m, "heap", 60), "the heap must have from 1 to 16 levels"),
    "no columns": (lambda m: _set(m, "columns", 0), "the walk must have a number `columns`"),
    "overlapping runs": (lambda m: _set(m, "run_first", 0, 0), "runs must fill the sums side by side"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_walk_that_is_not_the_compilers_is_not_published(how: str) -> None:
    built = build_level(deep(), list("abcd"), list("xyz"), metadata={})
    model = onnx.load_from_string(built.model_bytes)
    check_walk(model, "level1.onnx")
    spoil, message = SPOILT[how]
    spoil(model)
    with pytest.raises(IntegrityError, match=message):
        check_walk(model, "level1.onnx")


def test_a_model_without_functions_is_fine() -> None:
    check_walk(helper.make_model(helper.make_graph([], "g", [], [])), "level1.onnx")


def test_only_exact_plans_have_a_function() -> None:
    forest = random_forest(1)
    with pytest.raises(ValueError, match="a function walks exact plans"):
        walk_call("rows", plan_sums([forest], 4))


def test_a_plan_gives_the_same_call_again() -> None:
    member = deep()[0]
    ballots = exact_ballots([(member, random_forest(1, trees=40, depth=9, vector=True))], "soft")
    plans = [plan_sums([member.model], 4, fixed=[b.fixed for b in ballots]) for _ in range(2)]  # type: ignore[list-item]
    first, second = (walk_call("rows", plan) for plan in plans)
    assert first.function.SerializeToString() == second.function.SerializeToString()
    assert first.node == second.node
