"""Errors of gradus as JSON values, and back: of the same class, with the same text."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from gradus_runtime.errors import EnvironmentFailedError, GradusError

__all__ = ["described", "rebuilt"]

_PACKAGES = ("gradus_convert.", "gradus_runtime.")


class _Shown:
    """A value of which only its text crossed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def described(error: GradusError) -> dict[str, Any]:
    """Return an error as a JSON value."""
    plain = GradusError("", value=error.value)
    shown = None if error.value is None else str(plain).removeprefix(", but got ")
    kind = type(error)
    return {
        "class": [kind.__module__, kind.__qualname__],
        "rule": error.rule,
        "place": error.place,
        "value": shown,
        "cause": error.cause,
        "hint": error.hint,
    }


def rebuilt(value: Mapping[str, Any]) -> GradusError:
    """Return the error that a JSON value describes; one of the machine where its class is not of gradus."""
    module, name = value["class"]
    kind: Any = None
    if str(module).startswith(_PACKAGES):
        kind = getattr(import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, GradusError)):
        kind = EnvironmentFailedError
    shown = None if value["value"] is None else _Shown(str(value["value"]))
    error: GradusError = kind(
        value["rule"], place=value["place"], value=shown, cause=value["cause"], hint=value["hint"]
    )
    return error
