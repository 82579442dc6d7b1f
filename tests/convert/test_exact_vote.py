"""The same 32 bits: alone and in batches, with threads, with every optimisation, and by numpy alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from tests.convert.test_graph_level import plain_vote
from tests.support.forests import random_forest as grow
from tests.support.levels import LEVELS, based, scaled

from gradus_convert.errors import InexactModelError
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.builder import Graph
from gradus_convert.graphs.exact_vote import exact_answers, exact_ballots
from gradus_convert.graphs.operators import EXACT_OPERATORS, nodes_of
from gradus_convert.graphs.powers import PER_UNIT, REST, SHIFT, STEPS, powers
from gradus_convert.parity.bits import BitOracle, different_bits
from gradus_runtime.sessions.onnx_session import open_session

ROWS = (np.random.default_rng(0).normal(size=(200, 4)) * 3).astype(np.float32)


def compiled(members: list[VotingMember], **options: Any) -> bytes:
    built = build_level(members, list("abcd"), list("xyz"), metadata={}, **options)
    assert built.bits == "exact"
    return built.model_bytes


def expected(members: list[VotingMember], vote: Any = "soft") -> np.ndarray:
    oracle = BitOracle(members, 3, vote)
    return oracle.bits(oracle.leaves(ROWS))


def ways(model: bytes) -> Iterator[tuple[str, Any, int]]:
    """Ways to open a graph, and the rows asked for at once."""
    for one in (True, False):
        opened = open_session(model, "compact", 1, one_row=one)
        yield f"as the runtime, one row {one}", opened, 1 if one else 88
    levels = ort.GraphOptimizationLevel
    for name in ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"):
        for threads, block in ((1, 7), (4, 200)):
            options = ort.SessionOptions()
            options.graph_optimization_level = getattr(levels, name)
            options.intra_op_num_threads = options.inter_op_num_threads = threads
            parallel = ort.ExecutionMode.ORT_PARALLEL
            options.execution_mode = parallel if threads > 1 else ort.ExecutionMode.ORT_SEQUENTIAL
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
            yield f"{name}, {threads} threads", ort.InferenceSession(model, options), block


def ask(opened: Any, block: int) -> np.ndarray:
    session = getattr(opened, "session", opened)
    parts = [ROWS[i : i + block] for i in range(0, len(ROWS), block)]
    return np.concatenate([session.run(["probabilities"], {"features": part})[0] for part in parts])


@pytest.mark.parametrize("vote", ["soft", "hard"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_row_has_the_same_bits_everywhere(level: str, vote: str) -> None:
    members = LEVELS[level]
    bits = expected(members, vote)
    for name, opened, block in ways(compiled(members, vote=vote)):
        assert different_bits(bits, ask(opened, block)) == 0, name


@pytest.mark.parametrize("level", LEVELS)
def test_the_bits_are_near_sums_in_float64(level: str) -> None:
    members = LEVELS[level]
    bits = expected(members)
    # leaves are rounded to float32, as XGBoost has them: that shows where they are many or large
    large = "100 octaves" in level or level == "priors far out"
    near = 1e-4 if large else 3e-7 if level == "many trees" else 1e-7
    assert np.abs(bits - plain_vote(members, ROWS)).max() < near
    assert ((bits == 0) | (bits >= np.finfo(np.float32).tiny)).all()


@pytest.mark.parametrize("level", LEVELS)
def test_the_label_is_the_first_largest_of_the_probabilities_returned(level: str) -> None:
    (session,) = [o for name, o, _ in ways(compiled(LEVELS[level])) if name == "ORT_ENABLE_ALL, 1 threads"]
    probabilities, label = session.run(["probabilities", "label"], {"features": ROWS})
    assert (label == probabilities.argmax(axis=1)).all()


def test_a_tie_of_the_float32_probabilities_goes_to_the_first_class_though_float64_differs() -> None:
    even = scaled(based(grow(1, trees=3, depth=0), 0, 0, 0), 0.0)
    ballots = exact_ballots([(VotingMember("even", 1, even, (0, 1, 2)), even)], "soft")
    sums = np.array([[0, 1 << 20, 0]])  # 2^-31 of a step: less than float32 shows
    (answer,) = exact_answers([sums], ballots, 3, vote="soft")
    assert answer[0] == answer[1] == answer[2]


def test_equal_sums_have_equal_bits_whatever_trees_they_come_from() -> None:
    members = LEVELS["softmax"]
    ballots = exact_ballots([(m, m.model) for m in members], "soft")  # type: ignore[misc]
    sums = np.array([[3, -5, 7], [3, -5, 7]]) << 40
    first, second = exact_answers([sums], ballots, 3, vote="soft")
    assert first.tobytes() == second.tobytes()


def test_a_member_whose_weight_could_make_a_probability_subnormal_is_refused() -> None:
    members = [VotingMember("a", 1, grow(1), (0, 1, 2)), VotingMember("b", 1e-6, grow(2), (0, 1, 2))]
    with pytest.raises(InexactModelError, match=r"the least weight must be at least 3.8e-06 of all"):
        compiled(members)


@pytest.mark.parametrize("vote", ["soft", "hard"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_level_holds_exact_operators_alone(level: str, vote: str) -> None:
    model = onnx.load_from_string(compiled(LEVELS[level], vote=vote))
    (walk,) = model.functions
    called = {(walk.domain, walk.name)}
    assert {
        (n.domain, n.op_type) for part in (model.graph, walk) for n in nodes_of(part)
    } - called <= EXACT_OPERATORS


def test_levels_with_other_members_or_tree_operators_promise_no_bits() -> None:
    members = LEVELS["softmax"]
    built = build_level(members, list("abcd"), list("xyz"), encoding="treeops", metadata={})
    assert built.bits == "2e-6"


def test_the_curve_is_near_the_power_of_two_and_never_falls() -> None:
    f = np.linspace(0, 1, 1001)[:-1]
    curve = (f + SHIFT) ** 2 + REST
    with localcontext() as context:
        context.prec = 30
        step = Decimal(2).ln() / STEPS
        true = np.array([float((step * Decimal(float(x))).exp()) for x in f])
        table = [float((step * j).exp()) for j in range(-300, 301)]
        assert float(1 / step) == PER_UNIT
    start = powers(0, 0)
    assert np.abs(start * curve / true - 1).max() < 1.3e-9
    assert np.abs(powers(-300, 300) * curve[0] / table - 1).max() < 4e-16
    assert (powers(-300, 300)[STEPS:] == 2 * powers(-300, 300)[:-STEPS]).all()
    steps = (powers(0, 300)[:, None] * curve).reshape(-1)
    assert (np.diff(steps) > 0).all()


def test_a_constant_is_not_overwritten_by_another_of_its_name() -> None:
    graph = Graph()
    graph.constant(np.zeros(100), np.float32, "table")
    graph.branch("one_").constant(np.zeros(100), np.float32, "table")
    with pytest.raises(ValueError, match="the constant 'table' exists with other values"):
        graph.constant(np.ones(100), np.float32, "table")
    with pytest.raises(ValueError, match="the constant 'table' exists with other values"):
        graph.constant(np.zeros(100), np.float64, "table")
