"""Backups: a dated copy of a store, proved and self-contained, made while others write; and back again.

    DEST/NAME-20261201T031705Z/   a store: versions, pin.json, history.jsonl
    DEST/.NAME.lock               held by the one command that writes backups of this store there

No lock of the store is taken: a backup stops no rollback, and needs the right to read only. A version never
changes, so versions are copied one by one; where one is collected meanwhile, pin and history are read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gradus_runtime.errors import IntegrityError, StoreError, UsageError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk, steps, store_copy, write_lock
from gradus_runtime.store.layout import LOCK, VERSIONS
from gradus_runtime.store.store import Store
from gradus_runtime.store.store_copy import LeftOut
from gradus_runtime.store.verify import verify_store

__all__ = ["Backup", "Restored", "back_up", "now", "restore"]

STAGED = ".backup-"
STAGED_RESTORE = ".restore-"
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPED = re.compile(r".+-([0-9]{8}T[0-9]{6}Z)")


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written.

    Attributes:
        path: The new backup.
        versions: In it, oldest first.
        pinned: The version that its pin names; None where nothing was pinned.
        left_out: Versions that are damaged or unreadable in the store; then no older backup was removed.
        removed: Names of older backups that were removed.
    """

    path: str
    versions: tuple[str, ...]
    pinned: str | None
    left_out: tuple[LeftOut, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back: where, its versions, the pinned one, and whether a store was there already."""

    path: str
    versions: tuple[str, ...]
    pinned: str | None
    beside: bool


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def back_up(store: Store, destination: Path, *, keep: int | None = None) -> Backup:
    """Write a backup of a store into a folder of backups.

    Args:
        store: The store; it is only read.
        destination: The folder; it is created if need be.
        keep: How many of the newest backups of this store stay there; by default all.

    Raises:
        UsageError: `keep` is below 1, or the folder lies in the store.
        StoreError: There is no store, or a backup of this second is there already.
        IntegrityError: The pin, the history or the pinned version is damaged: nothing was written.
        EnvironmentFailedError: The disk failed; nothing counts that was written.
    """
    if keep is not None and keep < 1:
        raise UsageError("a number of backups must be at least 1", place="keep", value=keep)
    name = store.path.resolve().name
    with disk.failing("a backup must be writable", str(destination)):
        _check_outside(store, destination)
        store.versions()
        destination.mkdir(parents=True, exist_ok=True)
    with _locked(destination, name) as folder:
        stamped = f"{name}-{now().strftime(_STAMP)}"
        staged = f"{STAGED}{stamped}"
        with _staging(folder, destination, staged):
            disk.make_folder(staged, folder)
            steps.reached("backup.staged")
            left_out = store_copy.copy(store, destination / staged, "backup.copied")
            _settle(destination / staged)
            steps.reached("backup.verified")
            _give_name(folder, staged, stamped, destination)
        steps.reached("backup.renamed")
        disk.sync(folder)
        steps.reached("backup.settled")
        removed = () if left_out or keep is None else _prune(folder, destination, name, stamped, keep)
        steps.reached("backup.pruned")
    written = Store(destination / stamped)
    pin = written.pin_state()
    return Backup(
        str(written.path), written.versions(), None if pin is None else pin.version, left_out, removed
    )


def restore(backup: Path, target: Path) -> Restored:
    """Bring a backup back: as `target` where nothing is there, else beside it.

    Args:
        backup: A backup, or any store.
        target: The store's folder, `artifacts/NAME`. A store that is there stays as it is: the backup is then
            written as `NAME.restored-TIME`, with the time of the backup.

    Raises:
        StoreError: The backup is no store, or it was restored already.
        IntegrityError: The backup is damaged: nothing was written.
        EnvironmentFailedError: The disk failed; nothing counts that was written.
    """
    source = Store(backup)
    problems = verify_store(source).problems
    if problems:
        raise IntegrityError("a backup must be complete", place=str(backup), cause="; ".join(problems))
    steps.reached("restore.checked")
    stamped = _STAMPED.fullmatch(backup.resolve().name)
    stamp = stamped[1] if stamped else now().strftime(_STAMP)
    with disk.failing("the restored store must be writable", str(target)):
        beside = os.path.lexists(target)
        name = f"{target.name}.restored-{stamp}" if beside else target.name
        target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent, target.name) as folder:
        staged = f"{STAGED_RESTORE}{target.name}"
        with _staging(folder, target.parent, staged):
            disk.make_folder(staged, folder)
            steps.reached("restore.staged")
            for left in store_copy.copy(source, target.parent / staged, "restore.copied"):
                raise IntegrityError("a backup must be complete", place=str(backup), cause=left.problem)
            _settle(target.parent / staged)
            steps.reached("restore.verified")
            _give_name(folder, staged, name, target.parent)
        steps.reached("restore.renamed")
        disk.sync(folder)
        disk.remove_file(f".{target.name}{LOCK}", folder)
    steps.reached("restore.settled")
    restored = Store(target.parent / name)
    pin = restored.pin_state()
    return Restored(str(restored.path), restored.versions(), None if pin is None else pin.version, beside)


def _check_outside(store: Store, destination: Path) -> None:
    inside = store.path.resolve()
    if inside == destination.resolve() or inside in destination.resolve().parents:
        raise UsageError("backups must lie outside the store", place=str(destination))


@contextmanager
def _locked(path: Path, name: str) -> Iterator[int]:
    """The folder, open, while no other command writes copies of this store there."""
    with disk.failing("a copy of a store must be writable", str(path)), ExitStack() as stack:
        folder = disk.open_folder(path)
        stack.callback(os.close, folder)
        write_lock.lock(folder, f".{name}{LOCK}", str(path), stack)
        for entry in disk.folder_names(folder):
            if entry == f"{STAGED_RESTORE}{name}" or _stamp_of(entry, f"{STAGED}{name}-"):
                disk.remove_folder(entry, folder)  # a dead command left it
        yield folder


@contextmanager
def _staging(folder: int, path: Path, staged: str) -> Iterator[None]:
    """Remove what was staged, if it did not get its name and the disk still lets us."""
    try:
        yield
    except BaseException:
        try:
            disk.remove_folder(staged, folder)
        except OSError as error:
            let_signals_through(error)
        raise


def _settle(path: Path) -> None:
    """Complete the record of a copy, as the next command that writes would, and prove every byte of it."""
    with write_lock.writing(path) as at:
        disk.remove_file(LOCK, at.store)
        disk.sync(at.store)
    problems = verify_store(Store(path)).problems
    if problems:
        raise IntegrityError("a copy of a store must be complete", place=str(path), cause="; ".join(problems))


def _give_name(folder: int, staged: str, name: str, path: Path) -> None:
    if disk.identity_of(name, folder) is not None:
        raise StoreError(
            "a copy of a store must not exist already",
            place=str(path / name),
            hint="Look at it, and remove it or run the command again.",
        )
    disk.rename(staged, name, folder)


def _stamp_of(entry: str, prefix: str) -> str | None:
    """The time in a backup's name; None if it is no name of a backup."""
    stamp = entry.removeprefix(prefix)
    if stamp == entry or not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", stamp):
        return None
    try:
        datetime.strptime(stamp, _STAMP)
    except ValueError as e:
        let_signals_through(e)
        return None
    return stamp


def _prune(folder: int, path: Path, name: str, written: str, keep: int) -> tuple[str, ...]:
    """Remove the oldest backups of a store, but the newest `keep` and the one just written."""
    backups = [e for e in disk.folder_names(folder) if _stamp_of(e, f"{name}-")]
    backups = [e for e in backups if e != written and disk.is_folder(path / e / VERSIONS)]
    doomed = backups[: max(0, len(backups) - (keep - 1))]
    for entry in doomed:
        hidden = f"{STAGED}{entry}"
        disk.rename(entry, hidden, folder)  # half of a backup must not look like one
        disk.remove_folder(hidden, folder)
    return tuple(doomed)
