"""Verify: rehash everything, and go on after what differs, so that all of it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gradus_runtime.contracts import names
from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.store import disk, history_file
from gradus_runtime.store.artifact import Artifact
from gradus_runtime.store.layout import TRASH, VERSIONS
from gradus_runtime.store.open_artifact import open_artifact
from gradus_runtime.store.pin_file import Pin
from gradus_runtime.store.store import Store

__all__ = ["Report", "verify_source", "verify_store"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was rehashed, and a sentence for each thing that differs."""

    versions: int
    files: int
    bytes: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    versions: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def rehash(self, open_: Callable[[], Artifact]) -> str | None:
        """Rehash one artifact; return its digest if it could be opened."""
        self.versions += 1
        try:
            artifact = open_()
        except GradusError as e:
            let_signals_through(e)
            self.problems.append(str(e))
            return None
        with artifact:
            for entry in artifact.manifest.files:
                try:
                    self.bytes += len(artifact.read(entry.name))
                    self.files += 1
                except GradusError as e:
                    let_signals_through(e)
                    self.problems.append(str(e))
            return artifact.digest

    def report(self) -> Report:
        return Report(self.versions, self.files, self.bytes, tuple(self.problems))


def verify_source(source: str, store: Callable[[], Store]) -> Report:
    """Rehash one artifact: a version of a store, or anything that `open_artifact` takes.

    Args:
        source: A version, or a source.
        store: Gives the store of a version.
    """
    tally = _Tally()
    try:
        names.parse_version(source)
    except GradusError as e:
        let_signals_through(e)
        tally.rehash(lambda: open_artifact(source))
    else:
        if disk.exists(Path(source)):
            tally.rehash(lambda: open_artifact(source))
        else:
            chosen = store()
            tally.rehash(lambda: chosen.open(source))
    return tally.report()


def verify_store(store: Store) -> Report:
    """Rehash every version of a store, and hold them against its pin and its history.

    Raises:
        StoreError: There is no store.
    """
    return store.settled(lambda: _verify(store))


def _verify(store: Store) -> Report:
    tally = _Tally()
    found = {v: tally.rehash(partial(store.open, v)) for v in store.versions()}
    with disk.failing("a store must be readable", str(store.path), reading=True):
        entries = sorted((store.path / VERSIONS).iterdir())
    for entry in entries:
        if entry.name not in found and not entry.name.startswith("."):
            tally.problems.append(f"{entry}: a version must be named by its calendar version")
    try:
        found_pin = store.pinned()
        pin = found_pin.pin
        if found_pin.stale:
            tally.problems.append(f"{store.path}: {found_pin.stale}")
    except GradusError as e:
        let_signals_through(e)
        pin = None
        tally.problems.append(str(e))
    if pin is not None and pin.version not in found:
        tally.problems.append(f"{store.path}: the pinned version {pin.version} is missing from the store")
    elif pin is not None and found[pin.version] not in (pin.digest, None):
        tally.problems.append(
            f"{store.path / VERSIONS / pin.version}: a version must have the pinned digest {pin.digest}"
        )
    tally.problems += _against_history(store, found, pin)
    return tally.report()


def _against_history(store: Store, found: dict[str, str | None], pin: Pin | None) -> list[str]:
    try:
        events = store.history()
    except GradusError as e:
        let_signals_through(e)
        return [str(e)]
    recorded = history_file.published(events)
    problems = []
    for event in events:
        same = pin is not None and event.generation == pin.generation
        if same and pin is not None and (event.version, event.digest) != (pin.version, pin.digest):
            problems.append(
                f"{store.path}: generation {pin.generation} must be one version, but the pin says "
                f"{pin.version} and the history {event.version}. Pin a version again: gradus pin VERSION"
            )
    for version, digest in recorded.items():
        place = store.path / VERSIONS / version
        if version not in found:
            if disk.exists(place.parent / f"{TRASH}{version}"):
                continue  # it is being collected; the line that says so comes next
            problems.append(f"{place}: a published version must exist until it is collected")
        elif found[version] not in (digest, None):
            problems.append(f"{place}: a version must have the digest that was published, {digest}")
    return problems
