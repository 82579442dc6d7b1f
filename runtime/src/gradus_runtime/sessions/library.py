"""onnxruntime, as this package imports it: its telemetry is off by then, and its errors have names here."""

from __future__ import annotations

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from gradus_runtime.errors import GradusError

__all__ = ["FAILURES", "FAULTS", "REFUSALS", "ort", "release_of"]

REFUSALS: tuple[type[Exception], ...] = tuple(
    value
    for value in vars(_state).values()
    if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == _state.__name__
)
"""onnxruntime's own exception classes: one for each status code but success."""

FAILURES: tuple[type[Exception], ...] = (*REFUSALS, MemoryError)
"""What a session that served a row a moment ago may raise."""

FAULTS: tuple[type[Exception], ...] = (*FAILURES, GradusError)
"""What opening and proving a session may raise, the reading of its file included."""


def release_of(version: str = ort.__version__) -> tuple[int, ...]:
    """Return the numbers of a version, four of them."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:  # 0rc1 and the like end it
            break
    return tuple((*numbers, 0, 0, 0, 0)[:4])
