"""Every kind of member the readers take goes through both encodings and the whole proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import ensemble
from tests.support.models import CASES, FRAGMENTS, TREES, fit
from tests.support.rows import finite

import gradus_convert
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs.types import Encoding, Vote
from gradus_convert.parity import LevelMember, Proof, prove_level
from gradus_convert.parity.model_proof import ModelProof
from gradus_convert.readers import NativeModel, read_model


def prove(
    natives: list[NativeModel], rows: np.ndarray, encoding: Encoding = "compact", vote: Vote = "soft"
) -> Proof:
    classes = [str(i) for i in range(max(n.n_classes for n in natives))]
    names = [str(i) for i in range(rows.shape[1])]
    voting = [
        VotingMember(f"m{i}", 1.0 + i, n.lowered, tuple(range(n.n_classes))) for i, n in enumerate(natives)
    ]

    def build(leaves: bool) -> LevelGraph:
        return build_level(voting, names, classes, encoding=encoding, metadata={}, leaves=leaves, vote=vote)

    members = [LevelMember(v, n) for v, n in zip(voting, natives, strict=True)]
    return prove_level(members, build, rows, n_classes=len(classes), vote=vote, place="level1")


@pytest.mark.parametrize("name", TREES)
def test_a_forest_of_every_kind_is_proved(name):
    model, X = fit(name)
    native = read_model(model)
    parity = prove([native], finite(X)[:50]).parity
    assert isinstance(native.lowered, Forest)
    splits = int((native.lowered.feature >= 0).sum())
    assert parity.wrong_leaves == 0
    assert parity.boundary_rows >= splits
    assert parity.leaf_checks >= 2 * parity.boundary_rows


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_member_without_trees_is_proved_by_its_probabilities(name):
    model, X = fit(name)
    parity = prove([read_model(model)], X).parity
    assert (parity.rows, parity.leaf_checks, parity.boundary_rows) == (len(X), 0, 0)
    assert parity.max_difference <= 1e-6


@pytest.mark.parametrize("vote", ["soft", "hard"])
@pytest.mark.parametrize("encoding", ["compact", "treeops", "treeops5"])
def test_members_of_every_library_vote_together(encoding, vote):
    names = (
        "lightgbm, three classes",
        "random forest, two classes",
        "scaled logistic regression",
        "xgboost, dart",
    )
    natives = [read_model(fit(n)[0]) for n in names]
    proof = prove(natives, fit(names[0])[1], encoding, vote)
    assert proof.parity.wrong_leaves == 0
    assert proof.parity.label_changes == 0
    assert proof.graph.encoding == encoding


def test_every_case_is_covered():
    assert set(TREES) | set(FRAGMENTS) == set(CASES)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    classes=st.integers(2, 4),
    depth=st.integers(1, 9),
    library=st.sampled_from(["DecisionTreeClassifier", "ExtraTreeClassifier", "xgboost"]),
    scale=st.sampled_from([1e-38, 1e-3, 1.0, 1e30]),
)
def test_any_small_model_is_proved(seed, classes, depth, library, scale):
    from sklearn import tree

    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(60, 3)) * scale).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = 0.0
    y = np.arange(60) % classes
    if library == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=2, max_depth=depth, n_jobs=1, min_child_weight=0)
    else:
        model = getattr(tree, library)(max_depth=depth, random_state=seed)
    assert prove([read_model(model.fit(X, y))], X).parity.wrong_leaves == 0


LARGE: dict[str, Callable[[np.random.Generator], Any]] = {
    "LightGBM": lambda r: lightgbm.LGBMClassifier(
        n_estimators=int(r.integers(30, 60)),
        num_leaves=int(r.integers(31, 200)),
        min_child_samples=int(r.integers(1, 9)),
        zero_as_missing=bool(r.integers(2)),
        verbose=-1,
        n_jobs=1,
    ),
    "XGBoost": lambda r: xgboost.XGBClassifier(
        n_estimators=int(r.integers(30, 60)), max_depth=int(r.integers(6, 11)), min_child_weight=0, n_jobs=1
    ),
    "CatBoost": lambda r: catboost.CatBoostClassifier(
        iterations=int(r.integers(30, 60)),
        depth=int(r.integers(5, 8)),
        grow_policy=str(r.choice(["SymmetricTree", "Depthwise", "Lossguide"])),
        verbose=0,
        thread_count=1,
        allow_writing_files=False,
    ),
    "random forest": lambda r: ensemble.RandomForestClassifier(int(r.integers(20, 40)), random_state=0),
    "HistGradientBoosting": lambda r: ensemble.HistGradientBoostingClassifier(
        max_iter=int(r.integers(20, 40)), max_leaf_nodes=int(r.integers(31, 200)), min_samples_leaf=2
    ),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("library", LARGE)
def test_a_large_random_model_with_gaps_is_proved(library, seed):
    """Thousands of nodes, columns of odd scales, gaps, zeros and repeated values."""
    rng = np.random.default_rng((seed, len(library)))
    X = (rng.normal(size=(1500, 12)) * 10.0 ** rng.integers(-9, 9, 12)).astype(np.float32)
    X[:, 0], X[:, 1] = np.round(rng.normal(size=1500)), rng.integers(0, 5, 1500)
    X[rng.random(X.shape) < 0.05] = np.nan
    y = (np.nan_to_num(X[:, 0]) + rng.integers(0, 3, 1500)).astype(int) % 3
    proof = gradus_convert.compile(LARGE[library](rng).fit(X, y), encoding="compact").proof
    assert isinstance(proof, ModelProof)
    assert (proof.wrong_leaves, proof.label_changes) == (0, 0)
    assert proof.boundary_rows > 2_000
