"""Every kind of native model, on and beside every threshold: the library's leaf is the IR's leaf."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.models import TREES, fit
from tests.support.rows import boundary_rows, finite, special_rows

from gradus_convert.forest.ir import Forest, interpret
from gradus_convert.readers import read_model


@pytest.mark.parametrize("name", TREES)
def test_every_tree_ends_at_the_leaf_of_its_library(name):
    model, X = fit(name)
    native = read_model(model).for_rows()
    forest = native.lowered
    assert isinstance(forest, Forest)
    rows = np.concatenate([boundary_rows(forest, finite(X)[0]), special_rows(X), finite(X)])
    said = interpret(forest, rows)
    assert native.leaves is not None
    wrong = forest.native_leaf[said.leaves] != native.leaves(rows, range(forest.n_trees))
    assert wrong.sum() == 0
    assert said.probabilities == pytest.approx(native.probabilities(rows), abs=1e-6)
