"""Small graphs of every encoding, with rows and the answers of the plain interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx.reference import ReferenceEvaluator
from sklearn.linear_model import LogisticRegression
from tests.convert.test_graph_level import CLASSES, NAMES, plain_vote, three_members
from tests.support.forests import random_forest
from tests.support.operators import regressor

from gradus_convert.compaction import compact
from gradus_convert.forest.ir import interpret
from gradus_convert.graphs import VotingMember, build_level, walk_tables
from gradus_convert.graphs.types import Encoding
from gradus_convert.readers import read_model

__all__ = ["Case", "cases", "write"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model, the rows to score, the probabilities (or values) expected."""

    name: str
    model: bytes
    rows: np.ndarray
    expected: np.ndarray


def cases() -> list[Case]:
    """Every encoding, a member that is no tree, many features, and a rewritten operator with NaN."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, len(NAMES))).astype(np.float32)
    members = three_members(3)
    encodings: tuple[Encoding, ...] = ("compact", "treeops", "treeops5")
    result = [
        Case(
            e,
            build_level(members, NAMES, CLASSES, encoding=e, metadata={}).model_bytes,
            rows,
            plain_vote(members, rows),
        )
        for e in encodings
    ]
    return [*result, _narrow(members, rows), _hard(members, rows), _fragment(rows), _wide(), _rewritten()]


def _narrow(members: list[VotingMember], rows: np.ndarray) -> Case:
    """The columns of all tables as large ones have them."""
    wide, walk_tables.WIDE_SLOTS = walk_tables.WIDE_SLOTS, 0
    level = build_level(members, NAMES, CLASSES, metadata={})
    walk_tables.WIDE_SLOTS = wide
    return Case("narrow columns", level.model_bytes, rows, plain_vote(members, rows))


def _hard(members: list[VotingMember], rows: np.ndarray) -> Case:
    level = build_level(members, NAMES, CLASSES, vote="hard", metadata={})
    return Case("hard vote", level.model_bytes, rows, plain_vote(members, rows, hard=True))


def _fragment(rows: np.ndarray) -> Case:
    model = LogisticRegression().fit(rows, np.digitize(rows[:, 0], [-0.5, 0.5]))
    forest = random_forest(2)
    members = [
        VotingMember("regression", 1, read_model(model).lowered, (0, 1, 2)),
        VotingMember("forest", 1, forest, (0, 1, 2)),
    ]
    expected = (model.predict_proba(rows) + interpret(forest, rows).probabilities) / 2
    return Case("fragment", build_level(members, NAMES, CLASSES, metadata={}).model_bytes, rows, expected)


def _wide() -> Case:
    forest = random_forest(5, n_features=700, depth=9)
    rows = np.random.default_rng(2).normal(size=(70, 700)).astype(np.float32)
    member = VotingMember("wide", 1, forest, (0, 1, 2))
    level = build_level([member], [f"f{i}" for i in range(700)], CLASSES, metadata={})
    return Case("700 features", level.model_bytes, rows, interpret(forest, rows).probabilities)


def _rewritten() -> Case:
    original = regressor(4, targets=2, trees=9, depth=6)
    rows = np.random.default_rng(3).choice(np.float32([0, 0.5, -0.25, 1, 2, np.nan]), size=(70, 3))
    expected = ReferenceEvaluator(original).run(None, {"x": rows})[0]
    return Case("rewritten", compact(original, place="matrix").model_bytes, rows, expected)


def write(folder: Path) -> list[str]:
    """Write `NAME.onnx` and `NAME.npz` of every case; return the names."""
    every = cases()
    for case in every:
        (folder / f"{case.name}.onnx").write_bytes(case.model)
        np.savez(folder / f"{case.name}.npz", rows=case.rows, expected=case.expected)
    return [c.name for c in every]
