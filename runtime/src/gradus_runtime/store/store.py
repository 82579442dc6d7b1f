"""A store: the versions of one artifact, the pin that names the one to serve, and what happened.

    NAME/versions/VERSION/   manifest.json, manifest.sha256, build.json, graphs, golden.npz ...; never changed
    NAME/pin.json            generation, version, digest; replaced whole
    NAME/history.jsonl       appended to
    NAME/.lock               held by the one command that writes

Readers take no lock. They see the pin before a change or the pin after it, and hold the files they opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gradus_runtime.contracts import names
from gradus_runtime.errors import GradusError, StoreError, let_signals_through
from gradus_runtime.store import disk, history_file, pin_file, pin_in_force
from gradus_runtime.store.artifact import Artifact
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.layout import OVERRIDE, VERSIONS, no_store
from gradus_runtime.store.pin_file import Pin
from gradus_runtime.store.pin_in_force import InForce
from gradus_runtime.store.version_folder import VanishedError, open_version

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PinStat", "Store"]

ATTEMPTS = 50

PinStat = tuple[int, int, int, int]
T = TypeVar("T")


class Store:
    """A store folder, `artifacts/NAME`. Nothing is read before a method asks for it.

    Args:
        path: The folder.
    """

    __slots__ = ("_folder",)

    def __init__(self, path: str | Path) -> None:
        self._folder = disk.plain(path)

    @property
    def path(self) -> Path:
        """The folder."""
        from pathlib import Path  # a bot does without

        return Path(self._folder)

    def __eq__(self, other: object) -> bool:
        return self._folder == other._folder if isinstance(other, Store) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._folder)

    def __repr__(self) -> str:
        return f"Store({self._folder!r})"

    def _in(self, *parts: str) -> str:
        return os.path.join(self._folder, *parts)

    def versions(self) -> tuple[str, ...]:
        """Versions that are there, oldest first.

        Raises:
            StoreError: There is no store.
            EnvironmentFailedError: It cannot be read.
        """
        found = []
        with self._reading() as (_, versions):
            entries = disk.folder_names(versions)
        for entry in entries:
            try:
                found.append(names.parse_version(entry))
            except GradusError as e:
                let_signals_through(e)
                continue  # being published or removed, or none of ours: `verify` names it
        return tuple(v.text for v in sorted(found))

    def pin_state(self) -> Pin | None:
        """The pin in force; None where nothing was pinned yet. Errors as `pinned`."""
        return self.pinned().pin

    def pinned(self) -> InForce:
        """The pin in force, and why it is not that of `pin.json` if it is another.

        Raises:
            StoreError: There is no store.
            IntegrityError: The pin is damaged.
            EnvironmentFailedError: It cannot be read.
        """
        with self._reading() as (store, _):
            return pin_in_force.read(store, self._folder)

    def pin_stat(self) -> PinStat | None:
        """A token that changes whenever the pin may have changed; None where nothing is pinned.

        One system call, no reading: cheap enough to ask before every batch.
        """
        try:
            status = os.stat(self._in(pin_file.FILE))
        except OSError as e:
            let_signals_through(e)
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size

    def history(self) -> tuple[Event, ...]:
        """What happened, oldest first.

        Raises:
            StoreError: There is no store.
            IntegrityError: A line is damaged.
            EnvironmentFailedError: It cannot be read.
        """
        with self._reading() as (store, _):
            return history_file.read(store, self._folder)

    def open(self, version: str | None = None) -> Artifact:
        """Open a version for reading.

        Args:
            version: Which; by default that of the environment's GRADUS_VERSION, else the pinned one. Only a
                pinned version is held to a digest that is kept outside its own folder.

        Raises:
            UsageError: Not a version's name.
            StoreError: No store, no pin, or no such version.
            IntegrityError: The version is damaged, or not the one that was pinned.
            ManifestError: Its manifest breaks the contract.
            EnvironmentFailedError: It cannot be read.
        """
        chosen = version or os.environ.get(OVERRIDE)
        if not chosen:
            return self._open_pinned()
        names.parse_version(chosen, place="version" if version else OVERRIDE)
        try:
            return self._open(chosen, None)
        except VanishedError:
            raise self._unknown(chosen) from None

    def _open_pinned(self) -> Artifact:
        version = ""
        for _ in range(ATTEMPTS):
            pin = self.pin_state()
            if pin is None:
                hint = f"There are: {self._known()}. Run: gradus pin VERSION --store {self._folder}."
                raise StoreError("a version must be pinned", place=self._folder, hint=hint)
            version = pin.version
            try:
                return self._open(version, pin.digest)
            except VanishedError:
                if self.pin_state() == pin:
                    break  # else it was replaced, and collected, after it was read
        hint = f"Pin one of: {self._known()}."
        rule = f"the pinned version {version} is missing from the store"
        raise StoreError(rule, place=self._folder, hint=hint)

    def _open(self, version: str, digest: str | None) -> Artifact:
        with self._reading() as (_, versions):
            return open_version(versions, version, self._in(VERSIONS, version), digest)

    def open_recorded(self, version: str, digest: str) -> Artifact:
        """Open a version that need not be pinned, held to the digest that the history recorded.

        Raises:
            StoreError: It is not there.
            GradusError: As `open`.
        """
        try:
            return self._open(version, digest)
        except VanishedError:
            raise self._unknown(version) from None

    def settled(self, read: Callable[[], T]) -> T:
        """What `read` finds when it looks at more than one thing, and no command changes the store meanwhile.

        Args:
            read: Reads the store; it is called again where a command got in between, at most 50 times.
        """
        for _ in range(ATTEMPTS):
            before = self._traces()
            result = read()
            if self._traces() == before:
                break
        return result

    def _traces(self) -> tuple[object, ...]:
        """What every command that changes the store changes: versions, pin or history."""
        try:
            entries = {name for name in os.listdir(self._in(VERSIONS)) if not name.startswith(".")}
            recorded = os.stat(self._in(history_file.FILE)).st_size
        except OSError as e:
            let_signals_through(e)
            return ()  # `read` says what is wrong with it
        return entries, self.pin_stat(), recorded

    def pin(
        self, version: str, *, actor: str | None = None, check: Callable[[Artifact], None] | None = None
    ) -> Pin:
        """Serve a version from now on. Every byte of it is verified first.

        Args:
            version: One that is there.
            actor: Who does it, for the history; GRADUS_ACTOR or the user by default.
            check: What else must hold of it, called with the open version; raises if it does not. The command
                gives `serving.pin_check.check_servable`, which replays the golden rows.

        Returns:
            The new pin, one generation above the last; the pin in force if it names this version already.

        Raises:
            UsageError: Not a version's name, or no text for an actor; nothing was changed.
            StoreError: No such version; nothing was changed.
            IntegrityError: The version is damaged; nothing was changed.
            EnvironmentFailedError: The disk failed. The message says if the new pin is in force nevertheless.
        """
        return self._change("pin", version, actor, check)

    def rollback(
        self,
        to: str | None = None,
        *,
        actor: str | None = None,
        check: Callable[[Artifact], None] | None = None,
    ) -> Pin:
        """Serve an older version again, as a new generation.

        Args:
            to: Which; by default the one pinned before, rollbacks taken off, that is still there.
            actor: As `pin`.
            check: As `pin`.

        Returns:
            The new pin.

        Raises:
            StoreError: Nothing to roll back to; nothing was changed.
            GradusError: As `pin`.
        """
        return self._change("rollback", to, actor, check)

    def _change(
        self,
        event: str,
        version: str | None,
        actor: str | None,
        check: Callable[[Artifact], None] | None,
    ) -> Pin:
        from gradus_runtime.store import pinning, steps, write_lock  # a reader needs none of them

        if version is not None:
            names.parse_version(version)
        who = write_lock.acting(actor)
        with write_lock.writing(self.path) as at:
            steps.reached("pin.locked")
            chosen = version or pinning.version_before(at)
            try:
                return pinning.pin(at, event, chosen, who, check)
            except VanishedError:
                raise self._unknown(chosen) from None

    @contextmanager
    def reading(self) -> Iterator[int]:
        """A descriptor of the store's folder, for the length of a `with`. Errors as `versions`."""
        with self._reading() as (store, _):
            yield store

    @contextmanager
    def _reading(self) -> Iterator[tuple[int, int]]:
        """Descriptors of the store and of its `versions`."""
        place = self._folder
        with disk.failing("a store must be readable", place, reading=True):
            try:
                store = disk.open_folder(self._folder)
            except (FileNotFoundError, NotADirectoryError):
                raise no_store(place) from None
            try:
                versions = disk.open_folder(VERSIONS, store)
                try:
                    yield store, versions
                finally:
                    os.close(versions)
            except FileNotFoundError:
                raise no_store(place) from None
            finally:
                os.close(store)

    def _known(self) -> str:
        return ", ".join(self.versions()) or "none"

    def _unknown(self, version: str) -> StoreError:
        hint = f"There are: {self._known()}."
        return StoreError("a version must be in the store", place=self._folder, value=version, hint=hint)
