"""A level in service: loaded when first needed, proved before it serves, tried again after it failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradus_runtime.contracts.graph import TREE_WALK, WALK_DOMAIN
from gradus_runtime.contracts.manifest import Level, Manifest
from gradus_runtime.errors import EnvironmentFailedError, let_signals_through
from gradus_runtime.lock import SafeLock
from gradus_runtime.log import WARNING, say
from gradus_runtime.serving.golden_replay import replay_golden_rows
from gradus_runtime.serving.retry import Retry
from gradus_runtime.serving.version_files import VersionFiles
from gradus_runtime.sessions import forking
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.level_session import (
    LevelSession,
    block_rows,
    device_block_rows,
    kernel_block_rows,
)
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.sessions.memory import trim
from gradus_runtime.sessions.onnx_session import KERNEL
from gradus_runtime.sessions.providers import CPU

__all__ = ["Events", "LevelSlot"]

KERNEL_WALKS = "walks the trees"


class Events:
    """How often health changed: who has seen as many has nothing to look at."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class LevelSlot:
    """A level of one artifact version. Safe for any number of threads, signal handlers and forks.

    Args:
        manifest: Of the version.
        level: Which level.
        files: Of the version.
        threads: As `Predictor.open` takes them.
        memory_budget: As `Predictor.open` takes it.
        kernel: Walks the trees; None for none.
        kernel_required: Whether the level may not serve without it.
        provider: What runs the graph.
        events: Counts what changes: the level goes out of service, or returns.
        monotonic: As `Predictor.open` takes it.

    Attributes:
        session: What serves; None until it is loaded, after it is released, and when it is out of service.
        problem: Why it is out of service; None if it is not.
        retry: How often it failed, and when it is tried again.
        used: Whether a row was served since the last look; see `release_if_idle`.
        kernel_state: What the kernel does here, as in `LevelHealth`.
        provider: What runs the graph, once it was loaded; None before.
    """

    def __init__(
        self,
        manifest: Manifest,
        level: Level,
        *,
        files: VersionFiles,
        threads: int,
        memory_budget: int,
        events: Events,
        monotonic: Callable[[], float] | None = None,
        kernel: Kernel | None = None,
        kernel_required: bool = False,
        provider: str = CPU,
    ) -> None:
        self.manifest = manifest
        self.level = level
        self.session: LevelSession | None = None
        self.problem: str | None = None
        self.retry = Retry(monotonic)
        self.used = False
        self._files = files
        self._settings = (threads, memory_budget)
        self._kernel, self._kernel_required = kernel, kernel_required
        self.kernel_state: str | None = None
        self._provider = provider
        self.provider: str | None = None
        self._events = events
        self._lock = SafeLock()
        self._loading = False

    @property
    def blocked(self) -> bool:
        """Whether it is out of service and not to be tried now."""
        return self.problem is not None and (self._loading or not self.retry.due)

    def load(self) -> LevelSession | None:
        """Return the session, loading and proving it if need be; None if the level cannot serve now.

        A level that failed before is tried again when its pause is over; other threads go on without it.
        What is neither a fault of the level nor of the machine, as the exception of a signal handler, is
        raised and changes nothing.
        """
        if self.session is None and self.blocked:
            return None
        with self._lock:
            if self._loading:  # a signal handler asks, which interrupted this thread's own load
                return None
            if self.session is not None or self.blocked:
                return self.session
            self._loading = True
            try:
                session = self._open()
                self._serve(session)
            except FAULTS as e:
                let_signals_through(e)
                self._fail(e)
                return None
            finally:
                self._loading = False
        _say(session.remarks)  # no lock of ours is held while handlers of the log run
        trim()  # loading took several times what stays
        return session

    def _serve(self, session: LevelSession) -> None:
        self.used = True
        self.retry.worked()
        if self._files.closed:
            return  # by a signal handler: the call that loads ends well, and nothing stays
        self.session = session
        self.provider = session.provider
        state = self._state_of_kernel(session)
        if self.problem is not None or state != self.kernel_state:
            self.problem, self.kernel_state = None, state
            self._events.count += 1

    def _state_of_kernel(self, session: LevelSession) -> str | None:
        if session.walk == KERNEL:
            return KERNEL_WALKS
        return None if session.kernel_problem is None else f"not used: {session.kernel_problem}"

    def _open(self) -> LevelSession:
        manifest, level, golden = self.manifest, self.level, self._files.golden
        threads, budget = self._settings
        width, kernel = len(manifest.level_features(level)), self._kernel
        if self._provider == CPU:
            block = block_rows(level, width, budget // threads)
        else:
            block = device_block_rows(level, width, budget)
        with forking.opening(), np.errstate(all="ignore"):
            session = LevelSession(
                self._files.read(level.file),
                level,
                width=width,
                classes=len(manifest.classes),
                threads=threads,
                block=block,
                prove=lambda session: replay_golden_rows(session, manifest, level, golden()),
                kernel=kernel,
                kernel_block=kernel_block_rows(level, width, budget, threads),
                provider=self._provider,
            )
        if self._kernel_required and session.walk != KERNEL:
            cause = session.kernel_problem or f"the graph has no function {WALK_DOMAIN}::{TREE_WALK}"
            raise EnvironmentFailedError("the kernel must walk the trees", place=level.file, cause=cause)
        return session

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
        except FAULTS as e:
            self.fail(e, session)
            return False
        if not tables:
            session.release_tables()
        return True

    def fail(self, error: Exception, session: LevelSession | None = None) -> None:
        """Take the level out of service, until it is tried again.

        Args:
            error: One of `library.FAULTS`.
            session: Which failed; nothing happens if another one serves by now. None for whichever serves.

        Raises:
            Exception: `error` itself, if a signal handler raised it.
        """
        let_signals_through(error)
        with self._lock:
            if self.problem is None and session in (None, self.session):
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._files.forget()
        self.retry.failed()
        self.session = None
        self.problem = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        self._events.count += 1

    def release(self) -> None:
        """Give back the session's memory; it is loaded again when needed."""
        self.session = None
        trim()

    def release_if_idle(self) -> bool:
        """Release the session if no row was served since the last call; whether it was."""
        idle = self.session is not None and not self.used
        self.used = False
        if idle:
            self.release()
        return idle

    def after_fork(self) -> None:
        """In a forked child: forget the threads that are not there, and the session that one of them used."""
        self._lock = SafeLock()
        self._loading = False
        session = self.session
        if session is not None and not session.after_fork():
            self.session = None


def _say(remarks: Sequence[str]) -> None:
    for remark in remarks:
        say(WARNING, remark, event="onnxruntime")
