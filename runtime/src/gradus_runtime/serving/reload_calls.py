"""How a `Predictor` follows its pin: another version comes into service beside the one that serves."""

from __future__ import annotations

from gradus_runtime.errors import let_signals_through
from gradus_runtime.monitoring.change_log import Changes
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.serving.status_calls import StatusCalls
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.sessions.memory import trim

__all__ = ["ReloadCalls"]


class ReloadCalls(StatusCalls):
    """The call of a `Predictor` that exchanges versions, and what is said when one begins to serve."""

    _changes: Changes
    _seen: int

    def _serve(self, serving: ServedVersion) -> None:
        self._active = (serving, Decider(serving))
        self._seen = 0

    def reload_if_changed(self) -> bool:
        """Serve the version that is pinned now; cheap enough for every bar: one look at the pin's file.

        A new version is opened and every level of it proved beside the old one, which serves meanwhile; then
        they are exchanged. A call that is under way ends with the version it began with. If the new version
        fails, the old one keeps serving, `health()` says why, and it is tried again after a minute. While
        another thread reloads, this returns at once. A level that is out of service is tried again at once,
        without waiting for its pause.

        Returns:
            Whether another version serves now.
        """
        source, turn = self._source, object()
        if not source.changed():
            if any(slot.problem is not None for slot in self._active[0].slots):
                self._try_again()
            return False
        try:
            if not source.lock.take(turn):
                return False
            return self._reload()
        finally:
            if source.lock.owner is turn:  # no call: nothing can get in between
                source.lock.owner = None

    def _reload(self) -> bool:
        old, _ = self._active
        try:
            new = self._source.next(old.digest, old.loaded())
        except FAULTS as e:
            let_signals_through(e)
            self._look(old)  # the old version serves on: `health()` says what went wrong
            return False
        if new is None:
            self._try_again()
            return False
        self._serve(new)
        self._source.followed()
        self._changes.version(old.manifest.version, new.manifest.version)
        self._began("version")
        del old, _
        trim()
        return True

    def _try_again(self) -> None:
        serving, _ = self._active
        serving.try_again()
        self._look(serving)

    def _look(self, serving: ServedVersion) -> None:
        """Say in the log what changed in health."""
        self._seen = serving.events.count
        health = self._health(serving)
        self._changes.health(health)
        if self._recorder is not None:
            self._recorder.looked(serving, health)

    def _began(self, event: str) -> None:
        """Say that the version that serves now begins to."""
        serving, _ = self._active
        if self._recorder is not None:
            self._recorder.serves(serving, self._health(serving), self._source.generation(), event)
        self._look(serving)
