"""Where features stand in rows whose keys come in the same order: then they need not be looked up.

A bot builds its rows the same way every time. Their keys are compared all at once, as one text, and their
values taken by place. That is as fast as looking each up, and calls no method of a key: a key of a class of
its own may do or raise anything when it is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from gradus_runtime.errors import let_signals_through

__all__ = ["BETWEEN", "KeyOrder", "order_of"]

BETWEEN = "\n"
"""Stands between two keys in the text; a key that holds it is looked up."""

Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class KeyOrder:
    """The keys of a row, in order, and where features stand among them.

    Attributes:
        count: Number of keys.
        text: The keys, with `BETWEEN` between them.
        places: For each feature its place among the keys; -1 where it is absent.
        odd: Places whose values were other than floats when they were last read.
    """

    __slots__ = ("count", "odd", "places", "text")

    def __init__(self, count: int, text: str, places: tuple[int, ...]) -> None:
        self.count = count
        self.text = text
        self.places = places
        self.odd: tuple[int, ...] = ()

    def pick(self, width: int) -> Pick | None:
        """Return what takes the first `width` features out of a row's values; None if that is all of them.

        Raises:
            LookupError: One of them is absent.
        """
        wanted = self.places[:width]
        if min(wanted) < 0:
            raise LookupError
        if wanted == tuple(range(self.count)):
            return None
        if width == 1:
            only = wanted[0]
            return lambda values: (values[only],)
        return itemgetter(*wanted)

    def learn(self, row: dict[Any, Any]) -> None:
        """Note which features have values that are no floats."""
        kinds = [issubclass(type(value), float) for value in row.values()]
        odd = {place for place in self.places if place >= 0 and not kinds[place]}
        if not odd <= set(self.odd):
            self.odd = tuple(sorted(odd | set(self.odd)))


def order_of(row: dict[Any, Any], names: Sequence[str]) -> KeyOrder | None:
    """Return the order of a row's keys; None if they are not all text, or hold what stands between two."""
    try:
        text = BETWEEN.join(row)
    except TypeError as e:
        let_signals_through(e)
        return None
    if text.count(BETWEEN) != len(row) - 1:
        return None
    places = {str.__str__(key): place for place, key in enumerate(row)}
    return KeyOrder(len(row), text, tuple(places.get(name, -1) for name in names))
