"""Texts of people that go into files of bounded size, a line each: who acted, what a build says of itself."""

from __future__ import annotations

from gradus_runtime.errors import UsageError

__all__ = ["MAX_BYTES", "MAX_CHARACTERS", "check_text", "shown"]

_WIDE_SPACE = "\u3000"  # between the parts of a Japanese name
MAX_CHARACTERS = 200
MAX_BYTES = 800
"""In UTF-8: as many as 200 characters can take."""


def check_text(text: str, what: str, *, place: str | None = None, hint: str | None = None) -> str:
    """Return a text if it may stand in a line of a file; refuse it before anything is written.

    Line breaks, escape codes and marks that turn text around are not printable: a line of the history shows
    what it says.

    Args:
        text: From a person or a program.
        what: What it is, for the error: "an actor".
        place: Where it came from, for the error.
        hint: The way out, for the error.

    Raises:
        UsageError: It is empty, too long, or not printable.
    """
    rule = (
        f"{what} must be a text of 1 to {MAX_CHARACTERS} printable characters, "
        f"at most {MAX_BYTES} bytes of UTF-8"
    )
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_CHARACTERS or not _printable(text):
        raise UsageError(rule, place=place, value=text, hint=hint)
    return text


def _printable(text: str) -> bool:
    return text.replace(_WIDE_SPACE, " ").isprintable()


def shown(text: str) -> str:
    """Return a text with what is not printable escaped, so that it stays on its line of a terminal."""
    if _printable(text):
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )
