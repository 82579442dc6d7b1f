"""Votes and calibrated models: what is compiled answers as the whole model does, or nothing is returned."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support.compiled_models import (
    NAMES,
    X,
    Y,
    calibrated,
    calibrated_by_temperature,
    gradient,
    learn,
    vote,
)

import gradus_convert
from gradus_convert.compilation import votes
from gradus_convert.errors import InexactModelError, ParityError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
def test_a_vote_is_one_file_with_the_user_s_labels(encoding: Any, tmp_path: Any) -> None:
    model = vote(voting="soft", weights=[0.5, 0.3, 0.2])()
    compiled = gradus_convert.compile(model, encoding=encoding)
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-6)
    assert (compiled.predict(X) == model.predict(X)).all()
    assert compiled.proof is not None
    assert compiled.bits == ("exact" if encoding == "compact" else "2e-6")
    compiled.save(tmp_path / "v.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "v.onnx", providers=["CPUExecutionProvider"])
    (label,) = session.run(["label"], {"features": X})
    assert (label == model.predict(X)).all()


def test_rows_of_one_s_own_are_proven_beside_those_that_are_made() -> None:
    model = vote(voting="soft")()
    made, both = gradus_convert.compile(model), gradus_convert.compile(model, rows=X)
    assert made.proof is not None
    assert both.proof is not None
    assert both.proof.rows == made.proof.rows + len(X)


def test_a_vote_with_a_scaled_regression_is_taken_as_levels_take_it() -> None:
    members = [
        ("forest", RandomForestClassifier(4, random_state=0)),
        ("line", make_pipeline(StandardScaler(), LogisticRegression())),
    ]
    model = VotingClassifier(members, voting="soft").fit(X, NAMES[Y])
    compiled = gradus_convert.compile(model)
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "GradientBoostingClassifier"])
def test_a_calibrated_model_is_its_trees_with_other_leaves(kind: str) -> None:
    model = calibrated(kind)
    compiled = gradus_convert.compile(model, encoding="compact")
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), atol=1e-6)
    assert compiled.predict(X).dtype == np.bool_
    assert compiled.bits == "exact"


@pytest.mark.parametrize("encoding", ["compact", "treeops"])
@pytest.mark.parametrize("cv", [2, 3])
@pytest.mark.parametrize("kind", ["RandomForestClassifier", "HistGradientBoostingClassifier"])
def test_three_calibrated_classes_share_what_their_sigmoids_come_to(
    kind: str, cv: int, encoding: Any
) -> None:
    model = CalibratedClassifierCV(learn(kind)().set_params(max_depth=3), cv=cv).fit(X, NAMES[Y])
    compiled = gradus_convert.compile(model, encoding=encoding)
    said = compiled.predict_proba(X)
    np.testing.assert_allclose(said, model.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert compiled.proof is not None
    assert compiled.proof.wrong_leaves == 0
    assert compiled.bits == ("exact" if encoding == "compact" else "2e-6")


def _with_a_rare_class() -> Any:
    from sklearn.model_selection import KFold

    y = np.where(np.arange(len(X)) < len(X) // 3, Y, np.minimum(Y, 1))
    return CalibratedClassifierCV(RandomForestClassifier(3), cv=KFold(3)).fit(X, y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: calibrated("RandomForestClassifier", method="isotonic"),
            r"must be by sigmoids, but got 'isotonic'.*isotonic curve is steep",
        ),
        (
            calibrated_by_temperature,
            "must be by sigmoids, but got 'temperature'",
        ),
        (_with_a_rare_class, "every fold of a calibration must have every class"),
        (
            lambda: CalibratedClassifierCV(gradient(y=(Y > 0).astype(int))(), cv=2).fit(
                X, (Y > 0).astype(int)
            ),
            "must average probabilities, or have a decision_function, but got 'XGBClassifier'",
        ),
    ],
    ids=["isotonic", "temperature", "a class that a fold lacks", "sigmoid of a sigmoid"],
)
def test_a_calibration_without_an_exact_form_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InexactModelError, match=message):
        gradus_convert.compile(make())


def test_sums_in_float32_are_not_enough_for_an_isotonic_curve() -> None:
    """The reason that docs/models.md gives."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 8)).astype(np.float32)
    forest = RandomForestClassifier(100, max_depth=8, random_state=0)
    model = CalibratedClassifierCV(forest, cv=3, method="isotonic").fit(
        rows, rows[:, 0] + rng.normal(size=3000) > 0
    )
    part = model.calibrated_classifiers_[0]
    curve, said = part.calibrators[0], part.estimator.predict_proba(rows)[:, 1]
    steep = np.diff(curve.y_thresholds_) / np.diff(curve.X_thresholds_)
    assert 500 < steep.max() < 2000
    assert np.abs(curve.predict(said) - curve.predict(said + 2.0**-24)).max() > 1e-5
    assert np.abs(curve.predict(said) - curve.predict(np.nextafter(said, 1))).max() < 1e-10


def test_weights_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = vote(voting="soft", weights=[0.6, 0.3, 0.1])()
    right = votes._voting

    def turned(model: Any, place: str) -> Any:
        found = right(model, place)
        weights = [m.voting.weight for m in found.members][::-1]
        members = [
            dataclasses.replace(m, voting=dataclasses.replace(m.voting, weight=w))
            for m, w in zip(found.members, weights, strict=True)
        ]
        return dataclasses.replace(found, members=tuple(members))

    monkeypatch.setitem(votes._READERS, "VotingClassifier", turned)
    with pytest.raises(ParityError, match="probabilities must be the model's"):
        gradus_convert.compile(model)


def test_a_slope_of_the_wrong_sign_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=3), cv=2).fit(X, Y > 0)
    right = votes._steeper

    def turned(part: Any, native: Any, place: str) -> Any:
        form = right(part, native, place)
        return dataclasses.replace(form, scale=-form.scale)

    monkeypatch.setattr(votes, "_steeper", turned)
    with pytest.raises(ParityError, match="probabilities must agree with the libraries"):
        gradus_convert.compile(model)


def test_slopes_of_other_classes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=3), cv=2).fit(X, Y)
    right = votes._sloped
    monkeypatch.setattr(votes, "_sloped", lambda form, slopes, starts: right(form, slopes[::-1], starts))
    with pytest.raises(ParityError, match="probabilities must agree with the libraries"):
        gradus_convert.compile(model)
