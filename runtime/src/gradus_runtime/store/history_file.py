"""`history.jsonl`: what happened to a store, one JSON object a line, only ever appended to.

A last line without its newline was torn by a crash: readers pass over it, the next writer cuts it off and
writes what it should have said, from what the folders and the pin show.
"""

import json
from collections.abc import Iterable, Iterator

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import IntegrityError
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk

__all__ = [
    "FILE",
    "Event",
    "append",
    "last_generation",
    "last_pin",
    "pinned_stack",
    "published",
    "read",
    "read_bytes",
    "repair",
]

FILE = "history.jsonl"
MAX_BYTES = 64 << 20
MAX_LINE = 4096
_GENERATION = b'"generation": '  # in a text the quotes would be escaped


@dataclass(frozen=True, slots=True)
class Event:
    """A change of the store.

    `event` is "publish", "pin", "rollback" or "gc"; `generation` is that of the pin, None for the others;
    `time` is ISO 8601 in UTC; `recovered` says that a later command wrote the line, after a crash.
    """

    time: str
    event: str
    version: str
    digest: str
    generation: int | None
    actor: str
    recovered: bool


def read(store: int, place: str) -> tuple[Event, ...]:
    """Read all whole lines of an open store folder.

    Raises:
        IntegrityError: A line, other than a torn last one, is damaged.
        OSError: The file cannot be read.
    """
    lines = read_bytes(store, place).split(b"\n")[:-1]
    return tuple(_parse(line, f"{place}/{FILE}:{i}") for i, line in enumerate(lines, start=1))


def read_bytes(store: int, place: str) -> bytes:
    """Return all whole lines as they stand; none where there is no history yet. Errors as `read`."""
    data = disk.read_small(store, FILE, MAX_BYTES, place=place) or b""
    return data[: data.rfind(b"\n") + 1]


def last_pin(store: int, place: str) -> Event | None:
    """Return the event of the highest generation of an open store folder; None before the first pin.

    Only its line is parsed: readers ask before they open a version.

    Raises:
        IntegrityError: The line is damaged.
        OSError: The file cannot be read.
    """
    data = read_bytes(store, place)
    found = max(_generations(data), default=None)
    if found is None:
        return None
    start = data.rfind(b"\n", 0, -found[1]) + 1
    number = data.count(b"\n", 0, start) + 1
    return _parse(data[start : data.index(b"\n", start)], f"{place}/{FILE}:{number}")


def _generations(data: bytes) -> Iterator[tuple[int, int]]:
    """Find each generation, and minus where it stands: of equal ones the first counts."""
    at = data.find(_GENERATION)
    while at >= 0:
        start = at + len(_GENERATION)
        stop = start
        while data[stop : stop + 1].isdigit():
            stop += 1
        if 0 < stop - start <= 18 and data[stop : stop + 1] in (b",", b"}"):
            yield int(data[start:stop]), -at
        at = data.find(_GENERATION, stop)


def _parse(line: bytes, place: str) -> Event:
    try:
        value = strict_json.parse(line, place=place, max_bytes=MAX_LINE, error=IntegrityError)
        return codec.decode(Event, value, place=place, error=IntegrityError)
    except IntegrityError as e:
        raise IntegrityError(
            e.rule,
            place=e.place,
            value=e.value,
            cause=e.cause,
            hint="Restore the line from a backup, or remove it.",
        ) from None


def repair(store: int, place: str) -> None:
    """Cut a torn last line off.

    Raises:
        OSError: The file cannot be written.
    """
    data = disk.read_small(store, FILE, MAX_BYTES, place=place) or b""
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        disk.cut(store, FILE, whole)


def append(store: int, events: Iterable[Event]) -> None:
    """Append events, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    text = "".join(json.dumps(codec.encode(e), sort_keys=True, ensure_ascii=True) + "\n" for e in events)
    if text:
        disk.append_synced(store, FILE, text.encode())


def published(events: Iterable[Event]) -> dict[str, str]:
    """Digest of each version that was published and not collected since."""
    present: dict[str, str] = {}
    for event in events:
        if event.event == "publish":
            present[event.version] = event.digest
        elif event.event == "gc":
            present.pop(event.version, None)
    return present


def last_generation(events: Iterable[Event]) -> int:
    """Highest generation so far, 0 before the first pin."""
    return max((e.generation or 0 for e in events), default=0)


def pinned_stack(events: Iterable[Event]) -> list[str]:
    """Versions pinned, the one in force last; a rollback takes off what it rolls back over.

    After pin A, pin B, pin C: A, B, C. After a rollback: A, B; the next one leads to A.
    """
    stack: list[str] = []
    for event in events:
        if event.event == "pin":
            if stack[-1:] != [event.version]:
                stack.append(event.version)
        elif event.event == "rollback":
            if event.version in stack:
                last = len(stack) - 1 - stack[::-1].index(event.version)
                del stack[last + 1 :]
            else:
                stack.append(event.version)
    return stack
