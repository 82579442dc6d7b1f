"""The lines of a journal: `gradus` says the kind and its version; every key is always present.

A new version of a kind gets a new name ("decision/2") and a class of its own here; readers keep the old one.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.contracts import codec
from gradus_runtime.contracts.names import is_sha256
from gradus_runtime.errors import DataError, let_signals_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DECISION",
    "EVENT",
    "NO_BIN",
    "DecisionLine",
    "EventLine",
    "bits_of",
    "encode_line",
    "iso_moment",
    "pack_row",
    "parse_value",
]

DECISION = "decision/1"
EVENT = "event/1"
NO_BIN = 255
"""In `bins`: the value was missing."""

_SINCE = {"held": None, "cutoff": None}
"""Keys that the first lines of this kind did not have."""
_BITS = re.compile(r"(?:[0-9a-f]{8}){1,1000}")
_EVENTS = ("opened", "version", "health", "lost", "closed")


def iso_moment(seconds: float) -> str:
    """Return a moment, seconds since 1970 UTC, as ISO 8601 text with microseconds.

    >>> iso_moment(0.5)
    '1970-01-01T00:00:00.500000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def bits_of(probabilities: Sequence[float]) -> str:
    """Return probabilities as the hexadecimal digits of their 32 bits, 8 a class.

    >>> bits_of([0.25, 0.75])
    '3e8000003f400000'
    """
    return struct.pack(f">{len(probabilities)}f", *probabilities).hex()


def pack_row(values: Sequence[float]) -> bytes:
    """Return the full vector as float32 bytes, little-endian; NaN where a value was missing."""
    return struct.pack(f"<{len(values)}f", *values)


@dataclass(frozen=True)
class DecisionLine:
    """A decision, as its line tells it.

    Attributes:
        id: As `Decision.id`; unique among all processes.
        decided: When, ISO 8601 in UTC.
        bar: The bar it was made for: its opening, ISO 8601 in UTC; None where the caller did not say.
        artifact: Name of the artifact.
        version: Of the artifact.
        digest: Of this version.
        level: The level that served, or "fallback".
        action: A class, or the fallback action.
        call: The class of the largest probability; None for the fallback.
        held: As `Decision.held`.
        bits: The probabilities, in the order of the classes, as `bits_of` writes them.
        threshold: The confidence threshold that held; None where weak calls were not held and the policy was
            not asked.
        cutoff: The score that the row had to be above, where the policy's threshold moves; else None.
        reasons: As `Decision.reasons`.
        fill: What the caller had missing features filled with; None where nothing.
        took: Microseconds that the answer took, without this line.
        row: The row, as `pack_row` writes it, in base64; features that the caller declared unavailable are
            NaN. None where the journal holds digests only.
        row_sha256: SHA-256 of the row's bytes.
        bins: In place of the row: for each feature the bin of the manifest's histogram that its value is in,
            a byte each, in base64, for the count of drift. `NO_BIN` where a value was missing.
    """

    id: str
    decided: str
    bar: str | None
    artifact: str
    version: str
    digest: str
    level: str
    action: str
    call: str | None
    held: str | None
    bits: str
    threshold: float | None
    cutoff: float | None
    reasons: tuple[str, ...]
    fill: Mapping[str, float] | None
    took: int
    row: str | None
    row_sha256: str | None
    bins: str | None

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """The probabilities, float32 [C]."""
        return np.frombuffer(bytes.fromhex(self.bits), ">f4").astype(np.float32)

    @cached_property
    def values(self) -> NDArray[np.float32] | None:
        """The row, float32 [F]; None where the line does not hold it."""
        if self.row is None:
            return None
        return np.frombuffer(base64.b64decode(self.row), "<f4").astype(np.float32)

    @cached_property
    def decided_at(self) -> float:
        """`decided`, in seconds since 1970 UTC."""
        return datetime.fromisoformat(self.decided).timestamp()

    @cached_property
    def bar_ms(self) -> int | None:
        """`bar`, in milliseconds since 1970 UTC."""
        return None if self.bar is None else round(datetime.fromisoformat(self.bar).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class EventLine:
    """Something else that a process said.

    Attributes:
        id: Unique among all processes.
        decided: When, ISO 8601 in UTC.
        event: "opened": a process began to serve; "version": it serves another version; "health": its health
            is another; "lost": lines could not be written before this one; "closed".
        artifact: Name of the artifact.
        version: The version that serves.
        digest: Of this version.
        generation: Of the pin; None without a store.
        status: "ok", "degraded" or "failed".
        problems: What is wrong, a text each.
        kernels: What the native kernel does at the levels where there is one, as in `LevelHealth`.
        provider: What runs the graphs, "cpu" or "cuda".
        expires: When the version will be too old, ISO 8601 in UTC; None for never.
        lost: How many decisions have no line since the last line of the same process.
        pid: Of the process.
    """

    id: str
    decided: str
    event: str
    artifact: str
    version: str
    digest: str
    generation: int | None
    status: str
    problems: tuple[str, ...]
    kernels: Mapping[str, str]
    provider: str
    expires: str | None
    lost: int
    pid: int


def encode_line(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return a line: one JSON object in ASCII and a newline."""
    text = json.dumps({"gradus": kind, **fields}, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def parse_value(value: Mapping[str, Any], place: str) -> DecisionLine | EventLine:
    """Read the JSON value of a line whose `gradus` is one of ours.

    Raises:
        DataError: A key or a value breaks the format.
    """
    kind = value.get("gradus")
    body = {key: item for key, item in value.items() if key != "gradus"}
    if kind == EVENT:
        body.setdefault("kernels", {})  # lines of before there were kernels
        body.setdefault("provider", "cpu")  # and of before there were others
        event = codec.decode(EventLine, body, place=place, error=DataError)
        _moment(event.decided, f"{place}.decided")
        if event.event not in _EVENTS:
            raise DataError("an event must be known", place=place, value=event.event)
        return event
    if kind != DECISION:
        raise DataError(
            f"a line must be {DECISION} or {EVENT}",
            place=place,
            value=kind,
            hint="A newer gradus-runtime may read it.",
        )
    line = codec.decode(DecisionLine, {**_SINCE, **body}, place=place, error=DataError)
    _check(line, place)
    return line


def _check(line: DecisionLine, place: str) -> None:
    _moment(line.decided, f"{place}.decided")
    if line.bar is not None:
        _moment(line.bar, f"{place}.bar")
    if not _BITS.fullmatch(line.bits):
        raise DataError("bits must be 8 hexadecimal digits a class", place=f"{place}.bits", value=line.bits)
    if not is_sha256(line.digest):
        raise DataError("a digest must be a SHA-256", place=f"{place}.digest", value=line.digest)
    for name, text, unit in (("row", line.row, 4), ("bins", line.bins, 1)):
        if text is None:
            continue
        try:
            size = len(base64.b64decode(text, validate=True))
        except ValueError as e:
            let_signals_through(e)
            size = -1
        if size <= 0 or size % unit:
            raise DataError(f"{name} must be base64 of {unit} bytes a feature", place=place, value=text)


def _moment(text: str, place: str) -> None:
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError
    except ValueError:
        raise DataError("a moment must be ISO 8601 in UTC", place=place, value=text) from None
