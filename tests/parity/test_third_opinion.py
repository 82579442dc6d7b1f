"""The stock converters are asked, counted, and never believed."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.models import fit
from tests.support.rows import boundary_rows

from gradus_convert.parity import stock, third_opinion
from gradus_convert.readers import read_model


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lightgbm, three classes", True),
        ("xgboost, three classes", False),
        ("random forest, three classes", False),
        ("scaled logistic regression", False),
    ],
)
def test_wrong_rows_of_a_stock_conversion_are_counted(name, wrong):
    model, X = fit(name)
    native = read_model(model).for_rows()
    rows = X if native.leaves is None else boundary_rows(native.lowered, X[0])
    opinion = third_opinion.ask("m", native, rows)
    assert (opinion.failure, opinion.rows) == ("", len(rows))
    assert opinion.wrong is not None
    assert (opinion.wrong > 0) is wrong
    assert (opinion.largest > third_opinion.LIMIT) is wrong
    assert opinion.converter.startswith("skl2onnx" if native.library == "sklearn" else "onnxmltools")


def test_a_converter_that_fails_is_named(monkeypatch):
    model, X = fit("decision tree")
    native = read_model(model)

    def fails(_: object) -> object:
        raise KeyError("nothing for this")

    monkeypatch.setattr(stock, "sklearn", fails)
    opinion = third_opinion.ask("m", native, X)
    assert (opinion.wrong, opinion.failure) == (None, "KeyError")


def test_probabilities_of_another_shape_are_no_opinion(monkeypatch):
    model, X = fit("decision tree")
    monkeypatch.setattr(third_opinion, "_probabilities", lambda *_: np.zeros((len(X), 2)))
    opinion = third_opinion.ask("m", read_model(model), X)
    assert (opinion.wrong, opinion.failure) == (None, f"probabilities of shape ({len(X)}, 2)")


def test_a_large_member_is_not_asked_and_the_opinion_says_so(monkeypatch):
    model, X = fit("decision tree")
    monkeypatch.setattr(third_opinion, "MAX_NODES", 10)
    opinion = third_opinion.ask("m", read_model(model), X)
    assert (opinion.wrong, opinion.rows, opinion.failure) == (None, 0, "not asked: more than 10 nodes")
