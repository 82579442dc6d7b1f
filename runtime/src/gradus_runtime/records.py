"""Frozen dataclasses that cost next to nothing to define.

`dataclasses.dataclass` writes and compiles the source of five or six methods for each class, about half a
millisecond of every process that imports it; the runtime has some fifty such classes. The methods here are
written once and look the fields up when they are called. That suits what is made a few times and kept:
manifests, health, reports. What is made for every row stays with `dataclasses`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, FrozenInstanceError, field
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    put, called = object.__setattr__, f"{type(self).__name__}()"
    names = type(self).__match_args__
    if len(values) > len(names):
        raise TypeError(f"{called} takes {len(names)} arguments, but got {len(values)}")
    for name, value in zip(names, values, strict=False):
        put(self, name, value)
    for name in names[len(values) :]:
        field = type(self).__dataclass_fields__[name]
        if name in named:
            put(self, name, named.pop(name))
        elif field.default is not MISSING:
            put(self, name, field.default)
        elif field.default_factory is not MISSING:
            put(self, name, field.default_factory())
        else:
            raise TypeError(f"{called} needs the argument {name!r}")
    for name in named:
        raise TypeError(f"{called} got {name!r} twice" if name in names else f"{called} takes no {name!r}")
    check = getattr(self, "__post_init__", None)
    if check is not None:
        check()


def _values(self: Any) -> list[Any]:
    return [getattr(self, name) for name in type(self).__match_args__]


def _equal(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(tuple(_values(self)))


def _repr(self: Any) -> str:
    fields = type(self).__dataclass_fields__
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields if fields[name].repr)
    return f"{type(self).__qualname__}({shown})"


def _set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(type(self).__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


_METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__getstate__": _values,
    "__setstate__": _set_state,
}


@dataclasses.dataclass(init=False, repr=False, eq=False)
class _Sample:
    """Described, because a class without a description gets its signature, and that takes a millisecond."""

    value: int


_SAMPLE: Any = _Sample
_FIELD = _SAMPLE.__dataclass_fields__["value"]._field_type  # by it `dataclasses.fields` knows a field
_PARAMETERS = _SAMPLE.__dataclass_params__
_PARAMETERS.frozen = True  # dataclasses asks it of a class that inherits

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, eq: bool = True):
        """Make a frozen dataclass with slots, as `dataclasses.dataclass` with the same arguments does."""
        if not (frozen and slots):
            raise TypeError("a record must be frozen and have slots: use dataclasses.dataclass")
        methods = _METHODS | ({"__eq__": _equal, "__hash__": _hash} if eq else {})

        def decorate(cls: type) -> type:
            if cls.__bases__ != (object,):
                raise TypeError(f"a record has no base class, {cls.__name__} has: use dataclasses.dataclass")
            namespace = methods | vars(cls)
            del namespace["__dict__"], namespace["__weakref__"]
            fields = {}
            for name, kind in cls.__annotations__.items():
                default = namespace.pop(name, MISSING)
                fields[name] = made = default if isinstance(default, Field) else field(default=default)
                made.name, made.type, made.kw_only, made._field_type = name, kind, False, _FIELD
            names = tuple(fields)
            namespace |= {
                "__slots__": names,
                "__match_args__": names,
                "__dataclass_fields__": fields,
                "__dataclass_params__": _PARAMETERS,
            }
            # The class is made at once: to set its methods one by one would take as long as to compile them.
            return type(cls.__name__, (), namespace)

        return decorate
