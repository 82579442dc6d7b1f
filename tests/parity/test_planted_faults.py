"""The parity proof catches a fault of every kind, in a reader and in the compiler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.support.models import fit, table

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph, VotingMember, build_level, compact, plan
from gradus_convert.graphs.builder import DOUBLE, FLOAT, Graph
from gradus_convert.graphs.types import Vote
from gradus_convert.parity import LevelMember, Proof, prove_level
from gradus_convert.readers import NativeModel, read_model

NAMES = [f"f{i}" for i in range(5)]
CLASSES = ("a", "b", "c")
KINDS = ("lightgbm, three classes", "xgboost, three classes", "random forest, three classes")


@pytest.fixture(scope="module")
def natives() -> dict[str, NativeModel]:
    return {kind: read_model(fit(kind)[0]) for kind in KINDS}


def forest_of(native: NativeModel) -> Forest:
    assert isinstance(native.lowered, Forest)
    return native.lowered


def changed(forest: Forest, **arrays: Any) -> Forest:
    fields = {f.name: getattr(forest, f.name) for f in dataclasses.fields(Forest)}
    return Forest(**(fields | arrays))


def one_float_up(forest: Forest) -> Forest:
    threshold = forest.threshold.copy()
    split = np.flatnonzero(forest.feature >= 0)[-1]
    threshold[split] = np.nextafter(threshold[split], np.float32(np.inf))
    return changed(forest, threshold=threshold)


def siblings_swapped(forest: Forest) -> Forest:
    left, right = forest.left.copy(), forest.right.copy()
    split = np.flatnonzero(forest.feature >= 0)[-1]
    left[split], right[split] = right[split], left[split]
    return changed(forest, left=left, right=right)


def values_swapped(forest: Forest) -> Forest:
    leaf = forest.leaf.copy()
    at = np.flatnonzero(leaf >= 0)
    other = next(i for i in at if (forest.values[leaf[i]] != forest.values[leaf[at[0]]]).any())
    leaf[[at[0], other]] = leaf[[other, at[0]]]
    return changed(forest, leaf=leaf)


def tree_dropped(forest: Forest) -> Forest:
    trees = forest.n_trees - (forest.n_outputs if not forest.vector_leaves else 1)
    stop = int(forest.roots[trees])
    cut = {
        n: getattr(forest, n)[:stop] for n in ("left", "right", "feature", "threshold", "leaf", "native_leaf")
    }
    return changed(forest, roots=forest.roots[:trees], tree_output=forest.tree_output[:trees], **cut)


def base_off(forest: Forest) -> Forest:
    return changed(forest, base=forest.base + np.array([1e-4, 0, 0]))


FAULTS: tuple[Callable[[Forest], Forest], ...] = (
    one_float_up,
    siblings_swapped,
    values_swapped,
    tree_dropped,
    base_off,
)


def prove(native: NativeModel, read: Forest, compiled: Forest, vote: Vote = "soft") -> Proof:
    """Prove with the forest that the reader made, and the one that was compiled."""

    def build(leaves: bool) -> LevelGraph:
        member = VotingMember("m", 1.0, compiled, (0, 1, 2))
        return build_level([member], NAMES, CLASSES, metadata={}, leaves=leaves, vote=vote)

    member = LevelMember(VotingMember("m", 1.0, read, (0, 1, 2)), native)
    rows = table(3, rows=1500, seed=9)[0]
    return prove_level([member], build, rows, n_classes=3, vote=vote, place="level1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_a_faithful_graph_passes(natives, kind, vote):
    forest = forest_of(natives[kind])
    parity = prove(natives[kind], forest, forest, vote).parity
    assert (parity.wrong_leaves, parity.label_changes) == (0, 0)
    assert parity.boundary_rows > 2 * (forest.feature >= 0).sum()
    assert parity.leaf_checks > parity.rows
    assert parity.max_difference <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_reader_is_caught(natives, kind, fault):
    broken = fault(forest_of(natives[kind]))
    with pytest.raises(ParityError, match=r"level1: (every tree must end|probabilities must agree)"):
        prove(natives[kind], broken, broken)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_compiler_is_caught(natives, kind, fault):
    forest = forest_of(natives[kind])
    with pytest.raises(ParityError, match="must"):
        prove(natives[kind], forest, fault(forest))


def root_one_float_up(walk: Any, real: Callable[..., Any], *arguments: Any) -> Any:
    """The first tree's root, in the part of the graph for single rows."""
    keep = walk._keep

    def faulty(value: Any, dtype: Any, name: str) -> str:
        if name != "threshold0":
            return keep(value, dtype, name)  # type: ignore[no-any-return]
        wrong = np.asarray(value, dtype).copy()
        wrong[0] = np.nextafter(wrong[0], np.float32(np.inf))
        return walk.graph.constant(wrong, dtype, "wrong_root")  # type: ignore[no-any-return]

    walk._keep = faulty
    result = real(walk, *arguments)
    walk._keep = keep
    return result


