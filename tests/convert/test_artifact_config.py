"""`artifact.toml` is read strictly; the project's own is good."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.support import runs

from gradus_convert.artifact import ArtifactSpec, build_artifact
from gradus_convert.config import load
from gradus_convert.runs import read
from gradus_runtime.errors import ConfigError, DataError

PROJECT = Path(__file__).resolve().parents[2]


def test_the_projects_own_configuration_is_good():
    config = load(PROJECT / "config" / "artifact.toml")
    assert config.name is None
    d = config.decision
    assert (d.confidence_threshold, d.fallback_action, d.fallback_confidence) == (0.35, "HOLD", 0.5)
    assert (d.fallback_probabilities, d.max_age_days) == ((0.25, 0.5, 0.25), None)
    assert "1.26.0" in config.runtime.known_bad
    assert config.aliases["production_ensemble_full.pkl"] == "level1"
    assert config.aliases["production_ensemble"] == "level2"
    assert config.aliases["production_ensemble_57"] == "level3"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("gradus-artifact/1", "gradus-artifact/9", "format must be 'gradus-artifact/1'"),
        ('name = "tiny"', 'name = "Tiny Bot"', "an artifact's name must be lower-case words"),
        ("confidence_threshold = 0.35", 'confidence_threshold = "much"', "a finite number is needed"),
        ("[aliases]", "[aliases]\nother = 3", "text is needed"),
        ("[runtime]", "[extra]\n[runtime]", "a key must be known, but got 'extra'"),
        ("[decision]", "[decision", "an artifact configuration must be TOML"),
    ],
)
def test_a_broken_configuration_is_refused(tmp_path, before, after, message):
    path = tmp_path / "artifact.toml"
    path.write_text(runs.CONFIG.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_configuration_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="an artifact configuration must be readable"):
        load(tmp_path / "none.toml")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ArtifactSpec:
    run = runs.write(tmp_path_factory.mktemp("run") / "run", models={"level2": runs.members(2)})
    return read(run, load(run / "artifact.toml"), version="2026.11.21", third_opinion=False)


def test_an_alias_of_no_level_is_refused(tmp_path, spec):
    run = runs.write(tmp_path / "run", models={"level2": runs.members(2)})
    (run / "artifact.toml").write_text(runs.CONFIG + '\nold = "level7"\n')
    with pytest.raises(ConfigError, match=r"aliases.old: an alias must point at a level, but got 'level7'"):
        read(run, load(run / "artifact.toml"), version="2026.11.21")


def with_member(spec: ArtifactSpec, **changes: object) -> ArtifactSpec:
    level = spec.levels[0]
    member = dataclasses.replace(level.members[0], **changes)
    return dataclasses.replace(
        spec, levels=(dataclasses.replace(level, members=(member, *level.members[1:])),)
    )


def test_what_does_not_fit_together_is_refused(spec):
    level = spec.levels[0]
    for broken, message in (
        (dataclasses.replace(spec, levels=()), "an artifact must have a level"),
        (with_member(spec, classes=(0, 1)), "a member's 3 columns must each have a class"),
        (with_member(spec, classes=(0, 1, 1)), "a member's classes must be different classes"),
        (with_member(spec, classes=(0, 1, 7)), "a member's classes must be different classes"),
        (
            dataclasses.replace(spec, levels=(dataclasses.replace(level, name="level1"),)),
            "a member must read the level's 5 features",
        ),
        (
            dataclasses.replace(spec, levels=(dataclasses.replace(level, vote="loud"),)),
            "a vote must be soft or hard, but got 'loud'",
        ),
    ):
        with pytest.raises(DataError) as caught:
            build_artifact(broken)
        assert message in str(caught.value)


def test_an_artifact_without_holdout_or_statistics_is_proved_on_made_rows(spec):
    bare = dataclasses.replace(spec, facts={}, holdout=spec.holdout[:0], report=b"<html></html>")
    built = build_artifact(bare)
    assert built.manifest.levels[0].class_counts == ()
    assert built.manifest.levels[0].parity.rows >= 10_000
    assert built.manifest.features[0].histogram is None
    assert built.files["report.html"] == b"<html></html>"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ({"other": 1}, "holdout rows must hold `features`"),
        ({"features": [[1.0, 2.0]]}, r"holdout rows must be float32 [N, 5]"),
    ],
)
def test_holdout_rows_of_another_form_are_refused(tmp_path, array, message):
    import numpy as np

    from gradus_runtime.contracts import run_folder

    run = runs.write(tmp_path / "run", models={"level2": runs.members(2)})
    np.savez(run / "holdout.npz", **array)
    loaded = run_folder.load(run)
    changed = dataclasses.replace(loaded, holdout_sha256=runs.sha256(run / "holdout.npz"))
    (run / run_folder.METADATA).write_bytes(run_folder.dump(changed, {}))
    with pytest.raises(DataError) as caught:
        read(run, load(run / "artifact.toml"), version="2026.11.21")
    assert message in str(caught.value)
