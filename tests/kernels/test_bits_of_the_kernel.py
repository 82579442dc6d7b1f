"""The kernel gives the bits of the body: on shared vectors, at thresholds, for what no row should hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.boundary.test_graphs_at_thresholds import edge_forest, rows_of
from tests.support import missing
from tests.support.forests import random_forest
from tests.support.levels import LEVELS
from tests.vectors import make

import gradus_convert
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.types import Vote
from gradus_convert.parity.bits import BitOracle
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.onnx_session import open_session

SETS = ["avx512", "avx2", "sse2", "neon"]
"""Instruction sets; one that the processor does not have is replaced by the best that it has."""

BLOCKS = (1, 16, 64, 300)


@pytest.fixture(params=SETS)
def kernel(request: pytest.FixtureRequest, installed: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setenv("GRADUS_KERNELS_ISA", request.param)
    return installed


def sums_of(model: bytes, kernel: Kernel | None) -> Any:
    """A session that answers what leaves the walk: by the body or by the kernel."""
    proto = onnx.load_from_string(model)
    call = next(n for n in proto.graph.node if n.domain == "gradus")
    del proto.graph.node[:], proto.graph.output[:]
    proto.graph.node.append(call)
    for name in call.output:
        proto.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None))
    rows = onnx.helper.make_tensor_value_info(call.input[0], onnx.TensorProto.FLOAT, ["N", None])
    proto.graph.input[0].CopyFrom(rows)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if kernel is not None:
        del proto.functions[:]
        options.register_custom_ops_library(str(kernel.path))
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def same(model: bytes, kernel: Kernel, rows: np.ndarray) -> None:
    body, native = sums_of(model, None), sums_of(model, kernel)
    name = body.get_inputs()[0].name
    for block in BLOCKS:
        for i in range(0, len(rows), block):
            part = {name: rows[i : i + block]}
            for expected, got in zip(body.run(None, part), native.run(None, part), strict=True):
                assert expected.tobytes() == got.tobytes()


def test_the_shared_vectors_come_out_bit_for_bit(kernel: Kernel) -> None:
    for vectors in make.read():
        forms = (True, False)
        one, many = (open_session(vectors.model, "compact", 1, one_row=o, kernel=kernel) for o in forms)
        assert (one.walk, many.walk, one.one_row) == ("kernel", "kernel", True)
        for opened, block in ((one, 1), (many, 1), (many, 16), (many, 300), (many, 2000)):
            rows = vectors.rows[:500] if block == 1 else vectors.rows
            for i in range(0, len(rows), block):
                (got,) = opened.session.run(["probabilities"], {"features": rows[i : i + block]})
                assert got.tobytes() == vectors.expected[i : i + block].tobytes()


def test_the_script_for_other_machines_asks_the_kernel(kernel: Kernel) -> None:
    script = Path(make.__file__).with_name("replay.py")
    command = [sys.executable, str(script), "--kernel", kernel.path, "--only-rows", "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert (found["kernel"], found["different"]) == (True, 0)
    assert found["compared"] > 5_000


@pytest.mark.parametrize("vote", ["soft", "hard"])
@pytest.mark.parametrize("level", LEVELS)
def test_every_kind_of_level_has_the_bits_of_the_interpreter(level: str, vote: Vote, kernel: Kernel) -> None:
    members = LEVELS[level]
    built = build_level(members, list("abcd"), list("xyz"), vote=vote, metadata={})
    values = make.threshold_values(members, 256)
    rows = np.ascontiguousarray(values[make.threshold_rows(len(values), 400, 4, seed=5)], np.float32)
    oracle = BitOracle(members, 3, vote)
    expected = oracle.bits(oracle.leaves(rows))
    opened = open_session(built.model_bytes, "compact", 1, kernel=kernel)
    assert opened.walk == "kernel"
    for block in BLOCKS:
        got = [
            opened.session.run(["probabilities"], {"features": rows[i : i + block]})[0]
            for i in range(0, len(rows), block)
        ]
        assert np.concatenate(got).tobytes() == expected.tobytes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    depths=st.lists(st.integers(0, 11), min_size=1, max_size=4),
    vectors=st.lists(st.booleans(), min_size=4, max_size=4),
    trees=st.integers(1, 40),
    features=st.integers(1, 140),
)
def test_any_forest_at_its_thresholds_and_for_numbers_that_are_none(
    seed: int, depths: list[int], vectors: list[bool], trees: int, features: int, kernel: Kernel
) -> None:
    forests = [
        random_forest(seed + i, trees=trees + i, depth=d, vector=v, n_features=features)
        for i, (d, v) in enumerate(zip(depths, vectors, strict=False))
    ]
    members = [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]
    names = [f"f{i}" for i in range(features)]
    model = build_level(members, names, list("xyz"), metadata={}).model_bytes
    rng = np.random.default_rng(seed)
    cuts = np.concatenate([f.threshold for f in forests])
    special = np.float32([np.nan, np.inf, -np.inf, 0, -0.0, 1e-45, 3.4e38])
    around = [cuts, np.nextafter(cuts, np.float32(np.inf)), np.nextafter(cuts, np.float32(-np.inf)), special]
    same(model, kernel, rng.choice(np.concatenate(around), (330, features)).astype(np.float32))


def test_many_thresholds_and_deep_trees_take_the_walk_by_gathers(kernel: Kernel) -> None:
    """More leaves than a sweep takes, more thresholds than a group has, features beyond a byte of ranks."""
    deep = random_forest(3, trees=4, depth=12, n_features=2)
    vectors = random_forest(4, trees=3, depth=11, n_features=2, vector=True)
    flat = random_forest(5, trees=150, depth=6, n_features=2)
    members = [VotingMember(str(i), 1, f, (0, 1, 2)) for i, f in enumerate((deep, vectors, flat))]
    model = build_level(members, ["a", "b"], list("xyz"), metadata={}).model_bytes
    rows = np.random.default_rng(1).normal(size=(700, 2)).astype(np.float32)
    same(model, kernel, rows)


def test_no_rows_give_no_sums(kernel: Kernel) -> None:
    model = build_level(LEVELS["three links"], list("abcd"), list("xyz"), metadata={}).model_bytes
    opened = open_session(model, "compact", 1, kernel=kernel)
    (got,) = opened.session.run(["probabilities"], {"features": np.zeros((0, 4), np.float32)})
    assert got.shape == (0, 3)


def test_one_session_serves_threads_while_the_first_of_them_lays_the_trees_out(kernel: Kernel) -> None:
    from concurrent.futures import ThreadPoolExecutor

    vectors = next(v for v in make.read() if v.name.startswith("many trees"))
    opened = open_session(vectors.model, "compact", 1, kernel=kernel)

    def ask(i: int) -> bytes:
        rows = vectors.rows[i : i + 200]
        return bytes(opened.session.run(["probabilities"], {"features": rows})[0].tobytes())

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(ask, range(0, 1800, 50)))
    assert got == [vectors.expected[i : i + 200].tobytes() for i in range(0, 1800, 50)]


@pytest.mark.parametrize("vector", [False, True], ids=["values", "vectors"])
def test_every_threshold_its_neighbours_and_the_edges_of_float32(vector: bool, kernel: Kernel) -> None:
    forests = [edge_forest(1), edge_forest(2, vector=vector)]
    members = [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]
    model = build_level(members, list("abc"), list("xyz"), metadata={}).model_bytes
    same(model, kernel, np.concatenate([rows_of(f) for f in forests]))


@pytest.mark.parametrize(
    "name",
    [
        "lightgbm, zero_as_missing",
        "lightgbm, categories",
        "xgboost, missing -999",
        "xgboost, categories",
        "random forest, NaN",
        "hist gradient boosting, categories",
    ],
)
def test_views_of_missing_values_and_categories_need_nothing_of_the_kernel(
    name: str, installed: Kernel
) -> None:
    model = gradus_convert.compile(missing.fit(name), encoding="compact").model_bytes
    rows = missing.odd_rows(np.linspace(-2, 2, 9, dtype=np.float32), 3, 400)
    plain = open_session(model, "compact", 1)
    (expected,) = plain.session.run(["probabilities"], {"features": rows})
    for one_row in (False, True):
        opened = open_session(model, "compact", 1, one_row=one_row, kernel=installed)
        assert (opened.walk, opened.one_row) == ("kernel", one_row)
        block = 1 if one_row else 400
        for i in range(0, 400, block):
            (got,) = opened.session.run(["probabilities"], {"features": rows[i : i + block]})
            assert got.tobytes() == expected[i : i + block].tobytes()
