"""What a run finds, as values: `latest.json` is their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FORMAT", "Absent", "Check", "Growth", "Results", "Series", "Subject"]

FORMAT = "gradus-benchmark/1"


@dataclass(frozen=True, slots=True)
class Series:
    """Medians of one peer with one number of threads. `figures` are named with their unit at the end."""

    peer: str
    title: str
    threads: int
    repetitions: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Absent:
    """A peer that could not be installed, prepared or run, and why."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The same models, served by each peer. `facts` describe them: trees, nodes, rows."""

    name: str
    title: str
    facts: Mapping[str, float]
    series: tuple[Series, ...]
    absent: tuple[Absent, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """How a cost of a peer grows with an axis: "trees", "rows" or "levels"; `costs` at each of `factors`."""

    axis: str
    peer: str
    figure: str
    factors: tuple[float, ...]
    costs: tuple[float, ...]
    linear: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A ratio that gradus must reach: at most `target`."""

    name: str
    target: float
    value: float | None
    reached: bool


@dataclass(frozen=True, slots=True)
class Results:
    """One run of the benchmarks."""

    format: str
    profile: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    subjects: tuple[Subject, ...]
    growth: tuple[Growth, ...]
    checks: tuple[Check, ...]
