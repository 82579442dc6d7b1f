"""Counts in words: "1 row", "2,000 rows"."""

from __future__ import annotations

__all__ = ["counted", "plural"]


def plural(count: float, one: str, many: str = "") -> str:
    """Return the word that stands after a count.

    Args:
        count: Of anything.
        one: For a single one; may hold more words, as "row is".
        many: For any other count, also 0; an s more than `one` by default.

    >>> plural(3, "row is", "rows are")
    'rows are'
    """
    return one if count == 1 else many or f"{one}s"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count, thousands apart, with its word; the arguments are those of `plural`.

    >>> [counted(n, "row") for n in (0, 1, 2_000)]
    ['0 rows', '1 row', '2,000 rows']
    """
    return f"{count:,} {plural(count, one, many)}"
