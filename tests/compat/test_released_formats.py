"""What was released once must load, validate and answer for ever."""

import json
from pathlib import Path

import pytest

from gradus_convert.publishing.export import export_zip
from gradus_convert.validation.findings import errors_in
from gradus_convert.validation.targets import check_path
from gradus_runtime import Predictor
from gradus_runtime.contracts import feature_order, manifest
from gradus_runtime.store import open_artifact

HERE = Path(__file__).resolve().parent
MANIFESTS = sorted(HERE.glob("manifest-*"))
ORDERS = sorted(HERE.glob("feature-order-*"))


def expected(folder):
    return json.loads((folder / "expected.json").read_text())


def number(folder):
    return int(folder.name.rpartition("-")[2])


def test_every_format_version_up_to_todays_is_here():
    assert [number(f) for f in MANIFESTS] == list(range(1, manifest.FORMAT_VERSION + 1))
    today = int(feature_order.FORMAT.rpartition("/")[2])
    assert [number(f) for f in ORDERS] == list(range(1, today + 1))


@pytest.mark.parametrize("folder", MANIFESTS, ids=lambda f: f.name)
def test_a_released_artifact_opens_with_the_bytes_it_had(folder):
    with open_artifact(folder / "artifact") as artifact:
        artifact.verify()
        assert artifact.digest == expected(folder)["digest"]
        assert list(artifact.manifest.feature_names) == expected(folder)["features"]
    text = json.loads((folder / "artifact" / "manifest.json").read_text())
    assert text["format_version"] == number(folder)


@pytest.mark.parametrize("folder", MANIFESTS, ids=lambda f: f.name)
def test_a_released_artifact_validates(folder):
    checks = check_path(folder / "artifact")
    assert errors_in(checks) == 0
    assert not [c for c in checks if c.skipped]


@pytest.mark.parametrize("folder", MANIFESTS, ids=lambda f: f.name)
def test_a_released_artifact_decides_as_it_did(folder):
    with Predictor.open(folder / "artifact") as bot:
        for case in expected(folder)["decisions"]:
            decision = bot.decide(case["row"])
            assert (decision.action, decision.level) == (case["action"], case["level"])
            assert dict(decision.probabilities) == pytest.approx(case["probabilities"], abs=1e-6)


@pytest.mark.parametrize("folder", MANIFESTS, ids=lambda f: f.name)
def test_a_released_artifact_still_travels(folder, tmp_path):
    with open_artifact(folder / "artifact") as artifact:
        export_zip(artifact, tmp_path / "out.zip")
    with open_artifact(tmp_path / "out.zip") as again:
        assert again.digest == expected(folder)["digest"]


@pytest.mark.parametrize("folder", ORDERS, ids=lambda f: f.name)
def test_a_released_feature_order_loads_and_validates(folder):
    path = folder / "feature_order.json"
    order = feature_order.load(path)
    wanted = expected(folder)
    assert list(order.names) == wanted["names"]
    assert {s.name: list(order.level_features(s.name)) for s in order.levels} == wanted["levels"]
    assert errors_in(check_path(path)) == 0
