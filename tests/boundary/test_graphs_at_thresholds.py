"""Every encoding at every threshold of a forest, at its two neighbours, and at the edges of float32."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.forests import random_forest
from tests.support.graphs import session

from gradus_convert.forest.ir import Forest, leaves
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.types import Encoding

TINY = float(np.finfo(np.float32).smallest_subnormal)
LARGEST = float(np.finfo(np.float32).max)
EDGES = np.float32([0.0, -0.0, TINY, -TINY, 1e-38, -1e-38, 1e-35, -1e-35, LARGEST, -LARGEST, 1.0, -1.0])


def edge_forest(seed: int, *, vector: bool = False) -> Forest:
    """A forest with thresholds at the edges of float32, and between them."""
    rng = np.random.default_rng(seed)
    thresholds = [*EDGES.tolist(), *rng.normal(size=8).astype(np.float32).tolist()]
    return random_forest(seed, trees=9, depth=8, n_features=3, vector=vector, thresholds=thresholds)


def rows_of(forest: Forest) -> np.ndarray:
    """Each threshold, its neighbours and each edge, in each column in turn; the other columns random."""
    cuts = np.unique(np.concatenate([forest.threshold[forest.feature >= 0], EDGES]))
    with np.errstate(over="ignore"):
        up, down = (np.nextafter(cuts, np.float32(way)) for way in (np.inf, -np.inf))
    near = np.concatenate([cuts, up, down])
    near = np.append(near[np.isfinite(near)], EDGES)
    rows = np.random.default_rng(0).choice(near, size=(3 * len(near), 3)).astype(np.float32)
    for column in range(3):
        rows[column * len(near) : (column + 1) * len(near), column] = near
    return rows


@pytest.mark.parametrize("encoding", ["compact", "treeops", "treeops5"])
@pytest.mark.parametrize("vector", [False, True], ids=["values", "vectors"])
def test_no_tree_ends_at_another_leaf(encoding: Encoding, vector: bool) -> None:
    forests = [edge_forest(1), edge_forest(2, vector=vector)]
    members = [VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(forests)]
    names, classes = list("abc"), list("xyz")
    level = build_level(members, names, classes, encoding=encoding, metadata={}, leaves=True)
    opened = session(level.model_bytes)
    rows = np.concatenate([rows_of(f) for f in forests])
    expected = np.hstack([leaves(f, rows) for f in forests])
    found = opened.run(["leaves"], {"features": rows})[0]
    assert (found == expected).all()
    for i in range(0, len(rows), 7):
        assert (opened.run(["leaves"], {"features": rows[i : i + 1]})[0] == expected[i]).all()


def test_a_threshold_one_float_up_is_seen() -> None:
    forest = edge_forest(3)
    moved = forest.threshold.copy()
    first = forest.roots[0]
    moved[first] = np.nextafter(moved[first], np.float32(np.inf))
    broken = Forest(**{k: getattr(forest, k) for k in Forest.__slots__} | {"threshold": moved})
    member = VotingMember("m", 1, broken, (0, 1, 2))
    level = build_level([member], list("abc"), list("xyz"), metadata={}, leaves=True)
    rows = rows_of(forest)
    found = session(level.model_bytes).run(["leaves"], {"features": rows})[0]
    assert (found != leaves(forest, rows)).any()
