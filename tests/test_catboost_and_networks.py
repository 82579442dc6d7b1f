"""CatBoost and scikit-learn's networks as members: trained, converted and served; CatBoost exactly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from packaging.version import Version
from tests.support import runs
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_convert.readers import read_file
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts import run_folder
from gradus_runtime.errors import ConfigError, EnvironmentFailedError
from gradus_train.kinds import KINDS
from gradus_train.run.run import train
from gradus_train.training import mlp_member
from gradus_train.training.member import Work, trainer_of
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent
from gradus_train.tuning.space import start, suggest

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 3)).astype(np.float32)
Y = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=400), [-0.6, 0.6]).astype(np.int64)
SETTINGS: dict[str, dict[str, Any]] = {
    "catboost": {"depth": 3, "learning_rate": 0.3},
    "mlp": {"hidden_layer_sizes": "8, 4", "learning_rate_init": 0.05},
}


def work(rows: slice = slice(None), weights: Any = 1.0) -> Work:
    y = Y[rows]
    return Work(X[rows], y, np.ones(len(y)) * weights, 3)


@pytest.fixture(scope="module", params=["catboost", "mlp"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A run of one level with LightGBM and a member of the kind, converted into a store beside it."""
    kind = str(request.param)
    folder = tmp_path_factory.mktemp(kind)
    plan = prepare(make_dataset(), ORDER, quick_config(("lightgbm", kind)))
    train(plan, folder / "run", jobs=1, progress=Silent())
    (folder / "artifact.toml").write_text(runs.CONFIG)
    arguments = ["convert", "--run", str(folder / "run"), "--config", str(folder / "artifact.toml")]
    store = ["--store", str(folder / "tiny"), "--version", "2026.1.4"]
    assert main([*arguments, *store]) == 0
    return kind, folder


def test_a_run_is_converted_and_served_as_its_libraries_answer(finished: tuple[str, Path]) -> None:
    kind, folder = finished
    run = run_folder.load(folder / "run")
    (level, *_) = run.levels
    assert [m.library for m in level.members] == ["lightgbm", KINDS[kind].library]
    rows = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    want = np.zeros((300, 3))
    for member in level.members:
        native = read_file(folder / "run" / member.file, member.library)
        want[:, list(member.classes)] += member.weight * native.probabilities(rows)
    want /= want.sum(axis=1, keepdims=True)
    with Predictor.open(folder / "tiny", "2026.1.4", max_age_days=1_000_000) as bot:
        assert bot.info().levels[0].bits == ("exact" if kind == "catboost" else "2e-6")
        got = bot.predict_proba(rows, ordered=True)
    assert np.abs(got - want).max() < 3e-6


@pytest.mark.parametrize("kind", SETTINGS)
def test_another_process_trains_the_same_bytes(kind: str, tmp_path: Path) -> None:
    script = (
        "import sys, test_catboost_and_networks as t\n"
        "kind = sys.argv[1]\n"
        "fitted = t.trainer_of(t.KINDS[kind]).fit(t.work(), t.SETTINGS[kind], rounds=9, seed=3)\n"
        "sys.stdout.buffer.write(fitted.to_bytes())\n"
    )
    here = Path(__file__).resolve().parent
    ask = [sys.executable, "-c", script, kind]
    done = subprocess.run(ask, capture_output=True, check=True, cwd=here, env=_environment(here))
    mine = trainer_of(KINDS[kind]).fit(work(), SETTINGS[kind], rounds=9, seed=3)
    assert done.stdout == mine.to_bytes()
    other = trainer_of(KINDS[kind]).fit(work(), SETTINGS[kind], rounds=9, seed=4)
    assert other.to_bytes() != mine.to_bytes()


