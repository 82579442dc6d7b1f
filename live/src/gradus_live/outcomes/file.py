"""`outcomes.jsonl`: a line for each decision whose outcome is known; written whole by rename."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import DataError
from gradus_runtime.store.whole_file import write_whole

__all__ = ["FORMAT", "OutcomeLine", "merge_outcomes", "read_outcomes", "write_outcomes"]

FORMAT = "outcome/1"
_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """A decision and what came of it.

    Attributes:
        id: Of the decision.
        decided: When, ISO 8601 in UTC.
        bar: Opening of its bar, milliseconds since 1970 UTC.
        bar_ms: Length of a bar, ms.
        artifact: Name of the artifact.
        version: Of the artifact.
        digest: Of this version.
        level: That served.
        action: What was answered.
        call: The class of the largest probability; None for the fallback.
        bits: The probabilities, as the journal has them.
        classes: Names of the classes.
        side: Of the action: 1 long, -1 short, 0 neither; None where no class means up or down.
        label: The class that came; None where it never will be known: candles are missing in its reach.
        long: Log return of a long trade over the label's reach, before costs; None where unknown.
        short: Of a short trade.
        long_bars: Bars until the long trade was closed; 0 where unknown.
        short_bars: Of the short trade.
        net: Log return of a trade for the action's side, alone, after costs; None without a side or costs.
    """

    id: str
    decided: str
    bar: int
    bar_ms: int
    artifact: str
    version: str
    digest: str
    level: str
    action: str
    call: str | None
    bits: str
    classes: tuple[str, ...]
    side: int | None
    label: str | None
    long: float | None
    short: float | None
    long_bars: int
    short_bars: int
    net: float | None


def read_outcomes(path: Path) -> tuple[OutcomeLine, ...]:
    """Read outcomes; none where there is no file yet.

    Raises:
        DataError: The file cannot be read, or a line breaks the format.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as e:
        raise DataError("outcomes must be readable", place=str(path), cause=e.strerror) from None
    return tuple(_parse(line, f"{path}:{i}") for i, line in enumerate(data.splitlines(), start=1))


def _parse(line: bytes, place: str) -> OutcomeLine:
    value = strict_json.parse(line, place=place, max_bytes=_MOST, error=DataError)
    if not isinstance(value, dict) or value.pop("gradus", None) != FORMAT:
        raise DataError(
            f"a line must be {FORMAT}", place=place, hint="Write the file again: gradus outcomes."
        )
    return codec.decode(OutcomeLine, value, place=place, error=DataError)


def merge_outcomes(old: Iterable[OutcomeLine], new: Iterable[OutcomeLine]) -> tuple[OutcomeLine, ...]:
    """Return all outcomes in order of bar and id; a new one replaces an old one unless it knows less."""
    found = {line.id: line for line in old}
    for line in new:
        before = found.get(line.id)
        if before is None or line.label is not None or before.label is None:
            found[line.id] = line
    return tuple(sorted(found.values(), key=lambda line: (line.bar, line.decided, line.id)))


def write_outcomes(path: Path, lines: Iterable[OutcomeLine]) -> None:
    """Write outcomes, whole by rename.

    Raises:
        EnvironmentFailedError: The file cannot be written; the old one is as it was.
    """
    text = "".join(
        json.dumps({"gradus": FORMAT, **codec.encode(line)}, separators=(",", ":")) + "\n" for line in lines
    )
    write_whole(path, text.encode("ascii"))
