"""How a Predictor was told to serve."""

from __future__ import annotations

from dataclasses import dataclass

from gradus_runtime.contracts.manifest import VERDICTS
from gradus_runtime.errors import UsageError
from gradus_runtime.sessions.level_session import DEFAULT_MEMORY_BUDGET

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `Predictor.open` that hold for every version it serves; described there."""

    preload: bool = False
    threads: int = 1
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    confidence_threshold: float | None = None
    max_age_days: float | None = None
    release_after: float | None = 600.0
    drift: bool = True
    strict: bool = False
    require: str | None = None

    def __post_init__(self) -> None:
        _check(self.threads >= 1, "threads must be at least 1", self.threads)
        _check(self.memory_budget >= 1, "memory_budget must be at least 1 byte", self.memory_budget)
        threshold = self.confidence_threshold
        _check(threshold is None or 0 <= threshold <= 1, "confidence_threshold must lie in [0, 1]", threshold)
        _check(
            self.max_age_days is None or self.max_age_days > 0,
            "max_age_days must be above 0",
            self.max_age_days,
        )
        _check(
            self.release_after is None or self.release_after > 0,
            "release_after must be above 0 seconds",
            self.release_after,
        )
        rule = f"require must be one of {', '.join(VERDICTS)}, or None"
        _check(self.require is None or self.require in VERDICTS, rule, self.require)


def _check(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise UsageError(rule, value=value)
