"""A disk that fails at any call: a typed error, nothing lost, and the next command goes on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.crash import ERRORS, FaultyOs, assert_settled, look
from tests.support.stores import write_version

from gradus_convert.store.carry import export_zip, import_artifact
from gradus_convert.store.collect import collect
from gradus_convert.store.publish import publish_version
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import EnvironmentFailedError, GradusError
from gradus_runtime.store import Store, disk, open_artifact
from gradus_runtime.store.listing import list_versions
from gradus_runtime.store.verify import verify_store

Publishable = tuple[Manifest, dict[str, bytes]]
LASTING = (False, True)


def operations(fifth: Publishable) -> dict[str, Callable[[Store], object]]:
    return {
        "publish": lambda s: publish_version(s.path, *fifth, {}, "test"),
        "pin": lambda s: s.pin("2026.1.4", actor="test"),
        "rollback": lambda s: s.rollback(actor="test"),
        "gc": lambda s: collect(s.path, keep=1, keep_pinned=0, actor="test"),
    }


def copy_of(store: Store, folder: Path) -> Store:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(store.path, folder)
    return Store(folder)


def calls_of(work: Callable[[Store], object], store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    counting = FaultyOs(0, 0)
    with monkeypatch.context() as m:
        m.setattr(disk, "os", counting)
        work(store)
    return len(counting.calls)


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
            with monkeypatch.context() as m:
                m.setattr(disk, "os", FaultyOs(number, code, lasting=lasting))
                try:
                    work(store)
                except EnvironmentFailedError as e:
                    raised += 1
                    assert e.value
                except GradusError as e:
                    raise AssertionError(f"call {number}, {errno.errorcode[code]}: {e!r}") from e
            seen = look(store)
            assert seen in (before, after) or (middle and seen.generation == before.generation), number
            store.pin("2026.1.3" if seen.pinned != "2026.1.3" else seen.versions[-1][0], actor="next")
            assert_settled(store)
    return raised


@pytest.mark.parametrize("operation", ["publish", "pin", "rollback", "gc"])
def test_a_disk_that_fails_at_any_call_loses_nothing(
    base: Store, ram: Path, fifth: Publishable, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cases(number: int) -> list[tuple[int, bool]]:
        return [(ERRORS[number % 3], LASTING[number // 3 % 2])]

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
    readers: dict[str, Callable[[Store], object]] = {
        "open": lambda s: open_artifact(s.path).verify(),
        "list": list_versions,
        "verify": verify_store,
        "history": lambda s: s.history(),
        "export": lambda s: export_zip(open_artifact(s.path), ram / "out.zip"),
    }
    for name, work in readers.items():
        (ram / "out.zip").unlink(missing_ok=True)
        for number in range(1, calls_of(work, base, monkeypatch) + 1):
            (ram / "out.zip").unlink(missing_ok=True)
            with monkeypatch.context() as m:
                m.setattr(disk, "os", FaultyOs(number, errno.EIO))
                try:
                    done = work(base)
                except EnvironmentFailedError as e:
                    assert "the disk reports a fault" in str(e).lower(), name
                else:
                    assert "Input/output error" in repr(done) or name == "list", (name, number)
    assert [p.name for p in ram.iterdir()] in (["base"], ["base", "out.zip"], ["out.zip", "base"])


def test_an_import_that_fails_leaves_no_version(
    base: Store, ram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_zip(open_artifact(base.path), ram / "a.zip")
    monkeypatch.setattr(disk, "os", FaultyOs(40, errno.ENOSPC, lasting=True))
    with pytest.raises(EnvironmentFailedError, match=r"No space left on device.*Free some space"):
        import_artifact(ram / "a.zip", ram / "target")
    monkeypatch.undo()
    assert Store(ram / "target").versions() == ()


def test_the_message_says_when_the_change_is_in_force_nevertheless(
    base: Store, ram: Path, fifth: Publishable, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = set()
    for operation, work in operations(fifth).items():
        for number in range(1, 120):
            store = copy_of(base, ram / "failing")
            before = look(store)
            with monkeypatch.context() as m:
                m.setattr(disk, "os", FaultyOs(number, errno.EIO))
                try:
                    work(store)
                except EnvironmentFailedError as e:
                    in_force = any(x in str(e) for x in ("is in force", "is published", "is collected"))
                    assert in_force == (look(store) != before) or operation == "gc", (
                        operation,
                        number,
                        str(e),
                    )
                    said.add((operation, in_force))
    assert said == {(o, f) for o in operations(fifth) for f in (True, False)}


def test_a_second_writer_waits_and_then_says_who_holds_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradus_runtime.errors import StoreError
    from gradus_runtime.store import writer

    write_version(tmp_path, "2026.1.1")
    with writer.writing(tmp_path):
        with pytest.raises(StoreError, match=r"another one held the store for 0.05 s.*Wait for it"):
            with writer.writing(tmp_path, wait=0.05):
                raise AssertionError
