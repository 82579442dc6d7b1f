"""`pin.json`: which version is served. Replaced whole; its generation only rises."""

from gradus_runtime.contracts import codec, names, strict_json
from gradus_runtime.errors import IntegrityError
from gradus_runtime.records import dataclass
from gradus_runtime.store import disk

__all__ = ["FILE", "FORMAT", "Pin", "read", "to_bytes"]

FILE = "pin.json"
FORMAT = "gradus-pin/1"
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Pin:
    """The version to serve.

    `generation` counts pins and rollbacks from 1; `digest` is the SHA-256 that the version must have; `event`
    is "pin" or "rollback"; `time` is ISO 8601 in UTC; `actor` is who did it.
    """

    format: str
    generation: int
    version: str
    digest: str
    event: str
    time: str
    actor: str


def to_bytes(pin: Pin) -> bytes:
    """Return the bytes of `pin.json`."""
    return strict_json.canonical_bytes(codec.encode(pin))


def read(store: int, place: str) -> Pin | None:
    """Read the pin of an open store folder; None where nothing was pinned yet.

    Raises:
        IntegrityError: It is damaged, or no plain file.
        OSError: It cannot be read.
    """
    data = disk.read_small(store, FILE, MAX_BYTES, place=place)
    if data is None:
        return None
    where = f"{place}/{FILE}"
    try:
        pin = codec.decode(
            Pin, strict_json.parse(data, place=where, error=IntegrityError), place=where, error=IntegrityError
        )
        names.parse_version(pin.version, place=where, error=IntegrityError)
        well = (
            pin.format == FORMAT
            and pin.generation >= 1
            and names.is_sha256(pin.digest)
            and pin.event in ("pin", "rollback")
            and to_bytes(pin) == data
        )
    except IntegrityError as e:
        raise IntegrityError(
            e.rule,
            place=e.place,
            value=e.value,
            cause=e.cause,
            hint="Pin a version again: gradus pin VERSION.",
        ) from None
    if not well:
        raise IntegrityError(
            "a pin must be as gradus wrote it", place=where, hint="Pin a version again: gradus pin VERSION."
        )
    return pin
