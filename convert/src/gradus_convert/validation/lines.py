"""Where in a JSON text a value stands, so that an annotation can point at its line."""

from __future__ import annotations

from collections.abc import Sequence
from json import JSONDecoder

__all__ = ["line_of"]

_BLANK = " \t\r\n"


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the line, from 1, of the value at a key path; of the nearest container if it is not there.

    Args:
        text: A valid JSON text.
        path: Keys and indices from the top.
    """
    at = _skip(text, 0)
    for step in path:
        found = _member(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _member(text: str, at: int, step: str | int) -> int | None:
    """Position of a member's value in the container that starts at `at`."""
    if text[at] != ("[" if isinstance(step, int) else "{"):
        return None
    decoder = JSONDecoder()
    at = _skip(text, at + 1)
    index = 0
    while text[at] not in "]}":
        key: str | int = index
        if isinstance(step, str):
            key, at = decoder.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == step:
            return at
        _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
        index += 1
    return None
