"""What was released once must load, validate and answer for ever."""

import json
import re
from pathlib import Path

import pytest

from gradus_convert.publishing.export import export_zip, import_artifact
from gradus_convert.validation.findings import errors_in
from gradus_convert.validation.targets import check_path
from gradus_runtime import Predictor
from gradus_runtime.contracts import feature_order, manifest
from gradus_runtime.errors import ManifestError
from gradus_runtime.store import open_artifact

HERE = Path(__file__).resolve().parent
MANIFESTS = sorted(HERE.glob("manifest-*"))
ORDERS = sorted(HERE.glob("feature-order-*"))


def expected(folder):
    return json.loads((folder / "expected.json").read_text())


def number(folder):
    return int(folder.name.rpartition("-")[2])


def test_every_format_that_was_released_is_here():
    today = int(feature_order.FORMAT.rpartition("/")[2])
    for folders, newest in ((MANIFESTS, manifest.FORMAT_VERSION), (ORDERS, today)):
        found = [number(f) for f in folders]
        assert found == list(range(1, found[-1] + 1))
        # A format that is still open has no artifact yet: it gets one when it is released.
        assert found[-1] in ((newest, newest - 1) if unreleased() else (newest,))


def unreleased():
    changes = (HERE.parents[1] / "CHANGELOG.md").read_text("utf-8")
    first = next(line for line in changes.splitlines() if line.startswith("## "))
    return "Unreleased" in first


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


@pytest.mark.parametrize("folder", MANIFESTS, ids=lambda f: f.name)
def test_a_released_artifact_is_published_with_the_bytes_it_had(folder, tmp_path):
    done = import_artifact(folder / "artifact", tmp_path / "store")
    assert done.digest == expected(folder)["digest"]
    published = (done.path / "manifest.json").read_bytes()
    assert published == (folder / "artifact" / "manifest.json").read_bytes()


def test_an_older_manifest_must_be_in_its_own_canonical_form():
    data = (HERE / "manifest-1" / "artifact" / "manifest.json").read_bytes()
    assert manifest.parse(data).format_version == manifest.FORMAT_VERSION
    for changed in (data + b"\n", data.replace(b'  "aliases"', b' "aliases"')):
        with pytest.raises(ManifestError, match="a manifest must be in its canonical form"):
            manifest.parse(changed)
    with_int = re.sub(rb'"tolerance": [^\n]*', b'"tolerance": 1', data)
    with pytest.raises(ManifestError, match="a tolerance must be above 0"):
        manifest.parse(with_int)
    age = data.replace(b'"max_age_days": null', b'"max_age_days": 30')
    with pytest.raises(ManifestError, match="a manifest must be in its canonical form"):
        manifest.parse(age)


def test_a_newer_format_names_what_reads_it():
    data = (HERE / "manifest-1" / "artifact" / "manifest.json").read_bytes()
    newer = data.replace(b'"format_version": 1', b'"format_version": 99')
    with pytest.raises(ManifestError, match=r"must be 1 to \d.* install a newer gradus-runtime"):
        manifest.parse(newer)


@pytest.mark.parametrize("folder", ORDERS, ids=lambda f: f.name)
def test_a_released_feature_order_loads_and_validates(folder):
    path = folder / "feature_order.json"
    order = feature_order.load(path)
    wanted = expected(folder)
    assert list(order.names) == wanted["names"]
    assert {s.name: list(order.level_features(s.name)) for s in order.levels} == wanted["levels"]
    assert errors_in(check_path(path)) == 0


def test_an_import_of_format_1_did_not_know_when_its_data_was():
    from gradus_runtime.contracts.manifest.format1 import upgrade

    epoch, other = "1970-01-01T00:00:00Z", "2026-11-14T00:00:00Z"

    def times(start, end, age=None):
        new = upgrade(
            {"provenance": {"data_start": start, "data_end": end}, "decision": {"max_age_days": age}}
        )["provenance"]
        return new["data_start"], new["data_end"]

    assert times(epoch, epoch) == (None, None)
    assert times(epoch, other, 30.0) == (None, other)
    assert times(other, other) == (other, other)
    assert times(epoch, epoch, 30.0) == (None, epoch)  # it expires at once, as it did
