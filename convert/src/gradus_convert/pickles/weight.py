"""The weight of a pickle: what it holds, where a part that is named twice counts twice; and its bound.

A pickle names a part again by two bytes. A list that names one list twice, thirty times over, is a kilobyte
that no walk ends in; one tree named a million times is a megabyte that grows into a million trees. What is
rebuilt later walks such values, so their weight is bounded once, here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradus_convert.pickles.inert import Inert, UnsafePickleError

__all__ = ["check_weight", "weigh"]

TIMES, SLACK = 16, 16 << 20
"""Models share little: a file may weigh `TIMES` its size, and `SLACK` more."""
_NODE = 8
_LONG_TEXT = 64
"""Texts up to here count as one node: the names of attributes are shared by all objects of a class."""


def check_weight(root: Any, size: int, place: str) -> None:
    """Refuse what weighs far more than its file.

    Args:
        root: As the machine read it.
        size: Bytes of the file, decompressed.
        place: How errors name it.

    Raises:
        UnsafePickleError: It does.
    """
    found = weigh(root)
    if found > TIMES * size + SLACK:
        raise UnsafePickleError(
            f"a file of {size} bytes must not name its parts again and again, to {TIMES} times as much",
            place=place,
            value=found,
        )


def weigh(root: Any) -> int:
    """Return the bytes of a value, where a part that is named twice counts twice.

    Each part is looked at once, whatever the weight, and a cycle ends: time is linear in what is there.
    """
    known: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(root, False)]
    while waiting:
        value, seen = waiting.pop()
        key = id(value)
        if seen:
            known[key] = _own(value) + sum(known.get(id(part), _NODE) for part in _parts(value))
        elif key not in known:
            known[key] = _NODE  # until it is done: so a cycle ends
            waiting.append((value, True))
            waiting.extend((part, False) for part in _parts(value) if id(part) not in known)
    return known[id(root)]


def _own(value: Any) -> int:
    if isinstance(value, str | bytes | bytearray):
        return _NODE if isinstance(value, str) and len(value) <= _LONG_TEXT else _NODE + len(value)
    if isinstance(value, np.ndarray):
        return _NODE + int(value.nbytes)
    return _NODE


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, Inert):
        return (value.args, value.state, value.entries)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return value.ravel().tolist()
    return ()
