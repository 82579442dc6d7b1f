"""How a Predictor was told to serve."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from gradus_runtime.contracts.manifest import VERDICTS
from gradus_runtime.errors import UsageError
from gradus_runtime.records import dataclass
from gradus_runtime.routing.request import checked_threshold
from gradus_runtime.rows.values import read_number
from gradus_runtime.sessions.kernels import KERNELS
from gradus_runtime.sessions.level_session import DEFAULT_MEMORY_BUDGET
from gradus_runtime.sessions.providers import CPU, PROVIDERS

__all__ = ["Settings", "check_arguments"]

GUARDS = ("step_down", "warn", "off")
MAX_THREADS = 1024
MAX_BYTES = 1 << 50
MAX_S = 1e12
MAX_DAYS = 1_000_000.0
"""Beyond that the day of expiry has no date (Python's dates end with the year 9999)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `Predictor.open` that hold for every version it serves; described there.

    Whole floats, as TOML and YAML files have them, become integers.

    Raises:
        UsageError: An argument is out of range, or of another type.
    """

    preload: bool = False
    threads: int = 1
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    confidence_threshold: float | None = None
    max_age_days: float | None = None
    release_after: float | None = 600.0
    drift: bool = True
    strict: bool = False
    require: str | None = None
    guard: str = "step_down"
    kernels: str = "auto"
    provider: str = CPU

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "preload", _truth("preload", self.preload))
        put(self, "drift", _truth("drift", self.drift))
        put(self, "strict", _truth("strict", self.strict))
        put(self, "threads", _whole("threads", self.threads, "at least 1", MAX_THREADS))
        put(self, "memory_budget", _whole("memory_budget", self.memory_budget, "at least 1 byte", MAX_BYTES))
        threshold = self.confidence_threshold
        put(self, "confidence_threshold", None if threshold is None else checked_threshold(threshold))
        put(self, "max_age_days", _above_zero("max_age_days", self.max_age_days, "above 0", MAX_DAYS))
        put(self, "release_after", _above_zero("release_after", self.release_after, "above 0 seconds", MAX_S))
        if self.guard not in GUARDS:
            raise UsageError(f"guard must be one of {', '.join(GUARDS)}", value=self.guard)
        if self.require is not None and self.require not in VERDICTS:
            raise UsageError(f"require must be one of {', '.join(VERDICTS)}, or None", value=self.require)
        if self.kernels not in KERNELS:
            raise UsageError(f"kernels must be one of {', '.join(KERNELS)}", value=self.kernels)
        if self.provider not in PROVIDERS:
            raise UsageError(f"provider must be one of {', '.join(PROVIDERS)}", value=self.provider)
        if self.provider != CPU and self.kernels == "require":
            raise UsageError(
                'kernels="require" needs provider="cpu": the kernel walks on the CPU', value=self.provider
            )


def check_arguments(source: Any, version: Any, clock: Any, monotonic: Any) -> None:
    """Hold the arguments of `Predictor.open` that are no settings to their types.

    Raises:
        UsageError: One is of another type.
    """
    if not isinstance(source, str | os.PathLike) or not isinstance(os.fspath(source), str):
        raise UsageError("source must be a path or a name", value=source)
    if version is not None and not isinstance(version, str):
        raise UsageError("version must be text", value=version)
    if not callable(clock):
        raise UsageError("clock must be callable", value=clock)
    if monotonic is not None and not callable(monotonic):
        raise UsageError("monotonic must be callable", value=monotonic)


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise UsageError(f"{name} must be True or False", value=value)


def _number(name: str, value: Any) -> float:
    number = math.nan if isinstance(value, bool | np.bool_) else read_number(value)
    if math.isnan(number):
        raise UsageError(f"{name} must be a number", value=value)
    return number


def _whole(name: str, value: Any, rule: str, most: int) -> int:
    number = _number(name, value)
    if number < 1:
        raise UsageError(f"{name} must be {rule}", value=value)
    if number > most:
        raise UsageError(f"{name} must be at most {most}", value=value)
    if number != math.floor(number):
        raise UsageError(f"{name} must be a whole number", value=value)
    return int(number)


def _above_zero(name: str, value: Any, rule: str, most: float) -> float | None:
    """Infinity stands for never, as None does."""
    if value is None:
        return None
    number = _number(name, value)
    if number <= 0:
        raise UsageError(f"{name} must be {rule}", value=value)
    if most < number < math.inf:
        raise UsageError(f"{name} must be at most {most:g}", value=value)
    return number
