"""Whether a version can serve on this machine: what must hold before it is pinned."""

from __future__ import annotations

from gradus_runtime.errors import EnvironmentFailedError, let_signals_through
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.settings import Settings
from gradus_runtime.store import Artifact

__all__ = ["check_servable"]


def check_servable(artifact: Artifact) -> None:
    """Load every level and replay its golden rows, for single rows and for tables, as a reload does.

    Args:
        artifact: Opened; it stays open.

    Raises:
        CheckError: A level does not give its golden rows, here or anywhere.
        EnvironmentFailedError: This machine may not serve it, though another one may.
    """
    try:
        ServedVersion(artifact, Settings(drift=False)).prove({})
    except EnvironmentFailedError as e:
        let_signals_through(e)
        hint = f"{e.hint or ''} To pin it for other machines, give --no-check.".strip()
        raise EnvironmentFailedError(e.rule, place=e.place, value=e.value, cause=e.cause, hint=hint) from None
