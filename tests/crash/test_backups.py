"""Backups and restores that are killed, whose disk fails, or that others write into: whole or not there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.crash.test_interleaving import CHANGES, InterruptedOs, changed_by
from tests.support.crash import ERRORS, FaultyOs, Seen, killed_at, look
from tests.support.operations import Publishable, copy_of, operations

from gradus_runtime.errors import EnvironmentFailedError, GradusError, IntegrityError
from gradus_runtime.serving.pin_check import check_servable
from gradus_runtime.store import Store, disk, steps
from gradus_runtime.store.backup import back_up, restore
from gradus_runtime.store.verify import verify_store


def named(folder: Path) -> list[Store]:
    """The copies in a folder that have their names."""
    if not folder.exists():
        return []
    return [Store(p) for p in sorted(folder.iterdir()) if not p.name.startswith(".")]


def whole(store: Store) -> Seen:
    """What a copy holds; every byte of it and its records are in order."""
    assert verify_store(store).problems == ()
    assert {p.name for p in store.path.iterdir()} <= {"versions", "pin.json", "history.jsonl"}
    return look(store)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("step", steps.BACKUP)
def test_a_backup_that_is_killed_is_whole_or_not_there(base: Store, ram: Path, step: str) -> None:
    seen, before = look(base), tree(base.path)
    occurrence, reached = 1, True
    while reached:
        dest = ram / f"backups-{occurrence}"
        reached = killed_at(step, occurrence, lambda dest=dest: back_up(base, dest, keep=1) and None)
        assert tree(base.path) == before
        copies = named(dest)
        assert len(copies) == (step in ("backup.renamed", "backup.settled", "backup.pruned") or not reached)
        assert [whole(copy) for copy in copies] == [seen] * len(copies)
        shutil.rmtree(copies[0].path) if copies else None  # so that the next may be of the same second
        back_up(base, dest, keep=1)
        assert [whole(copy) for copy in named(dest)] == [seen]
        assert [p.name for p in dest.iterdir() if p.name.startswith(".backup-")] == []
        occurrence += 1
    assert occurrence > 2, f"the backup never reached {step}"


@pytest.mark.parametrize("step", steps.RESTORE)
def test_a_restore_that_is_killed_is_whole_or_not_there(base: Store, ram: Path, step: str) -> None:
    back_up(base, ram / "backups")
    (backup,) = named(ram / "backups")
    seen = look(base)
    occurrence, reached = 1, True
    while reached:
        place = ram / f"stores-{occurrence}"
        target = place / "base"
        reached = killed_at(step, occurrence, lambda at=target: restore(backup.path, at) and None)
        copies = named(place)
        assert len(copies) == (step in ("restore.renamed", "restore.settled") or not reached)
        assert [whole(copy) for copy in copies] == [seen] * len(copies)
        restore(backup.path, place / "base")
        assert {whole(copy) for copy in named(place)} == {seen}
        assert whole(Store(place / "base")) == seen
        assert [p.name for p in place.iterdir() if p.name.startswith(".restore-")] == []
        occurrence += 1
    assert occurrence > 2, f"the restore never reached {step}"


def failing_at(number: int, code: int, work: Callable[[], object], *, lasting: bool = False) -> str | None:
    """What a failing disk made the command say; None if it did not notice."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(disk, "os", FaultyOs(number, code, lasting=lasting))
        try:
            work()
        except (EnvironmentFailedError, IntegrityError) as e:
            return str(e)  # a version that could not be read is as good as damaged
    return None


def calls_of(work: Callable[[], object]) -> int:
    counting = FaultyOs(0, 0)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(disk, "os", counting)
        work()
    return len(counting.calls)


def fail_each_call(base: Store, ram: Path, stride: int) -> int:
    """Fail every `stride`-th call of a backup; how often it ended with an error."""
    seen, before = look(base), tree(base.path)
    total = calls_of(lambda: back_up(base, ram / "counted"))
    raised = 0
    for number in range(1, total + 1, stride):
        dest = ram / "backups"
        shutil.rmtree(dest, ignore_errors=True)
        code, lasting = ERRORS[number % 3], bool(number % 2)
        said = failing_at(number, code, lambda dest=dest: back_up(base, dest), lasting=lasting)
        raised += said is not None
        assert tree(base.path) == before
        for copy in named(dest):
            left = whole(copy)
            assert left.pinned == seen.pinned
            assert set(left.versions) <= set(seen.versions)
            shutil.rmtree(copy.path)
        back_up(base, dest)
        assert [whole(copy) for copy in named(dest)] == [seen], number
    return raised


