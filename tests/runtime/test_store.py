"""A store as a reader and as one who pins sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.stores import SAMPLE_FILES, write_version

from gradus_runtime.errors import IntegrityError, StoreError, UsageError
from gradus_runtime.store import Store, open_artifact

A, B, C = "2026.1.4", "2026.1.11", "2026.1.11.post1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for version in (C, A, B):
        write_version(tmp_path / "sample", version)
    return Store(tmp_path / "sample")


def test_versions_are_listed_in_the_order_of_their_dates(store: Store) -> None:
    (store.path / "versions" / ".publish-x").mkdir()
    (store.path / "versions" / "notes").mkdir()
    assert store.versions() == (A, B, C)


def test_nothing_is_served_before_a_pin(store: Store) -> None:
    assert store.pin_state() is None
    assert store.pin_stat() is None
    with pytest.raises(StoreError, match=r"a version must be pinned. There are: .* gradus pin VERSION"):
        open_artifact(store.path)


def test_the_pinned_version_is_opened_and_every_file_proved(store: Store) -> None:
    pin = store.pin(B, actor="ops")
    assert (pin.generation, pin.version, pin.actor, pin.event) == (1, B, "ops", "pin")
    with open_artifact(str(store.path)) as artifact:
        assert artifact.manifest.version == B
        assert artifact.digest == pin.digest == artifact.manifest.digest()
        assert artifact.origin == str(store.path / "versions" / B)
        assert {n: artifact.read(n) for n in SAMPLE_FILES} == SAMPLE_FILES
        assert artifact.first_level is None


def test_a_rollback_takes_pins_off_one_by_one_as_new_generations(store: Store) -> None:
    for version in (A, B, C):
        store.pin(version, actor="ops")
    assert [store.rollback(actor="ops").version for _ in range(2)] == [B, A]
    with pytest.raises(StoreError, match="a version must have been pinned before this one"):
        store.rollback()
    pin = store.pin_state()
    assert pin is not None
    assert (pin.generation, pin.version, pin.event) == (5, A, "rollback")
    assert [(e.event, e.version, e.generation) for e in store.history() if e.generation] == [
        ("pin", A, 1),
        ("pin", B, 2),
        ("pin", C, 3),
        ("rollback", B, 4),
        ("rollback", A, 5),
    ]


def test_pinning_what_is_pinned_changes_nothing(store: Store) -> None:
    first = store.pin(A)
    token = store.pin_stat()
    assert store.pin(A) == first
    assert store.pin_stat() == token
    store.pin(B)
    assert store.pin_stat() != token


def test_the_environment_overrides_the_pin(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pin(B)
    monkeypatch.setenv("GRADUS_VERSION", A)
    with open_artifact(store.path) as artifact:
        assert artifact.manifest.version == A
    with open_artifact(store.path, C) as artifact:
        assert artifact.manifest.version == C
    monkeypatch.setenv("GRADUS_VERSION", "latest")
    with pytest.raises(UsageError, match=r"GRADUS_VERSION: a version must be a calendar version .*'latest'"):
        open_artifact(store.path)
    monkeypatch.setenv("GRADUS_VERSION", "2020.1.1")
    with pytest.raises(StoreError, match=r"a version must be in the store, but got '2020.1.1'. There are"):
        open_artifact(store.path)


def test_a_version_exchanged_after_the_pin_is_refused(store: Store) -> None:
    store.pin(B)
    folder = store.path / "versions" / B
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    write_version(store.path, B, {**SAMPLE_FILES, "level1.onnx": b"another graph"})
    with pytest.raises(IntegrityError, match="must have the pinned digest"):
        open_artifact(store.path)


def test_a_pinned_version_that_is_gone_is_named(store: Store) -> None:
    store.pin(B)
    (store.path / "versions" / B).rename(store.path / "versions" / "aside")
    with pytest.raises(
        StoreError, match=r"the pinned version 2026[0-9.]+ is missing from the store. Pin one of: 2026"
    ):
        open_artifact(store.path)


def test_a_version_pinned_before_history_was_cut_can_be_rolled_back_to(store: Store) -> None:
    for version in (A, B):
        store.pin(version, actor="ops")
    lines = (store.path / "history.jsonl").read_bytes().splitlines(keepends=True)
    (store.path / "history.jsonl").write_bytes(b"".join(lines[:-2]))
    assert store.rollback(A, actor="ops").generation == 3
    assert [e.recovered for e in store.history() if e.generation] == [True, False]


def test_a_file_that_the_manifest_does_not_list_is_not_read(store: Store) -> None:
    with open_artifact(store.path, A) as artifact, pytest.raises(UsageError, match=r"There are golden.npz"):
        artifact.read("manifest.json")


def test_a_torn_last_line_of_the_history_is_passed_over_and_cut_off(store: Store) -> None:
    store.pin(A, actor="ops")
    before = store.history()
    with (store.path / "history.jsonl").open("ab") as file:
        file.write(b'{"actor": "ops", "dig')
    assert store.history() == before
    store.pin(B, actor="ops")
    assert [e.version for e in store.history()[-2:]] == [A, B]


def test_an_open_artifact_keeps_its_files_when_the_folder_is_removed(store: Store) -> None:
    artifact = open_artifact(store.path, A)
    folder = store.path / "versions" / A
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    assert artifact.read("level2.onnx") == SAMPLE_FILES["level2.onnx"]
    artifact.close()


def test_an_old_name_opens_the_level_it_meant_with_a_line_of_deprecation(store: Store) -> None:
    store.pin(A)
    with (
        pytest.warns(FutureWarning, match="'production_ensemble_full.pkl' is an old name of 'level1'"),
        open_artifact(store.path / "production_ensemble_full.pkl") as artifact,
    ):
        assert artifact.first_level == "level1"
    with pytest.raises(UsageError, match="Choose from level1, level2, production_ensemble_full"):
        open_artifact(store.path / "other.pkl")
