"""Tables that are not the compiler's are refused by the kernel, by name, and served by the body."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.convert.test_tree_walk import SPOILT as NOT_PUBLISHED
from tests.convert.test_tree_walk import deep
from tests.support.forests import random_forest

from gradus_convert.graphs import VotingMember, build_level
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.sessions.onnx_session import open_session

ROWS = np.random.default_rng(3).normal(size=(80, 4)).astype(np.float32)


def model() -> onnx.ModelProto:
    forests = [random_forest(1, trees=40, depth=9, vector=True), random_forest(2, trees=30, depth=3)]
    members = [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]
    return onnx.load_from_string(build_level(members, list("abcd"), list("xyz"), metadata={}).model_bytes)


def _table(m: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    (tensor,) = (t for t in m.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def _put(m: onnx.ModelProto, name: str, value: float) -> None:
    def change(values: np.ndarray) -> np.ndarray:
        values.reshape(-1)[0] = value
        return values

    _table(m, name, change)


def _splits(m: onnx.ModelProto, name: str, value: int) -> None:
    """Where a slot is a split, lead it elsewhere."""
    tables = {t.name: numpy_helper.to_array(t) for t in m.graph.initializer}
    at = int(np.flatnonzero(tables["column"] < 4)[-1])

    def change(values: np.ndarray) -> np.ndarray:
        values[at] = value
        return values

    _table(m, name, change)


def _set(m: onnx.ModelProto, name: str, *values: int) -> None:
    (found,) = (a for n in m.graph.node if n.domain for a in n.attribute if a.name == name)
    if name in ("columns", "heap"):
        found.i = values[0]
    else:
        found.ints[:] = values


SPOILT: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "a column beyond the row": (lambda m: _put(m, "column1", 5), "a column is beyond the row"),
    "a column before the row": (lambda m: _put(m, "column0", -1), "a column is beyond the row"),
    "a bottom column": (lambda m: _splits(m, "column", 99), "a column is beyond the row"),
    "a child before the tables": (lambda m: _put(m, "left", -1), "a child is beyond the tables"),
    "a child beyond the tables": (lambda m: _put(m, "left", 1 << 30), "a child is beyond the tables"),
    "a child above its parent": (lambda m: _splits(m, "left", 1), "a child is not behind its parent"),
    "a NaN": (lambda m: _put(m, "threshold0", np.nan), "a threshold is NaN"),
    "a vector that is not finite": (lambda m: _put(m, "vectors3", np.inf), "a vector is not finite"),
    "vectors of another size": (lambda m: _table(m, "vectors3", lambda v: v[:2]), "is no row of its vectors"),
    "an inexact sum": (lambda m: _put(m, "vectors3", 1e-200), "sums are not exact in float64"),
    "a short table": (lambda m: _table(m, "threshold0", lambda v: v[:-1]), "a table has too few slots"),
    "a wide table": (lambda m: _table(m, "left", lambda v: v.astype(np.int64)), "`left` has another type"),
    "a heap too high": (lambda m: _set(m, "heap", 17), "the columns or the heap are out of range"),
    "too many trees": (lambda m: _set(m, "stage_trees", 40, 31), "the runs of a stage must have its trees"),
    "steps that rise": (lambda m: _set(m, "stage_steps", 3, 9), "the steps of the stages must fall"),
    "more steps": (lambda m: _set(m, "stage_steps", 11, 3), "a walk leads beyond the columns|child"),
    "one output twice": (lambda m: _set(m, "run_first", 0, 0), "two runs fill one output"),
    "another width": (lambda m: _set(m, "widths", 4, 3), "the runs do not fill the outputs"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_the_kernel_refuses_by_name_and_never_walks(how: str, installed: Kernel) -> None:
    spoilt = model()
    spoil, message = SPOILT[how]
    spoil(spoilt)
    whole, left = spoilt.SerializeToString(), onnx.ModelProto()
    left.CopyFrom(spoilt)
    del left.functions[:]
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(str(installed.path))
    with pytest.raises(Exception, match=message):
        ort.InferenceSession(left.SerializeToString(), options, providers=["CPUExecutionProvider"])
    if how in ("a NaN", "a vector that is not finite", "an inexact sum"):
        opened = open_session(whole, "compact", 1, kernel=installed)
        assert opened.walk == "operators"
        assert "gradus::TreeWalk1" in (opened.kernel_problem or "")
        assert any("walks trees without" in remark for remark in opened.remarks)


TABLES_OF_THE_COMPILER = {"a changed operator", "a changed branch"}
"""The kernel reads the call and its tables, and these have another body alone: publishing refuses them."""


@pytest.mark.parametrize("how", NOT_PUBLISHED)
def test_graphs_that_are_never_published_are_refused_or_walked_as_the_tables_say(
    how: str, installed: Kernel
) -> None:
    graph = build_level(deep(), list("abcd"), list("xyz"), metadata={}).model_bytes
    (expected,) = open_session(graph, "compact", 1).session.run(["probabilities"], {"features": ROWS})
    spoilt = onnx.load_from_string(graph)
    NOT_PUBLISHED[how][0](spoilt)
    try:
        opened = open_session(spoilt.SerializeToString(), "compact", 1, kernel=installed)
    except FAULTS:
        return  # onnxruntime refuses the graph itself
    if how in TABLES_OF_THE_COMPILER:
        (found,) = opened.session.run(["probabilities"], {"features": ROWS})
        assert (opened.walk, found.tobytes()) == ("kernel", expected.tobytes())
    elif opened.walk == "kernel":  # sums of another width, which no vote takes
        with pytest.raises(FAULTS):
            opened.session.run(["probabilities"], {"features": ROWS})
    else:
        assert "gradus::TreeWalk1" in (opened.kernel_problem or "")


def test_what_the_compiler_writes_is_not_refused(installed: Kernel) -> None:
    opened = open_session(model().SerializeToString(), "compact", 1, kernel=installed)
    assert (opened.walk, opened.kernel_problem, opened.remarks) == ("kernel", None, ())


def test_without_the_library_no_session_opens_a_call_without_a_body() -> None:
    import onnxruntime as ort

    left = model()
    del left.functions[:]
    with pytest.raises(Exception, match="TreeWalk1"):
        ort.InferenceSession(left.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_graph_without_a_walk_is_no_fault_of_the_kernel(installed: Kernel) -> None:
    member = VotingMember("m", 1, random_forest(1), (0, 1, 2))
    other = build_level([member], list("abcd"), list("xyz"), encoding="treeops", metadata={})
    opened = open_session(other.model_bytes, other.encoding, 1, kernel=installed)
    assert (opened.walk, opened.kernel_problem, opened.remarks) == ("operators", None, ())
