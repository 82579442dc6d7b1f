"""The files of a version in service: opened anew by their path where what was opened first fails."""

from __future__ import annotations

from gradus_runtime.errors import EnvironmentFailedError, GradusError, IntegrityError, let_signals_through
from gradus_runtime.serving.golden_replay import GoldenRows, read_golden
from gradus_runtime.store import Artifact

__all__ = ["VersionFiles"]


class VersionFiles:
    """Verified bytes of one version. Safe for any number of threads; it takes no lock.

    A file that was replaced, or a descriptor that somebody closed, makes the open files useless for good. The
    same version may stand whole at its path: then its files are opened again, and held to the same digest.

    Args:
        artifact: Opened; it goes when this object goes.
    """

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._golden: GoldenRows | None = None
        self.closed = False

    @property
    def origin(self) -> str:
        """Where the version comes from, for people."""
        return self._artifact.origin

    def read(self, name: str) -> bytes:
        """Return the verified bytes of a file.

        Raises:
            IntegrityError: They are not what the manifest says, here and at the path.
            EnvironmentFailedError: They cannot be read, here and at the path.
        """
        try:
            return self._artifact.read(name)
        except (IntegrityError, EnvironmentFailedError) as e:
            let_signals_through(e)
            if self.closed or not self._open_again():
                raise
        return self._artifact.read(name)

    def _open_again(self) -> bool:
        try:
            self._artifact = self._artifact.opened_again()
        except GradusError as e:
            let_signals_through(e)
            return False  # the error of the files that were open says more
        return True

    def golden(self) -> GoldenRows:
        """Return the golden rows; they are read once."""
        rows = self._golden
        if rows is None:
            file = self._artifact.manifest.golden.file
            rows = self._golden = read_golden(self.read(file), f"{self.origin}/{file}")
        return rows

    def forget(self) -> None:
        """Read the golden rows anew when they are next needed."""
        self._golden = None

    def close(self) -> None:
        """Let the files go."""
        self.closed = True
        self._artifact.close()
