"""Pin and rollback, under the writer's lock."""

from __future__ import annotations

from collections.abc import Callable

from gradus_runtime.errors import IntegrityError, StoreError, let_signals_through
from gradus_runtime.store import disk, history_file, pin_file, pin_in_force, steps, write_lock
from gradus_runtime.store.artifact import Artifact
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.layout import NEW_PIN, VERSIONS
from gradus_runtime.store.pin_file import Pin
from gradus_runtime.store.version_folder import open_version
from gradus_runtime.store.write_lock import Writing

__all__ = ["pin", "version_before"]


def version_before(at: Writing) -> str:
    """The version to roll back to: the one pinned before, rollbacks taken off, that is still there.

    Raises:
        StoreError: There is none.
    """
    present = set(disk.folder_names(at.versions))
    stack = history_file.pinned_stack(at.events)
    current = stack[-1] if stack else None
    for version in reversed(stack):
        if version != current and version in present:
            return version
    raise StoreError(
        "a version must have been pinned before this one",
        place=at.place,
        value=current,
        hint="Name the version to serve: gradus pin VERSION.",
    )


def pin(
    at: Writing, event: str, version: str, actor: str, check: Callable[[Artifact], None] | None = None
) -> Pin:
    """Verify a version in full, then let the store's pin name it.

    Args:
        at: The store, under the writer's lock.
        event: "pin" or "rollback".
        version: A name that was checked.
        actor: Who does it; a text that was checked.
        check: What else must hold of the version; raises if it does not.

    Returns:
        The new pin; the pin in force if it names this version already.

    Raises:
        VanishedError: No such version.
        GradusError: As `Store.pin`.
    """
    place = f"{at.place}/{VERSIONS}/{version}"
    with open_version(
        at.versions, version, place, history_file.published(at.events).get(version)
    ) as artifact:
        artifact.verify()
        if check is not None:
            check(artifact)
        digest = artifact.digest
    steps.reached("pin.checked")
    try:
        found = pin_in_force.read(at.store, at.place)
    except IntegrityError as e:
        let_signals_through(e)
        found = pin_in_force.InForce(
            None, None
        )  # a damaged pin is replaced; the history knows the generation
    before = found.pin
    if before is not None and found.stale is None and (before.version, before.digest) == (version, digest):
        return before
    generation = 1 + max(history_file.last_generation(at.events), before.generation if before else 0)
    result = Pin(pin_file.FORMAT, generation, version, digest, event, write_lock.now_text(), actor)
    _replace(at, result)
    return result


def _replace(at: Writing, new: Pin) -> None:
    temporary = f"{NEW_PIN}{new.generation}"
    disk.write_new(at.store, temporary, pin_file.to_bytes(new), 0o644)
    steps.reached("pin.staged")
    disk.rename(temporary, pin_file.FILE, at.store)
    steps.reached("pin.replaced")
    rule = (
        f"generation {new.generation} is in force, but it must be synced and recorded too; "
        "the next command that writes completes the record"
    )
    with disk.failing(rule, at.place):
        disk.sync(at.store)
        steps.reached("pin.settled")
        event = Event(
            new.time, new.event, new.version, new.digest, new.generation, new.actor, recovered=False
        )
        history_file.append(at.store, [event])
    steps.reached("pin.recorded")
