"""Names that are a feature's but for how they are written, and what is said of a row that has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

__all__ = ["near_names", "said_of_near_names"]

_LONGEST = 200
_MOST_SAID = 3


def near_names(given: Iterable[str], missing: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return names that were given, each with the feature that it is but for capitals and signs.

    Args:
        given: Names that are no feature's.
        missing: Features that were not given.
    """
    folded = {_folded(name): name for name in missing}
    pairs = ((name, folded.get(_folded(name))) for name in given if len(name) <= _LONGEST)
    return tuple((name, feature) for name, feature in pairs if feature is not None)


def said_of_near_names(given: Iterable[str], missing: Collection[str]) -> tuple[str, ...]:
    """Return the reasons that a row gets for such names; arguments as for `near_names`."""
    near = near_names(given, missing)
    said = [
        f"the row has {name}, which is not the feature {feature}: names must be the same to the letter"
        for name, feature in near[:_MOST_SAID]
    ]
    if len(near) > _MOST_SAID:
        said.append(f"the row has {len(near) - _MOST_SAID} more such names")
    return tuple(said)


def _folded(name: str) -> str:
    """A name without what people write in different ways: capitals, blanks, dashes, underscores."""
    return "".join(filter(str.isalnum, name.casefold()))
