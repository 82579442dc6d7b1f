"""Names used in files and as file names: artifacts, versions, features, levels, and the files of a version.

Everything that becomes a file name is flat, ASCII, and matched in full against a short pattern, so that no
name can leave its folder, hide, clash by case, or mean a device.
"""

from __future__ import annotations

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
    "LEARNED",
    "MANIFEST",
    "REPORT",
    "SEAL",
    "Version",
    "is_artifact_name",
    "is_file_name",
    "is_hexadecimal",
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

LEARNED = "learned"
"""How a group of features may be missing: rows may lack it; models have learnt from rows without it."""

# Sets, and no regular expressions: to compile these would take half a millisecond of every process.
_HEX = frozenset("0123456789abcdef")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _FIRST | frozenset("0123456789.-")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(10))]
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
    try:
        return _version(text)
    except ValueError as e:
        let_signals_through(e)
    raise error(
        "a version must be a calendar version YEAR.MONTH.DAY, with rcN or .postN after it if need be",
        place=place,
        value=text,
        hint="Without leading zeros, for example 2026.11.21 or 2026.11.21.post1.",
    )


def _version(text: str) -> Version:
    before, *post = text.split(".post")
    days, *candidate = before.split("rc")
    if len(post) > 1 or len(candidate) > 1:
        raise ValueError
    year, month, day = (_whole(part) for part in days.split("."))
    if not 2000 <= year <= 2999:
        raise ValueError
    first, again = (_whole(part[0]) if part else None for part in (candidate, post))
    return Version(text, date(year, month, day), first, again)


def _whole(text: str) -> int:
    if not 0 < len(text) <= 6 or not text.isdecimal() or str(int(text)) != text:
        raise ValueError
    return int(text)


def is_artifact_name(text: str) -> bool:
    """Whether a text may name an artifact: lower-case words joined by single hyphens, at most 64."""
    return len(text) <= 64 and all(word and _WORD.issuperset(word) for word in text.split("-"))


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hexadecimal."""
    return len(text) == 64 and is_hexadecimal(text)


def is_hexadecimal(text: str) -> bool:
    """Whether a text is lower-case hexadecimal digits and nothing else."""
    return _HEX.issuperset(text)


def is_identifier(text: str) -> bool:
    """Whether a text may name a feature, group, level, member or alias."""
    return 0 < len(text) <= 128 and text[0] in _FIRST and _NAME.issuperset(text)


def level_file(level: str) -> str:
    """File name of a level's graph."""
    return f"{level}.onnx"


def is_file_name(text: str) -> bool:
    """Whether a manifest may list a file of this name: a graph, golden rows or candles, card or report."""
    if text in (GOLDEN, CANDLES, CARD, REPORT):
        return True
    stem = text.removesuffix(".onnx")
    plain = len(stem) <= 64 and is_identifier(stem) and "." not in stem
    return stem != text and plain and stem.lower() not in _DEVICES
