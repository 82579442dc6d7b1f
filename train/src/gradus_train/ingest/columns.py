"""Which column means what: names are compared without case, blanks and punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradus_runtime.errors import DataError

__all__ = ["ALIASES", "DATE_ALIASES", "find_column", "fold", "is_simulated_name"]

ALIASES: dict[str, tuple[str, ...]] = {
    "timestamp": ("time", "date", "datetime", "opentime", "candletime", "ts"),
    "open": ("o", "openprice"),
    "high": ("h", "highprice", "max"),
    "low": ("l", "lowprice", "min"),
    "close": ("c", "closeprice", "last"),
    "volume": ("v", "vol", "basevolume"),
}
CLOSE_STAMP_ALIASES = ("closetime", *ALIASES["timestamp"])
DATE_ALIASES = ("day", "timestamp", "time", "datetime")


def find_column(columns: Sequence[str], meaning: str, aliases: Sequence[str], place: str) -> str:
    """Return the one column with this meaning: by its own name, else by an alias.

    Raises:
        DataError: None, or several that only an alias names.
    """
    folded: dict[str, list[str]] = {}
    for column in columns:
        folded.setdefault(fold(column), []).append(column)
    found = folded.get(fold(meaning), [])
    if not found:
        found = [c for alias in aliases for c in folded.get(alias, [])]
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(
            f"a column {meaning!r} must be present",
            place=place,
            value=", ".join(columns),
            hint=f"The first line names the columns; it may also be called {', '.join(aliases) or meaning}.",
        )
    raise DataError(
        f"one column must be {meaning!r}",
        place=place,
        value=", ".join(found),
        hint="Rename or remove the others.",
    )


def is_simulated_name(column: str) -> bool:
    """Tell whether this is the column that marks simulated data."""
    return fold(column) == "simulated"


def fold(name: str) -> str:
    """Return a name without case, blanks and punctuation, as names are compared."""
    return re.sub(r"[\W_]+", "", name.lower())
