"""Names that files and columns have, as an artifact can have them."""

from __future__ import annotations

import re

__all__ = ["identifier"]

_OTHER = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST = 128


def identifier(text: str) -> str:
    """Return a name with `_` for what an identifier cannot hold; an identifier stays as it is."""
    name = _OTHER.sub("_", text)
    return (name if name[:1].isalpha() or name[:1] == "_" else f"_{name}")[:_LONGEST]
