"""A disk that fails at any call: a typed error, nothing lost, and the next command goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.crash import ERRORS, FaultyOs, assert_settled, look
from tests.support.operations import Publishable, copy_of, operations
from tests.support.stores import write_version

from gradus_convert.publishing.export import export_zip, import_artifact
from gradus_runtime.errors import EnvironmentFailedError, StoreError
from gradus_runtime.store import Store, disk, open_artifact, write_lock
from gradus_runtime.store.listing import list_versions
from gradus_runtime.store.verify import verify_store

LASTING = (False, True)


def calls_of(work: Callable[[Store], object], store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    counting = FaultyOs(0, 0)
    with monkeypatch.context() as m:
        m.setattr(disk, "os", counting)
        work(store)
    return len(counting.calls)


IN_FORCE = ("is in force", "is published", "is collected")


def failure(
    store: Store, work: Callable[[Store], object], faulty: FaultyOs, monkeypatch: pytest.MonkeyPatch
) -> str | None:
    """What the error said that `work` ended with on a failing disk; other errors than the typed one pass."""
    with monkeypatch.context() as m:
        m.setattr(disk, "os", faulty)
        try:
            work(store)
        except EnvironmentFailedError as e:
            return str(e)
    return None


def fail_each_call(
    base: Store,
    ram: Path,
    work: Callable[[Store], object],
    monkeypatch: pytest.MonkeyPatch,
    cases: Callable[[int], list[tuple[int, bool]]],
) -> int:
    """Fail every call in turn, in the ways that `cases` gives for it; how often an error was raised."""
    whole = copy_of(base, ram / "whole")
    before = look(whole)
    total = calls_of(work, whole, monkeypatch)
    after = look(whole)
    middle = len(before.versions) - len(after.versions) > 1  # gc: one version gone is a state as well
    raised = 0
    for number in range(1, total + 1):
        for code, lasting in cases(number):
            store = copy_of(base, ram / "failing")
            error = failure(store, work, FaultyOs(number, code, lasting=lasting), monkeypatch)
            seen = look(store)
            assert seen in (before, after) or (middle and seen.generation == before.generation), number
            if error:
                raised += 1
                in_force = any(words in error for words in IN_FORCE)
                assert in_force == (seen != before) or (middle and not in_force), (number, error)
            store.pin("2026.1.3" if seen.pinned != "2026.1.3" else seen.versions[-1][0], actor="next")
            assert_settled(store)
    return raised


@pytest.mark.parametrize("operation", ["publish", "pin", "rollback", "gc"])
def test_a_disk_that_fails_at_any_call_loses_nothing(
    base: Store, ram: Path, fifth: Publishable, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cases(number: int) -> list[tuple[int, bool]]:
        return [(ERRORS[number // 3 % 3], LASTING[number // 9 % 2])] if number % 3 == 0 else []

    assert fail_each_call(base, ram, operations(fifth)[operation], monkeypatch, cases) > 10


@pytest.mark.long
@pytest.mark.parametrize("operation", ["publish", "pin", "rollback", "gc"])
def test_every_error_at_every_call_loses_nothing(
    base: Store, ram: Path, fifth: Publishable, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cases(_: int) -> list[tuple[int, bool]]:
        return [(code, lasting) for code in ERRORS for lasting in LASTING]

    raised = fail_each_call(base, ram, operations(fifth)[operation], monkeypatch, cases)
    print(f"{operation}: {raised} errors, all typed")
    assert raised > 100


def test_readers_say_what_the_disk_did(base: Store, ram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(store: Store) -> None:
        export_zip(open_artifact(store.path), ram / "out" / "a.zip")

    for work in (lambda s: open_artifact(s.path).verify(), lambda s: s.history(), export):
        (ram / "out" / "a.zip").unlink(missing_ok=True)
        for number in range(1, calls_of(work, base, monkeypatch) + 1, 2):
            (ram / "out" / "a.zip").unlink(missing_ok=True)
            error = failure(base, work, FaultyOs(number, errno.EIO), monkeypatch)
            assert error, number
            assert "Input/output error" in error
            assert "The disk reports a fault" in error
    assert {p.name for p in (ram / "out").iterdir()} <= {"a.zip"}


def test_list_and_verify_go_on_and_say_what_could_not_be_read(
    base: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for describe in (
        lambda: [v.problem for v in list_versions(base) if v.problem],
        lambda: list(verify_store(base).problems),
    ):
        said = []
        for number in range(20, 60, 5):
            with monkeypatch.context() as m:
                m.setattr(disk, "os", FaultyOs(number, errno.EIO))
                said += describe()
        assert len(said) > 3
        assert all("Input/output error" in text for text in said)


def test_an_import_that_fails_leaves_no_version(
    base: Store, ram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_zip(open_artifact(base.path), ram / "a.zip")
    monkeypatch.setattr(disk, "os", FaultyOs(40, errno.ENOSPC, lasting=True))
    with pytest.raises(EnvironmentFailedError, match=r"No space left on device.*Free some space"):
        import_artifact(ram / "a.zip", ram / "target")
    monkeypatch.undo()
    assert Store(ram / "target").versions() == ()


def test_a_second_writer_waits_and_then_says_who_holds_the_store(tmp_path: Path) -> None:
    write_version(tmp_path, "2026.1.1")
    expected = pytest.raises(StoreError, match=r"another one held the store for 0.05 s.*Wait for it")
    with write_lock.writing(tmp_path), expected, write_lock.writing(tmp_path, wait=0.05):
        raise AssertionError
