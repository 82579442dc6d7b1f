"""The last version that could serve, where the pinned one cannot at start.

A container that restarts on a damaged version would otherwise restart for ever. The version that was pinned
before it serves instead, `health()` says so, and the pinned one is tried again at stated pauses.
"""

from __future__ import annotations

from collections.abc import Callable

from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.store import Artifact, Store, history_file

__all__ = ["can_serve", "earlier_versions", "first_that_serves"]


def earlier_versions(store: Store, pinned: str | None) -> list[tuple[str, str]]:
    """Return versions that were pinned before, the latest first, rollbacks taken off, each with its digest.

    Args:
        store: Whose history tells them; a history that cannot be read tells none.
        pinned: The version that is pinned now; None where the pin cannot be read: then it is the first.
    """
    try:
        events = store.history()
        present = set(store.versions())
    except GradusError as e:
        let_signals_through(e)
        return []
    digests = history_file.published(events)
    stack = reversed(history_file.pinned_stack(events))
    known = [v for v in dict.fromkeys(stack) if v != pinned and v in present and v in digests]
    return [(version, digests[version]) for version in known]


def can_serve(serving: ServedVersion) -> bool:
    """Load the best level that can be loaded; whether there is one."""
    return any(slot.load() is not None for slot in serving.slots)


def first_that_serves(
    store: Store, versions: list[tuple[str, str]], serve: Callable[[Artifact], ServedVersion]
) -> ServedVersion | None:
    """Open the first of some versions that can serve and has not expired; None where there is none."""
    for version, digest in versions:
        try:
            serving = serve(store.open_recorded(version, digest))
        except FAULTS as e:
            let_signals_through(e)
            continue
        if serving.halted() is None and can_serve(serving):
            return serving
        serving.close()
    return None
