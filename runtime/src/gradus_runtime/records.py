"""Frozen dataclasses that cost next to nothing to define.

`dataclasses.dataclass` writes and compiles the source of five or six methods for each class, about half a
millisecond of every process that imports it; the runtime has some fifty such classes. The methods here are
written once and look the fields up when they are called. That suits what is made a few times and kept:
manifests, health, reports. What is made for every row stays with `dataclasses`.

The module `dataclasses` itself is imported when it is first needed: to raise what it raises, or by whoever
calls its functions, which take a record as one of theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "replace", "types_of"]

_MISSING: Any = object()


class _Field:
    """What a class says of a field: its type, and its default or what makes one."""

    __slots__ = ("default", "factory", "kind", "shown")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, *, shown: bool) -> None:
        self.kind: Any = None
        self.default = default
        self.factory = factory
        self.shown = shown


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    put, called = object.__setattr__, f"{type(self).__name__}()"
    names = type(self).__match_args__
    if len(values) > len(names):
        raise TypeError(f"{called} takes {len(names)} arguments, but got {len(values)}")
    for name, value in zip(names, values, strict=False):
        put(self, name, value)
    for name in names[len(values) :]:
        if name in named:
            put(self, name, named.pop(name))
            continue
        field = type(self).__record__[name]
        if field.factory is not None:
            put(self, name, field.factory())
        elif field.default is not _MISSING:
            put(self, name, field.default)
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
    fields = type(self).__record__
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields if fields[name].shown)
    return f"{type(self).__qualname__}({shown})"


def _set(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(type(self).__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


def _replace(record: Any, /, **changes: Any) -> Any:
    kept = {name: getattr(record, name) for name in type(record).__match_args__}
    return type(record)(**(kept | changes))


_METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__getstate__": _values,
    "__setstate__": _set_state,
    "__replace__": _replace,
}


class _OnDemand:
    """`__dataclass_fields__` and `__dataclass_params__` of a record, made when somebody asks for one."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, record: object, cls: type) -> Any:
        import dataclasses

        fields: list[tuple[str, Any, Any]] = []
        for name, field in vars(cls)["__record__"].items():
            options = {"repr": field.shown}
            if field.factory is not None:
                options["default_factory"] = field.factory
            elif field.default is not _MISSING:
                options["default"] = field.default
            fields.append((name, field.kind, dataclasses.field(**options)))
        described = {"__doc__": cls.__doc__}  # else its signature is looked for, which takes a millisecond
        plain = dataclasses.make_dataclass(
            cls.__name__, fields, namespace=described, init=False, repr=False, eq=False, frozen=True
        )
        for name in _ON_DEMAND:
            setattr(cls, name, vars(plain)[name])
        return vars(plain)[self._name]


_ON_DEMAND = {name: _OnDemand(name) for name in ("__dataclass_fields__", "__dataclass_params__")}

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def field(*, default_factory: Callable[[], Any], repr: bool = True) -> _Field:  # noqa: A002  its name there
        """Say what makes the default of a field, as `dataclasses.field` with the same arguments does."""
        return _Field(_MISSING, default_factory, shown=repr)

    replace = _replace

    def dataclass(*, frozen: bool, slots: bool, eq: bool = True):
        """Make a frozen dataclass with slots, as `dataclasses.dataclass` with the same arguments does."""
        if not (frozen and slots):
            raise TypeError("a record must be frozen and have slots: use dataclasses.dataclass")
        methods = _METHODS | _ON_DEMAND | ({"__eq__": _equal, "__hash__": _hash} if eq else {})

        def decorate(cls: type) -> type:
            if cls.__bases__ != (object,):
                raise TypeError(f"a record has no base class, {cls.__name__} has: use dataclasses.dataclass")
            namespace = methods | vars(cls)
            del namespace["__dict__"], namespace["__weakref__"]
            fields = {}
            for name, kind in cls.__annotations__.items():
                default = namespace.pop(name, _MISSING)
                if type(default).__module__ == "dataclasses":
                    raise TypeError(f"a record's field must be made by records.field, {name} is not")
                fields[name] = default if type(default) is _Field else _Field(default, None, shown=True)
                fields[name].kind = kind
            names = tuple(fields)
            namespace |= {"__slots__": names, "__match_args__": names, "__record__": fields}
            # The class is made at once: to set its methods one by one would take as long as to compile them.
            return type(cls.__name__, (), namespace)

        return decorate


def types_of(cls: type) -> Mapping[str, Any] | None:
    """Return the types of the fields of a record or a dataclass by name, as written; None of others."""
    fields = vars(cls).get("__record__")
    if fields is not None:
        return {name: field.kind for name, field in fields.items()}
    dataclasses = sys.modules.get("dataclasses")  # who made a dataclass has imported it
    if dataclasses is None or not dataclasses.is_dataclass(cls):
        return None
    return {field.name: field.type for field in dataclasses.fields(cls)}
