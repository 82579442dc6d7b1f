import io
import json
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops import io as skops_io

from gradus_runtime.errors import ConfigError
from gradus_train.config import EarlyStopping
from gradus_train.kinds import KINDS, rounds_of
from gradus_train.training import fitting
from gradus_train.training.fitting import Recipe, fit
from gradus_train.training.imbalance import class_weights, oversample
from gradus_train.training.member import trainer_of
from gradus_train.training.skops_bytes import stable_bytes

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 3)).astype(np.float32)
Y = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=400), [-1.2, 1.2]).astype(np.int64)


def recipe(kind="lightgbm", rounds=5, refit=True, smote=False, **parameters):
    parameters = parameters or {"n_estimators": 40, "num_leaves": 7}
    return Recipe(kind, parameters, 1.0, smote, EarlyStopping(rounds, 0.2, refit), 4, 1)


def test_balanced_weights_are_those_of_the_literature():
    y = np.array([0, 0, 0, 1])
    assert class_weights(y, 2, 1.0) == pytest.approx([4 / 6, 4 / 2])
    assert class_weights(y, 2, 0.0).tolist() == [1, 1]
    assert class_weights(y, 3, 0.5)[2] == 1.0


def test_smote_evens_the_classes_and_keeps_the_real_rows_first():
    more_X, more_y = oversample(X, Y, seed=1)
    counts = np.bincount(more_y)
    assert (counts == np.bincount(Y).max()).all()
    assert (more_X[: len(X)] == X).all()
    assert more_X.dtype == np.float32
    again, _ = oversample(X, Y, seed=1)
    assert (again == more_X).all()


def test_smote_leaves_a_class_of_one_row_alone_and_uses_few_neighbours_for_few():
    y = np.array([0] * 20 + [1] * 3 + [2])
    _, more = oversample(X[:24], y, seed=1)
    assert np.bincount(more).tolist() == [20, 20, 1]
    same, _ = oversample(X[:20], y[:20], seed=1)
    assert len(same) == 20


def test_smote_never_sees_the_watched_tail_or_the_measured_rows(monkeypatch):
    seen = []

    def spy(X, y, seed):
        seen.append(len(X))
        return oversample(X, y, seed)

    monkeypatch.setattr(fitting, "oversample", spy)
    fit(recipe(smote=True), X[:300], Y[:300], X[300:], 3, keep_model=False)
    # The search sees the head (300 less a tail of 60 and a gap of 4), the final fit the training rows.
    assert seen == [236, 300]


def test_early_stopping_finds_fewer_rounds_and_refits_on_all_rows(monkeypatch):
    rows = []
    trainer = trainer_of(KINDS["lightgbm"])
    original = type(trainer).fit

    def spy(self, work, parameters, *, rounds, seed):
        rows.append((len(work.y), rounds))
        return original(self, work, parameters, rounds=rounds, seed=seed)

    monkeypatch.setattr(type(trainer), "fit", spy)
    many = {"n_estimators": 300, "num_leaves": 31, "learning_rate": 0.3, "min_child_samples": 2}
    stopped = fit(recipe(**many), X, Y, X[:5], 3, keep_model=False)
    held = fit(recipe(refit=False, **many), X, Y, X[:5], 3, keep_model=False)
    assert 1 <= stopped.rounds < 300
    assert held.rounds == stopped.rounds
    assert rows == [(400, stopped.rounds), (316, stopped.rounds)]


def test_without_early_stopping_all_rounds_are_run():
    assert fit(recipe(rounds=0), X, Y, X[:5], 3, keep_model=False).rounds == 40


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "hist_gradient_boosting"])
def test_a_tail_with_an_unknown_class_is_watched_for_the_known_ones(kind):
    y = Y.copy()
    y[:330][y[:330] == 2] = 1
    name = "max_iter" if kind == "hist_gradient_boosting" else "n_estimators"
    part = fit(recipe(kind, **{name: 8}), X, y, X[:5], 3, keep_model=False)
    assert part.classes == (0, 1, 2)
    assert part.probabilities.sum(axis=1) == pytest.approx(1.0)


def test_one_class_alone_says_so_with_certainty():
    part = fit(recipe(), X, np.full(400, 2), X[:3], 3, keep_model=True)
    assert part.model == b""
    assert part.classes == (2,)
    assert part.probabilities.tolist() == [[0, 0, 1]] * 3


def test_rounds_must_be_a_positive_integer():
    with pytest.raises(ConfigError, match="n_estimators must be an integer of at least 1"):
        rounds_of(KINDS["xgboost"], {"n_estimators": 0})
    assert rounds_of(KINDS["xgboost"], {}) == 100
    assert rounds_of(KINDS["random_forest"], {}) == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: RandomForestClassifier(5, random_state=1),
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_equal_estimators_give_equal_skops_bytes_that_read_back_equal(build):
    one, two = build().fit(X, Y), build().fit(X, Y)
    assert skops_io.dumps(one) != skops_io.dumps(two)
    data = stable_bytes(one)
    assert data == stable_bytes(two)
    again = skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data))
    assert (again.predict_proba(X) == one.predict_proba(X)).all()


def test_a_skops_file_that_is_not_in_the_schema_is_noticed(monkeypatch):
    def dumps(_):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            target.writestr("schema.json", json.dumps({"__loader__": "x", "__id__": 3}))
            target.writestr("stray.npy", b"")
        return buffer.getvalue()

    monkeypatch.setattr(skops_io, "dumps", dumps)
    with pytest.raises(ValueError, match=r"must be named by its schema.*stray.npy"):
        stable_bytes(None)
