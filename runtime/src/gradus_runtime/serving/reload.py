"""Whether another version is pinned now, and bringing it into service beside the one that serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.serving.known_good import can_serve, earlier_versions, first_that_serves
from gradus_runtime.serving.retry import FIRST_PAUSE, Retry
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings
from gradus_runtime.serving.turn import Turn
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.store import Artifact, Store, disk, installed, open_artifact
from gradus_runtime.store.layout import OVERRIDE, VERSIONS
from gradus_runtime.store.pin_in_force import InForce

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RETRY_SECONDS", "PinnedSource"]

RETRY_SECONDS = FIRST_PAUSE
"""A version that failed is tried again after so long, without a new pin: the failure may have passed."""


class PinnedSource:
    """Where versions come from.

    Args:
        source: As `Predictor.open` takes it.
        version: As `Predictor.open` takes it.
        settings: How to serve.
        clock: Seconds since 1970 UTC.
        monotonic: Seconds that never go back; those of the process by default.
        changes: Where to say what changes.

    Attributes:
        source: As given; a relative path is absolute, so that it means the same after a change of directory.
        version: As given.
        problem: Why the version that is pinned now does not serve; None if it does.
        lock: Held by a token while a version is brought into service.
    """

    def __init__(
        self,
        source: str | Path,
        version: str | None,
        settings: Settings,
        clock: Callable[[], float],
        monotonic: Callable[[], float] | None,
        changes: Changes,
    ) -> None:
        self.source = _absolute(source)
        self.version = version
        self.settings = settings
        self.clock = clock
        self.monotonic = monotonic
        self.problem: str | None = None
        self.lock = Turn()
        self._changes = changes
        self._store = None if version is not None else _store_of(self.source)
        self._token: object = None
        self._coming: object = None
        self._generation: int | None = None
        self._retry = Retry(monotonic)

    def open(self) -> ServedVersion:
        """Open the version to serve now.

        Raises:
            GradusError: It cannot be served; as `Predictor.open`.
        """
        self._token = self.token()
        try:
            stale = self._pinned().stale
        except GradusError as e:  # the pin cannot be read: opening says so, or goes on without it
            let_signals_through(e)
            stale = None
        if stale is not None:
            self._wait_for(stale, self._token)
        store = self._store
        if store is None or self.settings.strict or os.environ.get(OVERRIDE):
            return self._serve(open_artifact(self.source, self.version))
        return self._open_pinned(store)

    def _open_pinned(self, store: Store) -> ServedVersion:
        """Open the pinned version; where no level of it can serve, the one that was pinned before it."""
        try:
            serving = self._serve(open_artifact(self.source))
        except FAULTS as e:
            let_signals_through(e)
            good = first_that_serves(store, earlier_versions(store, self._pinned_version()), self._serve)
            if good is None:
                raise
            self._serves_instead(good, f"{type(e).__name__}: {e}")
            return good
        earlier = earlier_versions(store, serving.manifest.version)
        if not earlier or can_serve(serving):
            return serving
        good = first_that_serves(store, earlier, self._serve)
        if good is None:
            return serving
        problems = "; ".join(f"{slot.level.name}: {slot.problem}" for slot in serving.slots)
        self._serves_instead(good, f"no level of {serving.manifest.version} can serve: {problems}")
        serving.close()
        return good

    def _pinned_version(self) -> str | None:
        try:
            pin = self._pinned().pin
        except GradusError as e:
            let_signals_through(e)
            return None
        return None if pin is None else pin.version

    def _serves_instead(self, good: ServedVersion, why: str) -> None:
        self._wait_for(f"{why}; {good.manifest.version}, pinned before, serves instead", self._token)

    def _pinned(self) -> InForce:
        """The pin in force; none where no pin chooses the version."""
        if self._store is None or os.environ.get(OVERRIDE):
            return InForce(None, None)
        found = self._store.pinned()
        if found.pin is not None and found.stale is None:
            if self._generation is not None and found.pin.generation < self._generation:
                self._changes.generation(self._generation, found.pin.generation)
            self._generation = found.pin.generation
        return found

    def _wait_for(self, problem: str, token: object) -> None:
        self.problem = problem
        self._token = token
        self._retry = Retry(self.monotonic)  # the same pause every time: a new pin may come at any time
        self._retry.failed()

    def _serve(self, artifact: Artifact) -> ServedVersion:
        try:
            return ServedVersion(
                artifact, self.settings, clock=self.clock, monotonic=self.monotonic, changes=self._changes
            )
        except BaseException:
            artifact.close()
            raise

    def generation(self) -> int | None:
        """Return the generation of the pin; None where no pin chooses the version."""
        if self._store is None or os.environ.get(OVERRIDE):
            return None
        try:
            pin = self._store.pin_state()
        except GradusError as e:
            let_signals_through(e)
            return None
        return None if pin is None else pin.generation

    def token(self) -> object:
        """Return what changes when the pin changes: one system call. None if the version cannot change."""
        if self._store is None:
            return None
        return self._store.pin_stat(), os.environ.get(OVERRIDE)

    def changed(self) -> bool:
        """Whether the pin may have changed since the last look, or a failure is due for another try."""
        if self.token() != self._token:
            return True
        return self.problem is not None and self._retry.due

    def next(self, digest: str, keep: Mapping[str, bool]) -> ServedVersion | None:
        """Open the pinned version and prove all its levels; None if it is the one of this digest.

        An older pin that was put back is not followed: None, and `problem` says so. Where a signal handler
        raises meanwhile, nothing has changed: the next look tries again.

        Args:
            digest: Of the version that serves.
            keep: Levels to keep loaded, and whether for tables as well.

        Raises:
            Exception: One of `library.FAULTS`: it cannot be served. `problem` says so until it is over.
        """
        token = self.token()
        try:
            stale = self._pinned().stale
            serving = None if stale is not None else self._another(digest, keep)
        except FAULTS as e:
            let_signals_through(e)
            self._wait_for(f"{type(e).__name__}: {e}", token)
            raise
        if stale is not None:
            self._wait_for(stale, token)
            return None
        self._coming = token
        if serving is None:
            self.followed()
        return serving

    def followed(self) -> None:
        """Take the pin that `next` saw as followed, once its version serves: an alarm may come before."""
        self.problem = None
        self._token = self._coming

    def _another(self, digest: str, keep: Mapping[str, bool]) -> ServedVersion | None:
        artifact = open_artifact(self.source, self.version)
        if artifact.digest == digest:
            artifact.close()
            return None
        serving = self._serve(artifact)
        serving.prove(keep)
        return serving

    def after_fork(self) -> None:
        """In a forked child: no other thread brings a version into service."""
        self.lock = Turn()


def _absolute(source: str | Path) -> str:
    """Return a source that means the same after a change of directory; a distribution's name stays."""
    path = disk.plain(source)
    if installed.may_be(path) and not disk.exists(path):
        return path
    with disk.failing("an artifact must be readable", path, reading=True):
        return disk.absolute(path)


def _store_of(path: str) -> Store | None:
    """Return the store behind a source: a store's folder, or an old name in one."""
    with disk.failing("an artifact must be readable", path, reading=True):
        for folder in (path, os.path.dirname(path)):
            if disk.is_folder(os.path.join(folder, VERSIONS)):
                return Store(folder) if folder == path or not disk.exists(path) else None
    return None
