"""Which pin counts: that of `pin.json`, unless the history records a higher generation.

The generation of a pin only rises, and the history is written after the pin. So a history that knows a
higher generation than `pin.json` says that an older file was put back, from a backup or a checkout. Where
both went back together, they agree, and the pin is followed.
"""

from __future__ import annotations

from gradus_runtime.errors import IntegrityError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.store import history_file, pin_file
from gradus_runtime.store.history_file import Event
from gradus_runtime.store.pin_file import Pin

__all__ = ["InForce", "read"]


@dataclass(frozen=True, slots=True)
class InForce:
    """The pin that counts, None where nothing was pinned yet; `stale`: why it is not that of `pin.json`."""

    pin: Pin | None
    stale: str | None


def read(store: int, place: str) -> InForce:
    """Read the pin in force of an open store folder.

    A history that is missing, damaged or not for this user to read stops nobody: then the pin counts alone,
    and `verify` says what is wrong.

    Raises:
        IntegrityError: The pin is damaged.
        OSError: It cannot be read.
    """
    recorded = _recorded(store, place)  # before the pin: a command that comes between raises the pin only
    pin = pin_file.read(store, place)
    if recorded is None or recorded.generation is None:
        return InForce(pin, None)
    if pin is not None and pin.generation >= recorded.generation:
        return InForce(pin, None)
    if pin is None:
        found = f"{pin_file.FILE} is missing, but the history has generation {recorded.generation}"
    else:
        found = (
            f"{pin_file.FILE} has generation {pin.generation}, the history {recorded.generation}: "
            "an older pin was put back, and is not followed"
        )
    stale = f"{found}; {recorded.version} is in force. Pin a version again: gradus pin VERSION"
    return InForce(_as_pin(recorded, recorded.generation), stale)


def _recorded(store: int, place: str) -> Event | None:
    try:
        return history_file.last_pin(store, place)
    except (IntegrityError, PermissionError) as e:
        let_signals_through(e)
        return None


def _as_pin(event: Event, generation: int) -> Pin:
    return Pin(pin_file.FORMAT, generation, event.version, event.digest, event.event, event.time, event.actor)
