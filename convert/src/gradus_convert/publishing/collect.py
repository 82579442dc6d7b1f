"""Collect: remove old versions, but none that is served or was served lately."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gradus_runtime.contracts import names
from gradus_runtime.errors import GradusError, UsageError
from gradus_runtime.store import disk, history_file, pin_in_force, steps, write_lock
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.layout import TRASH
from gradus_runtime.store.write_lock import Writing

__all__ = ["Collected", "collect"]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed and what stays, oldest first."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


def collect(
    store_path: Path, *, keep: int, keep_pinned: int = 3, dry_run: bool = False, actor: str | None = None
) -> Collected:
    """Remove versions of a store.

    What stays: the newest `keep`, the pinned one, and the `keep_pinned` versions last pinned before it. A
    reader that opened a version keeps its files; one that is about to opens the pinned one.

    Args:
        store_path: The store's folder.
        keep: How many of the newest versions stay.
        keep_pinned: How many formerly pinned versions stay.
        dry_run: Only say what would be removed.
        actor: Who does it, for the history; the user by default.

    Raises:
        UsageError: A number is below 0.
        StoreError: There is no store.
        IntegrityError: The pin or the history is damaged; nothing was removed.
        EnvironmentFailedError: The disk failed; what was being removed is completed by the next command.
    """
    for name, number in (("keep", keep), ("keep_pinned", keep_pinned)):
        if number < 0:
            raise UsageError("a number of versions must be at least 0", place=name, value=number)
    who = write_lock.acting(actor)
    with write_lock.writing(store_path) as at:
        steps.reached("gc.locked")
        present = _versions(at)
        doomed = _doomed(at, present, keep, keep_pinned)
        steps.reached("gc.chosen")
        if not dry_run:
            digests = history_file.published(at.events)
            for version in doomed:
                _remove(at, version, digests.get(version, ""), who)
    return Collected(tuple(doomed), tuple(v for v in present if v not in doomed))


def _versions(at: Writing) -> list[str]:
    found = []
    for name in disk.folder_names(at.versions):
        try:
            found.append(names.parse_version(name))
        except GradusError:
            continue  # none of ours: `verify` names it
    return [v.text for v in sorted(found)]


def _doomed(at: Writing, present: list[str], keep: int, keep_pinned: int) -> list[str]:
    safe = set(present[len(present) - keep :] if keep else ())
    pin = pin_in_force.read(at.store, at.place).pin
    current = pin.version if pin else None
    former = [e.version for e in at.events if e.generation is not None and e.version != current]
    safe |= set(list(dict.fromkeys(reversed(former)))[:keep_pinned])
    return [v for v in present if v not in safe and v != current]


def _remove(at: Writing, version: str, digest: str, actor: str) -> None:
    trash = f"{TRASH}{version}"
    disk.rename(version, trash, at.versions)
    steps.reached("gc.renamed")
    rule = f"{version} is collected, but must be synced and recorded too; the next command completes it"
    with disk.failing(rule, at.place):
        disk.sync(at.versions)
        steps.reached("gc.settled")
        history_file.append(
            at.store, [Event(write_lock.now_text(), "gc", version, digest, None, actor, recovered=False)]
        )
        steps.reached("gc.recorded")
        disk.remove_folder(trash, at.versions)
    steps.reached("gc.removed")
