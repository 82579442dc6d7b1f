"""Sections of `training.toml` that may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_runtime.contracts.manifest import ARGMAX, POLICIES
from gradus_runtime.errors import ConfigError

__all__ = ["OPTIONAL", "CalibrationSettings", "DriftSettings", "LastFit", "PolicySettings", "Service"]


@dataclass(frozen=True, slots=True)
class LastFit:
    """`on`: fit once more on all rows, the holdout's too, when all is measured, and ship those models."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`temperature`: fit one to each level's vote, out of fold; keep it where it is better fold-forward."""

    temperature: bool = False


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """`exclude`: features and groups that raise no alarm of drift."""

    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """`order` "measured" (a level must prove itself to serve first) or "declared" (the feature order's)."""

    order: str = "measured"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """How probabilities become actions: docs/policy.md.

    Attributes:
        kind: "argmax", "thresholds" or "expected_value".
        threshold: "level": it stands still; "trailing": it moves with the scores of the last `window_days`.
        window_days: Length of the window.
        min_trades: A threshold with fewer trades out of fold is not chosen.
        proved: Whether a threshold must have earned money out of fold; where none has, the policy is argmax.
    """

    kind: str = "thresholds"
    threshold: str = "trailing"
    window_days: float = 30.0
    min_trades: int = 30
    proved: bool = True

    def check(self, place: str) -> None:
        """Hold the settings to their ranges.

        Raises:
            ConfigError: One is out of range.
        """
        for name, known in (("kind", POLICIES), ("threshold", ("level", "trailing"))):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(
                    f"{name} must be one of {', '.join(known)}", place=f"{place}.{name}", value=value
                )
        if not 1 <= self.window_days <= 200:
            rule = "window_days must lie in [1, 200]"
            raise ConfigError(rule, place=f"{place}.window_days", value=self.window_days)
        if self.min_trades < 10:
            rule = "min_trades must be at least 10: fewer trades prove nothing"
            raise ConfigError(rule, place=f"{place}.min_trades", value=self.min_trades)

    @property
    def is_argmax(self) -> bool:
        """Whether the most probable class is the answer."""
        return self.kind == ARGMAX


OPTIONAL: Mapping[str, CalibrationSettings | DriftSettings | LastFit | PolicySettings | Service] = {
    "service": Service(),
    "last_fit": LastFit(),
    "drift": DriftSettings(),
    "policy": PolicySettings(),
    "calibration": CalibrationSettings(),
}
"""By name, each with its defaults."""
