"""Names used in files and as file names: artifacts, versions, features, levels, and the files of a version.

Everything that becomes a file name is flat, ASCII, and matched in full against a short pattern, so that no
name can leave its folder, hide, clash by case, or mean a device.
"""

from __future__ import annotations

import re
from datetime import date
from functools import total_ordering

from gradus_runtime.errors import GradusError, UsageError, let_signals_through
from gradus_runtime.records import dataclass

__all__ = [
    "BUILD",
    "CANDLES",
    "CARD",
    "FALLBACK",
    "FEATURES",
    "GOLDEN",
    "MANIFEST",
    "REPORT",
    "SEAL",
    "Version",
    "is_artifact_name",
    "is_file_name",
    "is_identifier",
    "is_sha256",
    "level_file",
    "parse_version",
]

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
BUILD = "build.json"
GOLDEN = "golden.npz"
FEATURES = "features.onnx"
CANDLES = "candles.npz"
CARD = "card.md"
REPORT = "report.html"

FALLBACK = "fallback"
"""What stands for the level of a row that no level served."""

_HEX = frozenset("0123456789abcdef")
_ARTIFACT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_GRAPH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\.onnx")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(10))]
)
_VERSION = re.compile(
    r"(2[0-9]{3})\.([1-9]|1[0-2])\.([1-9]|[12][0-9]|3[01])"
    r"(?:rc(0|[1-9][0-9]{0,5}))?(?:\.post(0|[1-9][0-9]{0,5}))?"
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A PEP 440 calendar version in its normal form: `2026.11.21`, `2026.11.21rc1`, `2026.11.21.post2`.

    Ordered as PEP 440 orders: a candidate stands before its release, a post-release after.
    """

    text: str
    day: date
    candidate: int | None
    post: int | None

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[date, bool, int, int]:
        return (
            self.day,
            self.candidate is None,
            self.candidate or 0,
            -1 if self.post is None else self.post,
        )


def parse_version(text: str, *, place: str = "version", error: type[GradusError] = UsageError) -> Version:
    """Read a version, or refuse it.

    Raises:
        GradusError: Of type `error`: not a calendar version in normal form, or no such day.
    """
    match = _VERSION.fullmatch(text)
    if match:
        year, month, day, candidate, post = match.groups()
        try:
            when = date(int(year), int(month), int(day))
        except ValueError as e:
            let_signals_through(e)
            match = None
        else:
            return Version(text, when, int(candidate) if candidate else None, int(post) if post else None)
    raise error(
        "a version must be a calendar version YEAR.MONTH.DAY, with rcN or .postN after it if need be",
        place=place,
        value=text,
        hint="Without leading zeros, for example 2026.11.21 or 2026.11.21.post1.",
    )


def is_artifact_name(text: str) -> bool:
    """Whether a text may name an artifact: lower-case words joined by single hyphens, at most 64."""
    return len(text) <= 64 and bool(_ARTIFACT.fullmatch(text))


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hexadecimal."""
    return len(text) == 64 and _HEX.issuperset(text)


def is_identifier(text: str) -> bool:
    """Whether a text may name a feature, group, level, member or alias."""
    return bool(_IDENTIFIER.fullmatch(text))


def level_file(level: str) -> str:
    """File name of a level's graph."""
    return f"{level}.onnx"


def is_file_name(text: str) -> bool:
    """Whether a manifest may list a file of this name: a graph, golden rows or candles, card or report."""
    if text in (GOLDEN, CANDLES, CARD, REPORT):
        return True
    return bool(_GRAPH.fullmatch(text)) and text.removesuffix(".onnx").lower() not in _DEVICES
