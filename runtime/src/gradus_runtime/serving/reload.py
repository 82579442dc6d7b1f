"""Whether another version is pinned now, and bringing it into service beside the one that serves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gradus_runtime.errors import GradusError
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings
from gradus_runtime.store import Artifact, Store, open_artifact
from gradus_runtime.store.layout import OVERRIDE, VERSIONS

__all__ = ["RETRY_SECONDS", "PinnedSource"]

RETRY_SECONDS = 60.0
"""A version that failed is tried again after so long, without a new pin: the failure may have passed."""


class PinnedSource:
    """Where versions come from.

    Args:
        source: As `Predictor.open` takes it.
        version: As `Predictor.open` takes it.
        settings: How to serve.
        clock: Seconds since 1970 UTC.
        changes: Where to say what changes.

    Attributes:
        problem: Why the version that is pinned now does not serve; None if it does.
        lock: Held while a version is brought into service.
    """

    def __init__(
        self,
        source: str | Path,
        version: str | None,
        settings: Settings,
        clock: Callable[[], float],
        changes: Changes,
    ) -> None:
        self.source = str(source)
        self.problem: str | None = None
        self.lock = threading.Lock()
        self._version = version
        self._settings = settings
        self._clock = clock
        self._changes = changes
        self._store = None if version is not None else _store_of(Path(source))
        self._token: object = None
        self._retry_at = 0.0

    def open(self) -> ServedVersion:
        """Open the version to serve now.

        Raises:
            GradusError: It cannot be served; as `Predictor.open`.
        """
        self._token = self.token()
        return self._serve(open_artifact(self.source, self._version))

    def _serve(self, artifact: Artifact) -> ServedVersion:
        try:
            return ServedVersion(artifact, self._settings, clock=self._clock, changes=self._changes)
        except Exception:
            artifact.close()
            raise

    def generation(self) -> int | None:
        """Return the generation of the pin; None where no pin chooses the version."""
        if self._store is None or os.environ.get(OVERRIDE):
            return None
        try:
            pin = self._store.pin_state()
        except GradusError:
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
        return self.problem is not None and time.monotonic() >= self._retry_at

    def next(self, digest: str, keep: Mapping[str, bool]) -> ServedVersion | None:
        """Open the pinned version and prove all its levels; None if it is the one of this digest.

        Args:
            digest: Of the version that serves.
            keep: Levels to keep loaded, and whether for tables as well.

        Raises:
            GradusError: It cannot be served; or whatever else went wrong. `problem` says so until it is over.
        """
        self._token = self.token()
        try:
            artifact = open_artifact(self.source, self._version)
            if artifact.digest == digest:
                artifact.close()
                self.problem = None
                return None
            serving = self._serve(artifact)
            serving.prove(keep)
        except Exception as e:
            self.problem = f"{type(e).__name__}: {e}"
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise
        self.problem = None
        return serving


def _store_of(path: Path) -> Store | None:
    """Return the store behind a source: a store's folder, or an old name in one."""
    for folder in (path, path.parent):
        if (folder / VERSIONS).is_dir():
            return Store(folder) if folder == path or not path.exists() else None
    return None
