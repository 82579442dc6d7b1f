"""A temperature for a level: fitted on other folds, kept where it is better fold-forward, and compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from tests.support.manifests import sample_manifest
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts import run_folder
from gradus_runtime.contracts.manifest import LevelCalibration, parse
from gradus_runtime.contracts.manifest.calibration import at_temperature
from gradus_runtime.errors import ConfigError, ManifestError
from gradus_runtime.store import open_artifact
from gradus_train.run.run import train
from gradus_train.training.assemble import LevelResult, assemble
from gradus_train.training.calibration import choose_temperature, fit_temperature, log_loss
from gradus_train.training.execute import execute
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Threads
from gradus_train.training.prepare import Plan, prepare
from gradus_train.training.progress import Silent

KINDS = ("lightgbm", "random_forest")
FOLDS = {"folds": 3, "gap": 4, "holdout": 0.2}


def said(rows: int, sharpness: float, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Probabilities, and classes drawn from them at another temperature: 1 / sharpness."""
    random = np.random.default_rng(seed)
    p = at_temperature(random.dirichlet((1.0, 2.0, 1.0), rows), 1.0)
    truth = at_temperature(p, 1.0 / sharpness)
    return p, (random.random(rows)[:, None] > truth.cumsum(axis=1)).sum(axis=1)


def plan_with(*, temperature: bool, **changes: Any) -> Plan:
    section = {"calibration": {"temperature": temperature}}
    config = quick_config(KINDS, format="gradus-training/2", split=FOLDS, **section, **changes)
    return prepare(make_dataset(1500), ORDER, config, ["level2", "level3"])


def results_of(plan: Plan, folder: Path) -> list[LevelResult]:
    with Threads(1) as pool:
        executed = execute(plan, PartStore(folder), pool=pool, progress=Silent())
    return [assemble(plan, level, executed) for level in plan.levels]


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_a_planted_temperature_is_found(sharpness: float) -> None:
    p, labels = said(20_000, sharpness, seed=4)
    found = fit_temperature(p, labels)
    assert found == pytest.approx(1 / sharpness, rel=0.05)
    oracle = minimize_scalar(
        lambda t: log_loss(at_temperature(p, t), labels), bounds=(0.25, 4.0), method="bounded"
    )
    assert found == pytest.approx(oracle.x, abs=1e-3)


def test_a_fold_is_given_what_the_others_say_and_never_what_it_says_itself() -> None:
    votes, labels = zip(*(said(2000, 0.5 + i / 2, seed=i) for i in range(4)), strict=True)
    found = choose_temperature(votes, labels)
    assert found is not None
    for i in range(4):
        others = [j for j in range(4) if j != i]
        plain = fit_temperature(
            np.concatenate([votes[j] for j in others]), np.concatenate([labels[j] for j in others])
        )
        assert found.by_fold[i] == plain
    assert found.temperature == fit_temperature(np.concatenate(votes), np.concatenate(labels))


def test_it_is_kept_by_what_earlier_folds_say_of_later_ones() -> None:
    """Two folds that are too sure, then two that are not sure enough: earlier folds say the wrong thing."""
    parts = [said(4000, s, seed=i) for i, s in enumerate((0.4, 0.4, 2.5, 2.5))]
    votes, labels = [p for p, _ in parts], [y for _, y in parts]
    found = choose_temperature(votes, labels)
    assert found is not None
    losses = []
    for i in range(1, 4):
        before = fit_temperature(np.concatenate(votes[:i]), np.concatenate(labels[:i]))
        losses.append(log_loss(at_temperature(votes[i], before), labels[i]))
    assert found.forward == pytest.approx(np.mean(losses))
    assert found.without == pytest.approx(np.mean([log_loss(votes[i], labels[i]) for i in range(1, 4)]))
    assert found.kept is (found.forward < found.without)
    assert not found.kept
    steady = [said(4000, 0.5, seed=i) for i in range(4)]
    assert choose_temperature([p for p, _ in steady], [y for _, y in steady]).kept  # type: ignore[union-attr]
    assert choose_temperature(votes[:1], labels[:1]) is None


def test_without_the_option_nothing_has_a_temperature(tmp_path: Path) -> None:
    plan = plan_with(temperature=False)
    assert plan.config.calibration.temperature is False
    assert all(r.temperature is None and r.calibration is None for r in results_of(plan, tmp_path))


