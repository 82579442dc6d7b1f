"""Copying a store version by version, while others change it: what comes out is a state that it was in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gradus_runtime.contracts import names, strict_json
from gradus_runtime.errors import (
    EnvironmentFailedError,
    IntegrityError,
    ManifestError,
    StoreError,
    let_signals_through,
)
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk, history_file, pin_file, steps
from gradus_runtime.store.artifact import seal
from gradus_runtime.store.layout import VERSIONS
from gradus_runtime.store.store import ATTEMPTS, Store

__all__ = ["LeftOut", "copy"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A version that could not be copied, and why."""

    version: str
    problem: str


@dataclass(frozen=True, slots=True)
class _State:
    """A store at one moment: its versions, the bytes of the pin in force and of the history."""

    versions: tuple[str, ...]
    pinned: str | None
    pin: bytes | None
    history: bytes


def copy(store: Store, folder: Path, step: str) -> tuple[LeftOut, ...]:
    """Copy versions, the pin in force and the history into an empty folder; every byte is proved.

    Args:
        store: It is only read, without a lock.
        folder: Where to.
        step: Reached after each version.

    Returns:
        Versions that could not be read whole.

    Raises:
        IntegrityError: The pin, the history or the pinned version is damaged.
        StoreError: There is no store.
        EnvironmentFailedError: The disk failed.
    """
    target = disk.open_folder(folder)
    try:
        disk.make_folder(VERSIONS, target)
        versions = disk.open_folder(VERSIONS, target)
        try:
            state, left_out = _copy_versions(store, versions, step)
            disk.sync(versions)
        finally:
            os.close(versions)
        if state.history:
            disk.write_new(target, history_file.FILE, state.history, 0o666)
        if state.pin is not None:
            disk.write_new(target, pin_file.FILE, state.pin, 0o644)
        disk.sync(target)
    finally:
        os.close(target)
    for entry in left_out:
        if entry.version == state.pinned:
            raise IntegrityError(
                "the pinned version must be complete",
                place=str(store.path),
                cause=entry.problem,
                hint="Pin another version, and bring this one back from an older backup.",
            )
    return left_out


def _copy_versions(store: Store, versions: int, step: str) -> tuple[_State, tuple[LeftOut, ...]]:
    done: set[str] = set()
    problems: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        state = store.settled(lambda: _state(store))
        if all(_copy_version(store, v, versions, done, problems, step) for v in state.versions):
            break
    else:
        rule = f"a store must keep its versions while they are copied; {ATTEMPTS} times one was collected"
        raise StoreError(
            rule, place=str(store.path), hint="Run the command again while no other command removes versions."
        )
    for version in done - set(state.versions):
        disk.remove_folder(version, versions)
    return state, tuple(LeftOut(v, problems[v]) for v in state.versions if v in problems)


def _state(store: Store) -> _State:
    store.history()  # every line of it is sound
    with store.reading() as folder:
        data = history_file.read_bytes(folder, str(store.path))
    pin = store.pin_state()
    return _State(
        store.versions(),
        None if pin is None else pin.version,
        None if pin is None else pin_file.to_bytes(pin),
        data,
    )


def _copy_version(
    store: Store, version: str, versions: int, done: set[str], problems: dict[str, str], step: str
) -> bool:
    """Copy a version, if it was not yet; False if it is no longer there."""
    if version in done or version in problems:
        return True
    try:
        contents = _read(store, version)
    except StoreError as e:
        let_signals_through(e)
        return False
    except (IntegrityError, ManifestError, EnvironmentFailedError) as e:
        let_signals_through(e)
        problems[version] = str(e)
        return True
    disk.make_folder(version, versions)
    folder = disk.open_folder(version, versions)
    try:
        for name in sorted(contents):
            disk.write_new(folder, name, contents[name])
        disk.sync(folder)
    finally:
        os.close(folder)
    done.add(version)
    steps.reached(step)
    return True


def _read(store: Store, version: str) -> Mapping[str, bytes]:
    with store.open(version) as artifact:
        files = {entry.name: artifact.read(entry.name) for entry in artifact.manifest.files}
        files |= {names.MANIFEST: artifact.manifest_bytes, names.SEAL: seal(artifact.digest)}
    place = store.path / VERSIONS / version
    with disk.failing("a version must be readable", str(place), reading=True):
        try:
            folder = disk.open_folder(place)
        except FileNotFoundError:
            return files  # collected since it was opened
        try:
            build = disk.read_small(folder, names.BUILD, strict_json.MAX_BYTES, place=str(place))
        finally:
            os.close(folder)
    return files if build is None else {**files, names.BUILD: build}