def _environment(here: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(here.parent)}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_member_stops_where_the_tail_is_told_best(kind: str) -> None:
    trainer = trainer_of(KINDS[kind])
    losses = []
    for rounds in range(1, 31):
        fitted = trainer.fit(work(slice(0, 300)), SETTINGS[kind], rounds=rounds, seed=3)
        said = fitted.predict_proba(X[300:])
        losses.append(-np.log(said[np.arange(100), Y[300:]]).mean())
    tail = work(slice(300, 400))
    found = trainer.best_rounds(work(slice(0, 300)), tail, SETTINGS[kind], rounds=30, patience=30, seed=3)
    assert found == int(np.argmin(losses)) + 1


@pytest.mark.parametrize("kind", SETTINGS)
def test_weights_of_rows_count(kind: str) -> None:
    if kind == "mlp" and Version(sklearn.__version__) < Version("1.7"):
        pytest.skip(f"scikit-learn {sklearn.__version__} trains no network on weighted rows")
    heavy = np.where(Y == 0, 9.0, 1.0)
    trainer = trainer_of(KINDS[kind])
    plain = trainer.fit(work(), SETTINGS[kind], rounds=20, seed=3).predict_proba(X)
    weighted = trainer.fit(work(weights=heavy), SETTINGS[kind], rounds=20, seed=3).predict_proba(X)
    assert weighted[:, 0].mean() > plain[:, 0].mean() + 0.05


def test_catboost_says_which_features_count() -> None:
    said = trainer_of(KINDS["catboost"]).fit(work(), SETTINGS["catboost"], rounds=9, seed=3).importances()
    assert said.sum() == pytest.approx(1)
    assert said.argmax() == 0


def test_a_network_on_weighted_rows_needs_a_scikit_learn_that_takes_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Older:
        def partial_fit(self, X: Any, y: Any, classes: Any = None) -> None: ...

    monkeypatch.setattr(mlp_member, "MLPClassifier", Older)
    assert mlp_member._weights(work()) == {}
    with pytest.raises(EnvironmentFailedError, match=r"must be at least 1\.7.*class_weight = 0"):
        mlp_member._weights(work(weights=2.0))


@pytest.mark.parametrize("wrong", ["64, x", "", True, 0.5, 0, "8,-1"])
def test_layers_are_whole_numbers(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="hidden_layer_sizes must be a whole number"):
        trainer_of(KINDS["mlp"]).fit(work(), {"hidden_layer_sizes": wrong}, rounds=1, seed=1)


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("catboost", {"grow_policy": "Lossguide"}, "grow_policy must be 'SymmetricTree': other models"),
        ("catboost", {"thread_count": 4}, "gradus sets itself"),
        ("catboost", {"random_seed": 4}, "gradus sets itself"),
        ("catboost", {"loss_function": "RMSE"}, "gradus sets itself"),
        ("mlp", {"solver": "lbfgs"}, "solver must be 'adam' or 'sgd': a network is trained an epoch"),
        ("mlp", {"early_stopping": True}, "early_stopping must be False: a network"),
    ],
)
def test_what_cannot_be_trained_alike_is_refused(kind: str, parameters: Any, message: str) -> None:
    member = {"name": "m", "kind": kind, "weight": 1.0, "class_weight": 0.0, "parameters": parameters}
    with pytest.raises(ConfigError, match=message):
        quick_config(members=[member])


def test_a_plan_with_catboost_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(EnvironmentFailedError, match=r"member catboost.*pip install catboost"):
        prepare(make_dataset(), ORDER, quick_config(("lightgbm", "catboost")))


@pytest.mark.parametrize("kind", SETTINGS)
def test_tuning_draws_what_the_library_takes(kind: str) -> None:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    assert start(kind, SETTINGS[kind])
    for _ in range(3):
        drawn = suggest(study.ask(), kind, {})
        assert set(drawn) == {d.name for d in KINDS[kind].space} | set(KINDS[kind].fixed)
        fitted = trainer_of(KINDS[kind]).fit(work(), drawn, rounds=2, seed=1)
        assert np.isfinite(fitted.predict_proba(X)).all()
