"""Sections of `training.toml` that may be left out."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DriftSettings", "LastFit", "Service"]


@dataclass(frozen=True, slots=True)
class LastFit:
    """`on`: fit once more on all rows, the holdout's too, when all is measured, and ship those models."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """`exclude`: features and groups that raise no alarm of drift."""

    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """`order` "measured" (a level must prove itself to serve first) or "declared" (the feature order's)."""

    order: str = "measured"