def test_votes_are_those_of_the_members_at_their_temperature(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    plain = results_of(plan_with(temperature=False), tmp_path / "parts")
    warm = results_of(plan_with(temperature=True), tmp_path / "parts")
    assert [r.calibration.kept for r in warm if r.calibration] == [True, False]
    assert np.array_equal(warm[1].holdout_vote, plain[1].holdout_vote)
    assert warm[1].temperature is None
    for before, after in zip(plain[:1], warm[:1], strict=True):
        found = after.calibration
        assert found is not None
        assert after.temperature == found.temperature < 1
        for fold, was, temperature in zip(after.folds, before.folds, found.by_fold, strict=True):
            assert np.array_equal(fold.vote, at_temperature(was.vote, temperature))
        assert np.array_equal(after.holdout_vote, at_temperature(before.holdout_vote, found.temperature))
        assert after.holdout_before is not None
        assert np.array_equal(after.holdout_before, before.holdout_vote)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warm")
    train(plan_with(temperature=True), folder / "run", progress=Silent())
    text = (Path(__file__).parents[2] / "config/artifact.toml").read_text()
    (folder / "artifact.toml").write_text(text)
    return folder


def convert(folder: Path, store: str, *options: str) -> int:
    config = ["--config", str(folder / "artifact.toml")]
    return main(["convert", "--run", str(folder / "run"), "--store", str(folder / store), *config, *options])


def test_the_artifact_answers_at_the_temperature_with_exact_bits(run: Path, tmp_path: Path) -> None:
    assert convert(run, "tiny", "--pin", "--pin-anyway") == 0
    plan = plan_with(temperature=True)
    results = results_of(replace(plan), tmp_path)
    with open_artifact(run / "tiny") as artifact:
        manifest = artifact.manifest
    card = (run / "tiny" / "versions" / manifest.version / "card.md").read_text()
    assert "level2 has a temperature of" in card
    assert manifest.calibration is not None
    assert [c.level for c in manifest.calibration] == ["level2"]  # level3 is not better with one
    assert all(level.bits == "exact" for level in manifest.levels)
    with Predictor.open(run / "tiny") as bot:
        assert manifest.calibration[0].temperature == results[0].temperature
        for result in results:
            rows = plan.dataset.features[np.ix_(plan.timeline.holdout, result.plan.columns)]
            found = bot.predict(rows, names=result.plan.features).probabilities
            weights = result.weights
            # The shipped models are others than the measured ones: ask them, not the vote of the holdout.
            native = sum(
                weights[name] * _native(part.model, name, rows) for name, part in result.shipped.items()
            ) / sum(weights.values())
            expected = native if result.temperature is None else at_temperature(native, result.temperature)
            assert found == pytest.approx(expected, abs=1e-6)


def _native(model: bytes, name: str, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import lightgbm
    from skops import io as skops_io

    if name == "lightgbm":
        return np.asarray(lightgbm.Booster(model_str=model.decode()).predict(rows))
    types = skops_io.get_untrusted_types(data=model)
    return np.asarray(skops_io.loads(model, trusted=types).predict_proba(rows))


def test_the_holdout_is_shown_with_and_without(run: Path) -> None:
    found = run_folder.load(run / "run").found.calibration
    assert found is not None
    assert "fold-forward" in found[0].sentence
    assert "on the holdout" in found[0].sentence
    assert main(["report", "--run", str(run / "run")]) == 0
    page = (run / "run" / "report.html").read_text()
    assert found[0].sentence in page
    assert "level3 has no temperature: one of" in page


def test_without_a_member_there_is_no_temperature_either(run: Path) -> None:
    assert convert(run, "less", "--drop-member", "random_forest") == 0
    (version,) = (run / "less" / "versions").iterdir()
    assert parse((version / "manifest.json").read_bytes()).calibration is None


def test_a_hard_vote_has_no_temperature() -> None:
    with pytest.raises(ConfigError, match=r"calibration.temperature needs a soft vote"):
        plan_with(temperature=True, vote={"kind": "hard"})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (LevelCalibration("level1", 4.5, "x"), "a temperature must lie between 0.25 and 4"),
        (LevelCalibration("level9", 1.5, "x"), "a level with a soft vote must be named"),
        (LevelCalibration("level1", 1.5, ""), "a text must be printable"),
    ],
)
def test_a_broken_rule_of_the_manifest_is_refused(broken: LevelCalibration, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(replace_calibration(broken))
    assert message in str(caught.value)
    good = replace_calibration(LevelCalibration("level1", 1.5, "x"))
    assert parse(good).calibration is not None


def replace_calibration(entry: LevelCalibration) -> bytes:
    return replace(sample_manifest(), calibration=(entry,)).to_bytes()
