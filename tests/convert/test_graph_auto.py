"""The encoding that is chosen where none is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests.support.forests import chain, random_forest

from gradus_convert.artifact import assemble, level
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.encoding import ALONE_NODES, FEW_NODES, choose_encoding
from gradus_convert.graphs.walk_tables import DEEPEST
from gradus_convert.readers import read_model
from gradus_runtime.contracts.manifest import CLOSE, Level, RuntimeRequirement
from gradus_runtime.errors import UsageError


def test_many_nodes_are_walked_by_tensor_operators() -> None:
    forest = random_forest(1, trees=6, depth=9)
    many = [forest] * (FEW_NODES // forest.n_nodes + 1)
    assert choose_encoding(many, encoding="auto") == "compact"
    assert choose_encoding(many[:-1], encoding="auto") == "treeops"
    assert choose_encoding([*many, chain(65)], encoding="auto") == "treeops"
    assert choose_encoding([*many, chain(64)], encoding="auto") == "compact"


def test_a_model_by_itself_keeps_quick_rows_up_to_more_nodes() -> None:
    forest = random_forest(1, trees=6, depth=9)
    many = [forest] * (ALONE_NODES // forest.n_nodes + 1)
    assert choose_encoding(many, encoding="auto", alone=True) == "compact"
    assert choose_encoding(many[:-1], encoding="auto", alone=True) == "treeops"
    assert choose_encoding(many[:-1], encoding="auto") == "compact"


def test_exact_bits_count_for_more_than_speed_where_they_are_asked_for() -> None:
    for forests in ([random_forest(1)], [chain(65)], [random_forest(1), chain(DEEPEST)]):
        assert choose_encoding(forests, encoding="auto", prefer_exact=True) == "compact"
        assert choose_encoding(forests, encoding="treeops", prefer_exact=True) == "treeops"
    assert choose_encoding([chain(DEEPEST + 1)], encoding="auto", prefer_exact=True) == "treeops"


def test_a_level_that_cannot_be_exact_is_as_fast_as_it_can_be() -> None:
    rows = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    regression = read_model(LogisticRegression().fit(rows, np.arange(60) % 3)).lowered
    trees = VotingMember("trees", 1, random_forest(1), (0, 1, 2))
    linear = VotingMember("linear", 1, regression, (0, 1, 2))
    names = {"feature_names": list("abcd"), "classes": list("xyz"), "metadata": {}}
    exact = build_level([trees], encoding="auto", prefer_exact=True, **names)
    assert (exact.encoding, exact.bits) == ("compact", "exact")
    close = build_level([trees, linear], encoding="auto", prefer_exact=True, **names)
    assert (close.encoding, close.bits) == ("treeops", "2e-6")
    walked = build_level([trees, linear], encoding="compact", prefer_exact=True, **names)
    assert (walked.encoding, walked.bits) == ("compact", "2e-6")


@pytest.mark.parametrize("encoding", ["compact", "treeops", "treeops5"])
def test_what_was_asked_for_is_taken(encoding: str) -> None:
    assert choose_encoding([random_forest(1)], encoding=encoding) == encoding  # type: ignore[arg-type]
    member = VotingMember("m", 1, random_forest(1), (0, 1, 2))
    built = build_level([member], list("abcd"), list("xyz"), encoding=encoding, metadata={})  # type: ignore[arg-type]
    assert built.encoding == encoding
    assert built.opsets.get("ai.onnx.ml") == {"compact": None, "treeops": 3, "treeops5": 5}[encoding]


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(UsageError, match=r"encoding must be known, but got 'zip'. Known: compact, treeops"):
        choose_encoding([random_forest(1)], encoding="zip")  # type: ignore[arg-type]


def test_an_artifact_asks_for_the_onnxruntime_that_its_encodings_need() -> None:
    def requirement(encoding: str, minimum: str) -> str:
        nothing = level.NO_PARITY
        made = Level("l", (), "l.onnx", encoding, CLOSE, {}, "soft", (), {}, (), nothing)
        return assemble._requirement(RuntimeRequirement(minimum, ()), [made]).minimum

    assert requirement("compact", "1.20.0") == "1.20.0"
    assert requirement("treeops5", "1.20.0") == "1.24.4"
    assert requirement("treeops5", "1.25.0") == "1.25.0"
