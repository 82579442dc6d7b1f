"""A level in service: loaded when first needed, proved before it serves, out of service when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gradus_runtime.contracts.manifest import Level, Manifest
from gradus_runtime.serving.golden_replay import GoldenRows, replay_golden_rows
from gradus_runtime.sessions.level_session import LevelSession, block_rows
from gradus_runtime.sessions.memory import trim

__all__ = ["LevelSlot"]


class LevelSlot:
    """A level of one artifact version.

    Args:
        manifest: Of the version.
        level: Which level.
        read: Gives the verified bytes of a file.
        golden: Gives the golden rows.
        threads: As `Predictor.open` takes them.
        memory_budget: As `Predictor.open` takes it.
        troubles: Gets a line when the level goes out of service.

    Attributes:
        session: What serves; None until it is loaded, after it is released, and when it is out of service.
        problem: Why it is out of service; None if it is not.
        used: Whether a row was served since the last look; see `release_if_idle`.
    """

    def __init__(
        self,
        manifest: Manifest,
        level: Level,
        *,
        read: Callable[[str], bytes],
        golden: Callable[[], GoldenRows],
        threads: int,
        memory_budget: int,
        troubles: list[str],
    ) -> None:
        self.manifest = manifest
        self.level = level
        self.session: LevelSession | None = None
        self.problem: str | None = None
        self.used = False
        self._read = read
        self._golden = golden
        self._settings = (threads, memory_budget)
        self._troubles = troubles
        self._lock = threading.Lock()

    def load(self) -> LevelSession | None:
        """Return the session, loading and proving it if need be; None if the level is out of service."""
        with self._lock:
            if self.session is not None or self.problem is not None:
                return self.session
            try:
                session = self._open()
            except Exception as e:  # whatever fails, the next level serves; `problem` says what it was
                self._fail(e)
                return None
            self.used = True
            self.session = session
            trim()  # loading took several times what stays
            return session

    def _open(self) -> LevelSession:
        manifest, level, golden = self.manifest, self.level, self._golden
        threads, budget = self._settings
        width = len(manifest.level_features(level))
        return LevelSession(
            self._read(level.file),
            level,
            width=width,
            classes=len(manifest.classes),
            threads=threads,
            block=block_rows(level, width, budget // threads),
            prove=lambda session: replay_golden_rows(session, manifest, level, golden()),
        )

    def prepare(self, *, tables: bool) -> bool:
        """Load the level and prove it for single rows and for tables; whether it can serve.

        Args:
            tables: Keep what only tables need.
        """
        session = self.load()
        if session is None:
            return False
        try:
            session.for_tables()
        except Exception as e:  # `problem` says what it was
            self.fail(e)
            return False
        if not tables:
            session.release_tables()
        return True

    def fail(self, error: Exception) -> None:
        """Take the level out of service."""
        with self._lock:
            if self.problem is None:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.session = None
        self.problem = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        self._troubles.append(f"{self.level.name}: {self.problem}")

    def release(self) -> None:
        """Give back the session's memory; it is loaded again when needed."""
        with self._lock:
            self.session = None
        trim()

    def release_if_idle(self) -> bool:
        """Release the session if no row was served since the last call; whether it was."""
        with self._lock:
            idle = self.session is not None and not self.used
            self.used = False
            if idle:
                self.session = None
                trim()
            return idle
