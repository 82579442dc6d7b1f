"""What every command that changes a store does first: take the lock, clean up, complete the history."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gradus_runtime.contracts import names, strict_json
from gradus_runtime.contracts.texts import MAX_CHARACTERS, check_text
from gradus_runtime.errors import GradusError, IntegrityError, StoreError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk, history_file, pin_file
from gradus_runtime.store.artifact import SEAL_BYTES
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.layout import (
    LOCK,
    NEW_HISTORY,
    NEW_LOCK,
    NEW_PIN,
    STAGED,
    TRASH,
    VERSIONS,
    no_store,
)

__all__ = ["Writing", "acting", "lock", "now_text", "writing"]

LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Writing:
    """A store under the writer's lock: open folders, itself and `versions`, and its history so far."""

    place: str
    store: int
    versions: int
    events: tuple[Event, ...]


def now_text() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def acting(actor: str | None) -> str:
    """Return who acts: as given, else GRADUS_ACTOR, else the user's name, else the user's number.

    Raises:
        UsageError: As given, or GRADUS_ACTOR, it is no text for a line of the history.
    """
    if actor:
        return check_text(actor, "an actor", place="actor", hint="Give --actor a short name.")
    if name := os.environ.get("GRADUS_ACTOR"):
        return check_text(name, "an actor", place="GRADUS_ACTOR", hint="Set GRADUS_ACTOR to a short name.")
    for key in ("LOGNAME", "USER"):
        name = "".join(c for c in os.environ.get(key, "") if c.isprintable())[:MAX_CHARACTERS].strip()
        if name:
            return name
    return f"uid {os.getuid()}"


@contextmanager
def writing(path: Path, *, wait: float = LOCK_SECONDS) -> Iterator[Writing]:
    """Hold the writer's lock of a store. What a dead writer left is cleaned up first.

    Args:
        path: The store's folder.
        wait: Seconds to wait for another writer.

    Raises:
        StoreError: There is no store, or another writer keeps it too long.
        IntegrityError: The history is damaged.
        EnvironmentFailedError: The disk failed.
    """
    place = str(path)
    with disk.failing("the store must be writable", place), ExitStack() as stack:
        try:
            store = _closed_with(stack, disk.open_folder(path))
            lock(store, LOCK, place, stack, wait=wait)
            versions = _closed_with(stack, disk.open_folder(VERSIONS, store))
        except (FileNotFoundError, NotADirectoryError):
            raise no_store(place) from None
        _clean(store, versions)
        disk.own_copy(store, history_file.FILE, f"{NEW_HISTORY}{os.getpid()}")
        events = _complete(store, versions, place)
        yield Writing(place, store, versions, events)


def _closed_with(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def lock(folder: int, name: str, place: str, stack: ExitStack, *, wait: float = LOCK_SECONDS) -> None:
    """Hold a lock, in a file of one name: who locks a hard-linked copy of the store is not in the way.

    Args:
        folder: Descriptor of the folder.
        name: Of the lock's file in it.
        place: How errors name the folder.
        stack: The lock is let go when it is closed.
        wait: Seconds to wait for another command.

    Raises:
        StoreError: Another command keeps it too long.
        OSError: The disk failed.
    """
    deadline = time.monotonic() + wait
    while True:
        with ExitStack() as held:
            found = _closed_with(held, disk.open_lock(name, folder))
            _acquire(found, f"{place}/{name}", deadline, wait)
            if disk.identity(found) != disk.identity_of(name, folder):
                continue  # another command gave the lock a file of its own meanwhile
            if disk.count_names(found) > 1:
                own = f"{name}-{os.getpid()}"
                disk.remove_file(own, folder)
                _acquire(_closed_with(held, disk.open_lock(own, folder)), place, deadline, wait)
                disk.rename(own, name, folder)
            stack.push(held.pop_all())
            return


def _acquire(lock: int, place: str, deadline: float, wait: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            let_signals_through(e)
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() >= deadline:
            raise StoreError(
                f"one command may write at a time; another one held the store for {wait:g} s",
                place=place,
                hint=f"Wait for it to end, then try again; `fuser {place}` names it.",
            )
        time.sleep(0.005)


def _clean(store: int, versions: int) -> None:
    for name in disk.folder_names(versions):
        if name.startswith((STAGED, TRASH)):
            disk.remove_folder(name, versions)
    for name in disk.folder_names(store):
        if name.startswith((NEW_PIN, NEW_HISTORY, NEW_LOCK)):
            disk.remove_file(name, store)


def _complete(store: int, versions: int, place: str) -> tuple[Event, ...]:
    """Repair the history, and append what a dead writer did but did not record."""
    history_file.repair(store, place)
    events = history_file.read(store, place)
    recorded = history_file.published(events)
    present = {name for name in disk.folder_names(versions) if not name.startswith(".")}
    missing = [
        Event(now_text(), "gc", version, digest, None, "recovery", True)
        for version, digest in recorded.items()
        if version not in present
    ]
    for version in sorted(present - recorded.keys()):
        event = _unrecorded(versions, version, place)
        if event is not None:
            missing.append(event)
    try:
        pin = pin_file.read(store, place)
    except IntegrityError as e:
        let_signals_through(e)
        pin = None  # `pin` is the way out of a damaged pin, so it must get past here
    if pin is not None and pin.generation > history_file.last_generation(events):
        missing.append(
            Event(pin.time, pin.event, pin.version, pin.digest, pin.generation, pin.actor, recovered=True)
        )
    history_file.append(store, missing)
    return (*events, *missing)


def _unrecorded(versions: int, version: str, place: str) -> Event | None:
    """The event of a version that stands in its folder but not in the history; None if it is no version."""
    try:
        names.parse_version(version)
        folder = disk.open_folder(version, versions)
    except (GradusError, OSError) as e:
        let_signals_through(e)
        return None
    try:
        text = disk.read_small(folder, names.SEAL, SEAL_BYTES, place=place) or b""
        digest = text[:64].decode("ascii", "replace")
        if not names.is_sha256(digest):
            return None
        data = disk.read_small(folder, names.BUILD, strict_json.MAX_BYTES, place=place)
        build = strict_json.parse(data or b"{}", place=names.BUILD)
    except GradusError as e:
        let_signals_through(e)
        return None
    finally:
        os.close(folder)
    facts = build if isinstance(build, dict) else {}
    time_, actor = facts.get("created"), facts.get("actor")
    return Event(
        time_ if isinstance(time_, str) else now_text(),
        "publish",
        version,
        digest,
        None,
        actor if isinstance(actor, str) else "unknown",
        recovered=True,
    )
