"""Versions that travel: zips, wheels, imports, and their comparison."""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.support.publishable import publishable

from gradus_convert.publishing.publish import publish_version
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import DecisionPolicy, Policy, PolicyRule
from gradus_runtime.errors import IntegrityError, StoreError, UsageError
from gradus_runtime.store import Store, open_artifact

A, B = "2026.1.4", "2026.1.11"
ROW = {"close": 0.5, "volume": -1.0, "usd_jpy": 2.0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    folder = tmp_path / "artifacts" / "sample"
    publish_version(folder, *publishable(A), {})
    publish_version(folder, *publishable(B, seed=1), {})
    return Store(folder)


def export(store: Store, out: Path) -> bytes:
    assert main(["export", A, str(out), "--store", str(store.path)]) == 0
    return out.read_bytes()


def test_a_version_has_one_zip_wherever_it_was_published(store: Store, tmp_path: Path) -> None:
    publish_version(tmp_path / "elsewhere", *publishable(A), {"host": "another"})
    first = export(store, tmp_path / "a.zip")
    assert first == export(Store(tmp_path / "elsewhere"), tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert z.testzip() is None
        assert z.namelist() == sorted(z.namelist())
        assert {i.date_time for i in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        folder = store.path / "versions" / A
        expected = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "build.json"}
        assert {n: z.read(n) for n in z.namelist()} == expected


def test_a_zip_serves_and_is_imported_as_it_was(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "a.zip")
    with Predictor.open(tmp_path / "a.zip") as one, Predictor.open(store.path, A) as other:
        assert one.decide(ROW) == other.decide(ROW)
        assert one.decide(ROW).level == "level1"
    target = tmp_path / "production"
    assert main(["publish", str(tmp_path / "a.zip"), "--store", str(target), "--pin"]) == 0
    with open_artifact(target) as there, open_artifact(store.path, A) as here:
        assert there.digest == here.digest
    with pytest.raises(UsageError, match="a version must be chosen from a store only"):
        open_artifact(tmp_path / "a.zip", A)


def test_a_folder_is_published_too(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(store.path / "versions" / A)
    assert main(["publish", source, "--store", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["created"] is True
    assert main(["publish", source, "--store", str(tmp_path / "new")]) == 0
    assert "2026.1.4 was published already, digest " in capsys.readouterr().out


def test_the_old_name_of_publish_works_with_a_warning(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(store.path / "versions" / A)
    assert main(["import-bundle", source, "--store", str(tmp_path / "new")]) == 0
    got = capsys.readouterr()
    assert got.out.startswith("2026.1.4 is published, digest ")
    assert got.err == "warning: import-bundle is now publish; the old name works for one more release\n"


def test_a_file_that_is_there_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"mine")
    assert main(["export", A, str(tmp_path / "a.zip"), "--store", str(store.path)]) == 2
    assert (tmp_path / "a.zip").read_bytes() == b"mine"
    export(store, tmp_path / "b.zip")
    export(store, tmp_path / "b.zip")


def test_a_wheel_is_found_by_its_distribution_and_runs_no_code(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["wheel", A, "--out", str(tmp_path / "dist"), "--store", str(store.path), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    wheel = tmp_path / "dist" / "gradus_artifact_sample-2026.1.4-py3-none-any.whl"
    assert done["path"] == str(wheel)
    assert done["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert done["requirement"] == f"gradus-artifact-sample==2026.1.4 --hash=sha256:{done['sha256']}"
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as z:
        z.extractall(site)
    (site / "gradus_artifact_sample" / "__init__.py").write_text("raise SystemExit('code ran')")
    monkeypatch.syspath_prepend(str(site))
    with Predictor.open("gradus-artifact-sample") as bot, Predictor.open(store.path, A) as other:
        assert bot.decide(ROW) == other.decide(ROW)
    with pytest.raises(StoreError, match="pip install gradus-artifact-nothing"):
        open_artifact("gradus-artifact-nothing")


def test_wheels_install_with_hashes_and_an_older_one_is_a_rollback(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist, site, requirements = tmp_path / "dist", tmp_path / "site", tmp_path / "r.txt"
    options = ["--no-deps", "--no-index", "--require-hashes", "--upgrade", "--target", str(site)]
    options += ["--find-links", str(dist), "-r", str(requirements)]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--no-cache"]  # the home folder may be read-only
    pip = [sys.executable, "-m", "pip", "install"]
    monkeypatch.syspath_prepend(str(site))
    for version, installer in ((B, uv), (A, pip)):
        assert main(["wheel", version, "--out", str(dist), "--store", str(store.path)]) == 0
        wheel = dist / f"gradus_artifact_sample-{version}-py3-none-any.whl"
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        requirements.write_text(f"gradus-artifact-sample=={version} --hash=sha256:{digest}\n")
        subprocess.run([*installer, "-q", *options], check=True)
        importlib.invalidate_caches()
        with open_artifact("gradus-artifact-sample") as artifact:
            assert artifact.manifest.version == version
            artifact.verify()
    requirements.write_text(f"gradus-artifact-sample=={A} --hash=sha256:{'0' * 64}\n")
    refused = subprocess.run([*uv, *options, "--reinstall"], check=False, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "Hash mismatch" in refused.stderr


def test_a_distribution_that_registers_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "gradus_artifact_fake-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gradus-artifact-fake\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gradus.artifacts]\ngradus-artifact-fake = ../../etc\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(IntegrityError, match=r"must have an entry point in 'gradus.artifacts'"):
        open_artifact("gradus-artifact-fake")


def test_diff_says_what_changed_and_on_which_decisions(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = DecisionPolicy(0.6, "BUY", 0.5, (0.5, 0.5), 30.0)
    policy = Policy("thresholds", (PolicyRule("SELL", (1.0, 0.0), 0.6),), None, 0.1, "for a test")
    publish_version(store.path, *publishable("2026.1.18", seed=2, decision=decision, policy=policy), {})
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(50, 3)).astype(np.float32)
    text = "\n".join(f"{a:.9g},{b:.9g},{c:.9g}" for a, b, c in rows)
    (tmp_path / "rows.csv").write_text(f"close,volume,usd_jpy\n{text}\n1,2,\n")
    arguments = ["--rows", str(tmp_path / "rows.csv"), "--store", str(store.path)]
    assert main(["diff", A, "2026.1.18", *arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    places = {(d["section"], d["place"]): (d["before"], d["after"]) for d in value["differences"]}
    assert places["decision", "confidence threshold"] == ("0.35", "0.6")
    assert places["decision", "policy"] == ("argmax", "thresholds: for a test")
    assert places["decision", "age limit"] == ("none", "30 days")
    table = np.vstack([rows, [1, 2, np.nan]]).astype(np.float32)
    with (
        Predictor.open(store.path, A) as one,
        Predictor.open(store.path, "2026.1.18", max_age_days=9999) as two,
    ):
        first, second = one.predict(table, ordered=True), two.predict(table, ordered=True)
    answers = value["answers"]
    assert answers["rows"] == 51
    assert answers["changed"] == sum(a.action != b.action for a, b in zip(first, second, strict=True)) > 0
    assert answers["changed"] == sum(answers["moves"].values())
    moves = [abs(b.confidence - a.confidence) for a, b in zip(first, second, strict=True)]
    assert answers["mean_move"] == pytest.approx(float(np.mean(moves)))
    assert answers["largest_move"] == pytest.approx(max(moves))
    assert main(["diff", A, "2026.1.18", *arguments]) == 0
    out = capsys.readouterr().out
    assert "confidence threshold: 0.35 -> 0.6" in out
    assert f"decisions differ on {answers['changed']} of 51 rows" in out


def test_diff_of_a_version_with_itself_is_empty_and_its_schema_the_same(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "holdout.npz", features=np.zeros((2, 3), np.float32))
    place = str(store.path / "versions" / A)
    assert main(["diff", A, place, "--rows", str(tmp_path / "holdout.npz"), "--store", str(store.path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "no difference",
        "decisions differ on 0 of 2 rows (0.00 %)",
    ]
    assert main(["diff", A, B, "--schema", "--store", str(store.path)]) == 0
    manifest, files = publishable(
        A, classes=("DOWN", "UP"), decision=DecisionPolicy(0.3, "UP", 0.5, (0.5, 0.5), None)
    )
    publish_version(tmp_path / "other", manifest, files, {})
    other = str(tmp_path / "other" / "versions" / A)
    capsys.readouterr()
    assert main(["diff", A, other, "--schema", "--fail-on", "breaking", "--store", str(store.path)]) == 1
    assert capsys.readouterr().out.startswith("breaking\n")
    assert main(["diff", A, other, "--store", str(store.path)]) == 0
    assert "classes: SELL, BUY -> DOWN, UP" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "rows.csv",
            b"close,b\n1\n",
            "every row must be readable: line 2: 1 cell, the header has 2",
        ),
        ("rows.csv", b"a,b\n1,2\n", "rows must have a column that is a feature of the artifact"),
        ("rows.csv", b"\xff\xfe", "rows must be UTF-8 text"),
        ("rows.npz", b"nothing", "rows.npz"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(
    store: Store, tmp_path: Path, name: str, data: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    assert main(["diff", A, B, "--rows", str(tmp_path / name), "--store", str(store.path)]) == 2
    assert message in capsys.readouterr().err
