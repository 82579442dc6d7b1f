"""Collecting old versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.stores import SAMPLE_FILES, write_version

from gradus_convert.publishing.collect import collect
from gradus_runtime.cli import main
from gradus_runtime.errors import IntegrityError, StoreError, UsageError
from gradus_runtime.store import Store, disk, open_artifact

VERSIONS = tuple(f"2026.1.{day}" for day in range(1, 9))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for version in VERSIONS:
        write_version(tmp_path / "sample", version)
    return Store(tmp_path / "sample")


def test_the_newest_the_pinned_and_those_pinned_last_stay(store: Store) -> None:
    for day in (2, 3, 4, 3, 1):
        store.pin(f"2026.1.{day}", actor="ops")
    done = collect(store.path, keep=1, keep_pinned=2, actor="janitor")
    assert done.kept == ("2026.1.1", "2026.1.3", "2026.1.4", "2026.1.8")
    assert store.versions() == done.kept
    assert [e.version for e in store.history() if e.event == "gc"] == list(done.removed)
    assert sorted(p.name for p in (store.path / "versions").iterdir()) == sorted(done.kept)


def test_a_dry_run_removes_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.pin("2026.1.1", actor="ops")
    assert main(["gc", "--keep", "0", "--dry-run", "--store", str(store.path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "kept: 2026.1.1"
    assert store.versions() == VERSIONS
    assert main(["gc", "--keep", "2", "--json", "--store", str(store.path)]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == ["2026.1.1", "2026.1.7", "2026.1.8"]


def test_a_reader_keeps_what_it_opened(store: Store) -> None:
    store.pin("2026.1.8", actor="ops")
    with open_artifact(store.path, "2026.1.1") as artifact:
        collect(store.path, keep=1)
        assert artifact.read("level1.onnx") == SAMPLE_FILES["level1.onnx"]
    with pytest.raises(StoreError, match=r"a version must be in the store, but got '2026.1.1'"):
        open_artifact(store.path, "2026.1.1")


def test_a_reader_whose_version_is_collected_while_it_opens_gets_the_newly_pinned_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pin("2026.1.1", actor="ops")
    real, moments = disk.identity, []

    def moment(descriptor: int) -> tuple[int, int]:
        if not moments:  # the reader has opened the folder, and none of its files yet
            moments.append(descriptor)
            store.pin("2026.1.2", actor="ops")
            collect(store.path, keep=0, keep_pinned=0)
        return real(descriptor)

    monkeypatch.setattr(disk, "identity", moment)
    with open_artifact(store.path) as artifact:
        artifact.verify()
        assert artifact.manifest.version == "2026.1.2"
    assert store.versions() == ("2026.1.2",)


def test_a_reader_whose_chosen_version_is_collected_while_it_opens_is_told_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moments = disk.identity, []

    def moment(descriptor: int) -> tuple[int, int]:
        if not moments:
            moments.append(descriptor)
            collect(store.path, keep=1)
        return real(descriptor)

    monkeypatch.setattr(disk, "identity", moment)
    with pytest.raises(StoreError, match=r"a version must be in the store, but got '2026.1.1'"):
        open_artifact(store.path, "2026.1.1")


def test_a_version_that_comes_back_after_it_was_collected_is_published_again(store: Store) -> None:
    collect(store.path, keep=1)
    write_version(store.path, "2026.1.1")
    store.pin("2026.1.1", actor="ops")
    events = [(e.event, e.recovered) for e in store.history() if e.version == "2026.1.1"]
    assert events == [("publish", True), ("gc", False), ("publish", True), ("pin", False)]


def test_nothing_is_collected_while_the_pin_is_damaged(store: Store) -> None:
    store.pin("2026.1.1", actor="ops")
    (store.path / "pin.json").write_bytes(b"?")
    with pytest.raises(IntegrityError, match="gradus pin VERSION"):
        collect(store.path, keep=1)
    assert store.versions() == VERSIONS


def test_folders_that_are_no_versions_are_left_alone(store: Store) -> None:
    (store.path / "versions" / "notes").mkdir()
    collect(store.path, keep=0)
    assert [p.name for p in (store.path / "versions").iterdir()] == ["notes"]


def test_negative_numbers_are_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="keep: a number of versions must be at least 0, but got -1"):
        collect(store.path, keep=-1)
