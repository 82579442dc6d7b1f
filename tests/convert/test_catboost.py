"""CatBoost's symmetric trees are exact; what is not symmetric, numeric or a class probability is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support.models import table
from tests.support.rows import boundary_rows, special_rows

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.parity import third_opinion
from gradus_convert.readers import read_file, read_model
from gradus_runtime.errors import DataError

catboost = pytest.importorskip("catboost", reason="catboost is optional: pip install catboost")


QUIET = {"verbose": False, "thread_count": 1, "allow_writing_files": False}


def fitted(classes: int, **params: Any) -> tuple[Any, np.ndarray]:
    X, y = table(classes)
    settings = {
        "iterations": 8,
        "depth": 4,
        "verbose": False,
        "thread_count": 1,
        "allow_writing_files": False,
    }
    return catboost.CatBoostClassifier(**(settings | params)).fit(X, y), X


@pytest.mark.parametrize(
    ("classes", "params"),
    [
        (2, {}),
        (3, {}),
        (4, {"depth": 7}),
        (2, {"nan_mode": "Min"}),
        (3, {"learning_rate": 0.9, "od_wait": 2}),
        (3, {"grow_policy": "Lossguide", "max_leaves": 9, "depth": 8}),
        (2, {"grow_policy": "Depthwise", "depth": 6}),
        (2, {"grow_policy": "Lossguide", "nan_mode": "Max", "max_leaves": 2}),
    ],
)
def test_every_tree_ends_at_the_leaf_of_catboost(classes, params):
    model, X = fitted(classes, **params)
    native = read_model(model)
    forest = native.lowered
    assert isinstance(forest, Forest)
    rows = np.concatenate([boundary_rows(forest, X[0]), special_rows(X), X])
    said = interpret(forest, rows)
    assert native.leaves is not None
    expected = native.leaves(rows, range(forest.n_trees))
    assert (forest.native_leaf[said.leaves] != expected).sum() == 0
    assert said.probabilities == pytest.approx(model.predict_proba(rows), abs=1e-6)


@pytest.mark.parametrize("form", ["cbm", "json"])
def test_a_file_reads_like_the_model_in_memory(tmp_path, form):
    model, X = fitted(3)
    path = tmp_path / f"m.{form}"
    model.save_model(str(path), format=form)
    native = read_file(path, "catboost")
    assert native.probabilities(X) == pytest.approx(model.predict_proba(X), abs=1e-12)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "m.cbm"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="a CatBoost model must be readable"):
        read_file(path, "catboost")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"loss_function": "MultiClassOneVsAll"},
            "a member's probabilities must sum to 1: it tells each class from all others",
        ),
    ],
)
def test_what_has_no_exact_form_is_refused(params, message):
    with pytest.raises(InexactModelError, match=message):
        read_model(fitted(3, **params)[0])


def test_categories_are_refused():
    X, _ = table(3)
    codes = np.random.default_rng(0).integers(0, 5, len(X))
    columns = [[int(c), float(x)] for c, x in zip(codes, X[:, 0], strict=True)]
    model = catboost.CatBoostClassifier(iterations=5, cat_features=[0], **QUIET).fit(columns, codes % 3)
    with pytest.raises(InexactModelError, match="splits must compare numbers"):
        read_model(model)


@pytest.mark.parametrize("classes", [2, 3])
def test_its_own_export_is_the_third_opinion(classes: int) -> None:
    model, X = fitted(classes)
    opinion = third_opinion.ask("m", read_model(model), X)
    assert (opinion.failure, opinion.wrong, opinion.rows) == ("", 0, len(X))
    assert opinion.converter.startswith("catboost ")