def sums_too_large(walk: Any, real: Callable[..., Any], *arguments: Any) -> Any:
    return walk.graph.op("Mul", real(walk, *arguments), walk.graph.constant(1.001, np.float64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "fault", "message"),
    [
        ("_roots", root_one_float_up, "m, tree 0: interpreter against graph, one row: leaf"),
        ("_total", sums_too_large, "probabilities must agree"),
    ],
)
def test_a_fault_of_the_part_for_single_rows_is_caught(natives, kind, method, fault, message, monkeypatch):
    real = getattr(compact._OneRow, method)

    def faulty(self: Any, *arguments: Any) -> Any:
        return fault(self, real, *arguments) if type(self) is compact._OneRow else real(self, *arguments)

    monkeypatch.setattr(compact._OneRow, method, faulty)
    forest = forest_of(natives[kind])
    with pytest.raises(ParityError, match=message):
        prove(natives[kind], forest, forest)


@pytest.mark.parametrize("branch", [compact._OneRow, compact._ManyRows])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_in_float32_is_caught(natives, kind, branch, monkeypatch):
    real = Graph.op

    def faulty(self: Graph, operator: str, *values: str, **attributes: Any) -> str:
        if operator != "ReduceSum" or self.prefix != f"walk_{branch.prefix}":
            return real(self, operator, *values, **attributes)
        narrow = real(self, "Cast", values[0], to=FLOAT)
        total = real(self, operator, narrow, *values[1:], keepdims=attributes["keepdims"])
        return real(self, "Cast", total, to=DOUBLE)

    monkeypatch.setattr(Graph, "op", faulty)
    forest = forest_of(natives[kind])
    place = "single rows" if branch is compact._OneRow else "many rows"
    with pytest.raises(ParityError, match=f"level1: {place}: every probability must have the 32 bits"):
        prove(natives[kind], forest, forest)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_number_that_is_off_in_the_last_place_of_float32_is_caught(natives, kind, monkeypatch):
    real = plan._payload

    def faulty(leaves: np.ndarray) -> Any:
        wrong = leaves.copy()
        wrong[0] = np.nextafter(wrong[0].astype(np.float32), np.float32(np.inf))
        return real(wrong)

    monkeypatch.setattr(plan, "_payload", faulty)
    forest = forest_of(natives[kind])
    with pytest.raises(ParityError, match="every probability must have the 32 bits"):
        prove(natives[kind], forest, forest)


def test_the_message_names_member_tree_and_leaves(natives):
    native = natives["xgboost, three classes"]
    broken = one_float_up(forest_of(native))
    with pytest.raises(ParityError) as caught:
        prove(native, broken, broken)
    message = str(caught.value)
    assert "level1: every tree must end at the leaf of its library" in message
    assert "m, tree 35: library against interpreter: leaf " in message
    assert "differ. Report it, with the model." in message


def test_a_changed_label_is_caught(natives):
    native = natives["random forest, three classes"]
    swapped = dataclasses.replace(native, probabilities=lambda X: native.probabilities(X)[:, ::-1])
    with pytest.raises(ParityError, match="probabilities must agree with the libraries within 1e-06"):
        prove(swapped, forest_of(native), forest_of(native))


def test_a_library_that_answers_nan_is_not_taken_for_equal(natives):
    native = natives["random forest, three classes"]
    silent = dataclasses.replace(native, probabilities=lambda X: native.probabilities(X) * np.nan)
    with pytest.raises(ParityError, match="probabilities must agree"):
        prove(silent, forest_of(native), forest_of(native))