def test_a_disk_that_fails_under_a_backup_leaves_no_half_of_one(base: Store, ram: Path) -> None:
    assert fail_each_call(base, ram, 9) > 10


@pytest.mark.long
def test_every_failing_call_under_a_backup_leaves_no_half_of_one(base: Store, ram: Path) -> None:
    assert fail_each_call(base, ram, 1) > 100


def test_a_disk_that_fails_under_a_restore_leaves_no_half_of_one(base: Store, ram: Path) -> None:
    back_up(base, ram / "backups")
    (backup,) = named(ram / "backups")
    seen = look(base)
    total = calls_of(lambda: restore(backup.path, ram / "counted" / "base"))
    raised = 0
    for number in range(1, total + 1, 11):
        place = ram / "stores"
        shutil.rmtree(place, ignore_errors=True)
        said = failing_at(number, errno.EIO, lambda at=place: restore(backup.path, at / "base"))
        raised += said is not None
        assert [whole(copy) for copy in named(place)] in ([], [seen]), number
        restore(backup.path, place / "base")
        assert whole(Store(place / "base")) == seen
    assert raised > 10


def interrupt_each_call(base: Store, ram: Path, apply: Callable[[Store], None], stride: int) -> int:
    """Let a writer get in before every `stride`-th call of a backup; how many calls there are."""

    def interrupted(number: int) -> tuple[Seen, Store, int]:
        store = copy_of(base, ram / "store")
        shutil.rmtree(ram / "backups", ignore_errors=True)
        between = InterruptedOs(number, lambda: apply(store))
        with pytest.MonkeyPatch.context() as m:
            m.setattr(disk, "os", between)
            assert back_up(store, ram / "backups").left_out == ()
        (copy,) = named(ram / "backups")
        return whole(copy), store, between.count

    before, store, calls = interrupted(0)
    apply(store)
    after = look(store)
    for number in range(1, calls + 1, stride):
        seen, store, _ = interrupted(number)
        assert seen in (before, after), number
        assert look(store) == after, number
    return calls


@pytest.mark.parametrize("change", CHANGES)
def test_a_backup_among_writers_is_a_state_that_the_store_was_in(
    base: Store, ram: Path, fifth: Publishable, change: str
) -> None:
    assert interrupt_each_call(base, ram, changed_by(change, fifth), 16) > 50


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_a_backup_with_a_writer_before_any_call_is_a_state_that_the_store_was_in(
    base: Store, ram: Path, fifth: Publishable, change: str
) -> None:
    assert interrupt_each_call(base, ram, changed_by(change, fifth), 1) > 50


def test_a_copy_in_place_would_be_caught(base: Store, ram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_place(store: Store, target: Path) -> None:
        shutil.copytree(store.path, target / "base-20260101T000000Z", copy_function=slow)

    def slow(source: str, target: str) -> None:
        shutil.copy(source, target)
        steps.reached("backup.copied")

    assert killed_at("backup.copied", 3, lambda: in_place(base, ram / "backups"))
    with pytest.raises((AssertionError, GradusError)):
        whole(named(ram / "backups")[0])


@pytest.mark.parametrize("operation", ["pin", "rollback"])
@pytest.mark.parametrize("step", ["pin.locked", "pin.checked", "pin.staged", "pin.replaced"])
def test_a_checked_pin_that_is_killed_is_old_or_new(
    base: Store, ram: Path, operation: str, step: str
) -> None:
    def work(store: Store) -> None:
        if operation == "pin":
            store.pin("2026.1.4", actor="test", check=check_servable)
        else:
            store.rollback(actor="test", check=check_servable)

    done = copy_of(base, ram / "done")
    work(done)
    states = [look(base), look(done)]
    assert killed_at(step, 1, lambda: work(copy_of(base, ram / "killed")))
    assert look(Store(ram / "killed")) == states[step == "pin.replaced"]


def test_a_check_that_fails_or_is_interrupted_changes_nothing(base: Store, fifth: Publishable) -> None:
    operations(fifth)["publish"](base)
    before = tree(base.path)

    def refuse(_: object) -> None:
        raise IntegrityError("it must serve")

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    for check, error in ((refuse, IntegrityError), (interrupt, KeyboardInterrupt)):
        for work in (base.pin, base.rollback):
            with pytest.raises(error):
                work("2026.1.5", actor="test", check=check)
            assert tree(base.path) == before
