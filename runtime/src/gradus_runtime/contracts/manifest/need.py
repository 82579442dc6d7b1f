"""How the rules of a manifest refuse."""

from __future__ import annotations

from collections.abc import Iterable

from gradus_runtime.contracts import names
from gradus_runtime.errors import ManifestError

__all__ = ["Need"]


class Need:
    """Raises a `ManifestError` for a rule that does not hold, at a key path below `place`."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __call__(self, holds: bool, rule: str, path: str, value: object, hint: str | None = None) -> None:
        """Raise unless `holds`."""
        if not holds:
            raise ManifestError(rule, place=f"{self.place}.{path}", value=value, hint=hint)

    def unique(self, items: Iterable[str], what: str, path: str) -> None:
        """Raise where an item occurs twice."""
        seen: set[str] = set()
        for item in items:
            self(item not in seen, f"{what} must occur once", path, item)
            seen.add(item)

    def identifier(self, text: str, path: str) -> None:
        """Raise unless `text` is a name."""
        rule = "a name must start with a letter or _ and hold letters, digits, _ . - only, at most 128"
        self(names.is_identifier(text), rule, path, text)

    def text(self, text: str, path: str, limit: int = 128) -> None:
        """Raise unless `text` is printable and short enough."""
        rule = f"a text must be printable and have 1 to {limit} characters"
        self(0 < len(text) <= limit and text.isprintable(), rule, path, text)
