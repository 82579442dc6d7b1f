"""Frozen dataclasses to JSON values and back, strictly: the types are the contract.

A field is `str`, `int`, `float`, `bool`, a dataclass, `tuple[T, ...]`, `Mapping[str, T]`, or `T | None`.
Every key must be present and known. An int is accepted where a float is due; nothing else is converted.

The classes of a manifest, a pin and an event of a store stand in modules without `from __future__ import
annotations`: their annotations are types, not text that every process which opens an artifact would have to
compile.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from gradus_runtime.errors import GradusError, ManifestError
from gradus_runtime.records import types_of

__all__ = ["check_keys", "decode", "encode", "type_hints"]

T = TypeVar("T")
_SCALARS = (str, int, float, bool, type(None))


def encode(value: Any) -> Any:
    """Return the JSON value of a dataclass (or of anything that one may hold)."""
    kind: Any = type(value)
    if kind in _SCALARS:
        return value
    fields = _fields(kind)
    if fields is not None:
        return {name: encode(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [item if type(item) in _SCALARS else encode(item) for item in value]
    return value


@functools.cache
def _fields(kind: Any) -> tuple[str, ...] | None:
    written = types_of(kind) if isinstance(kind, type) else None
    return None if written is None else tuple(written)


def decode(cls: type[T], value: Any, *, place: str, error: type[GradusError] = ManifestError) -> T:
    """Build a dataclass from a parsed JSON value, or refuse.

    Args:
        cls: A frozen dataclass.
        value: As `strict_json.parse` returns it.
        place: How errors name the value.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`; the message names the key path, the rule and the value.
    """
    result: T = _decode(cls, value, place, error)
    return result


@functools.cache
def type_hints(cls: type) -> dict[str, Any]:
    """Resolved annotations of a dataclass, field by field."""
    written = types_of(cls) or {}
    return get_type_hints(cls) if any(isinstance(kind, str) for kind in written.values()) else dict(written)


def _decode(kind: Any, value: Any, place: str, error: type[GradusError]) -> Any:
    fields = _fields(kind)
    if fields is not None:
        return _dataclass(kind, fields, value, place, error)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (inner,) = [a for a in get_args(kind) if a is not type(None)]
        return _decode(inner, value, place, error)
    if origin is tuple:
        if not isinstance(value, list):
            raise error("a list is needed", place=place, value=value)
        inner = get_args(kind)[0]
        plain = inner in _SCALARS and all(type(item) is inner for item in value)
        if plain and (inner is not float or all(map(math.isfinite, value))):
            return tuple(value)  # what most of a manifest is
        return tuple(_decode(inner, item, f"{place}[{i}]", error) for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise error("an object is needed", place=place, value=value)
        inner = get_args(kind)[1]
        return {key: _decode(inner, item, f"{place}.{key}", error) for key, item in value.items()}
    return _scalar(kind, value, place, error)


def _scalar(kind: Any, value: Any, place: str, error: type[GradusError]) -> Any:
    if kind is float and type(value) in (int, float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    elif type(value) is kind:
        return value
    names = {str: "text", int: "an integer", float: "a finite number", bool: "true or false"}
    raise error(f"{names[kind]} is needed", place=place, value=value)


def check_keys(
    value: Any, required: Iterable[str], known: Collection[str], place: str, error: type[GradusError]
) -> dict[str, Any]:
    """Return a JSON object with all keys that it must have, and none that is not known.

    Args:
        value: As `strict_json.parse` returns it.
        required: Keys that must be present; the first one that is missing is named.
        known: Keys that may be present, those that must be among them.
        place: How errors name the value.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`.
    """
    if not isinstance(value, dict):
        raise error("an object is needed", place=place, value=value)
    for key in required:
        if key not in value:
            raise error(f"key {key!r} must be present", place=place)
    for key in value:
        if key not in known:
            hint = f"Known: {', '.join(sorted(known))}."
            raise error("a key must be known", place=place, value=key, hint=hint)
    return value


def _dataclass(kind: Any, fields: tuple[str, ...], value: Any, place: str, error: type[GradusError]) -> Any:
    hints = type_hints(kind)
    check_keys(value, fields, hints, place, error)
    return kind(**{key: _decode(hints[key], value[key], f"{place}.{key}", error) for key in fields})
