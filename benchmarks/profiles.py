"""How much is measured: `full` for figures, `quick` for correctness alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROFILES", "Plan", "Profile"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of one subject: rows of the batches, with one thread and with two; of which peers."""

    subject: str
    sizes: tuple[int, ...]
    sizes_two_threads: tuple[int, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A size of run.

    Attributes:
        name: As typed.
        plans: Subjects (see `subjects`), in order.
        repetitions: Fresh processes a measure.
        seconds: At most this long for single rows, in each process.
        limit: At most so many single rows.
        boundary_splits: Splits whose boundary rows are tried.
        growth: Whether growth, and levels held at once, are measured.
    """

    name: str
    plans: tuple[Plan, ...]
    repetitions: int
    seconds: float
    limit: int
    boundary_splits: int
    growth: bool


_OURS = (
    "gradus",
    "gradus_graph",
    "gradus_compiled",
    "gradus_kernels",
    "gradus_kernels_avx2",
    "native",
    "stock",
)
_ALONE = (*_OURS, "lleaves", "daal4py", "timber", "ydf")
"""Of a member alone: without those who are measured on the whole ensemble and on LightGBM already."""

_FULL = (
    Plan("large", (100, 1_000, 10_000, 100_000), (10_000,)),
    Plan("small", (100, 1_000, 10_000)),
    Plan("lightgbm", (100, 1_000, 10_000)),
    Plan("xgboost", (1_000, 10_000), peers=_ALONE),
    Plan("forest", (1_000, 10_000), peers=_ALONE),
    Plan("small-lightgbm", (1_000, 10_000), peers=_ALONE),
)
_QUICK = (
    Plan("small", (100, 1_000), (1_000,)),
    Plan("small-lightgbm", (100, 1_000)),
    Plan("small-xgboost", (100, 1_000), peers=_ALONE),
    Plan("small-forest", (100, 1_000), peers=_ALONE),
)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", _FULL, 5, 0.7, 2_000, 6_000, growth=True),
        Profile("trial", (Plan("large", (100, 1_000, 10_000)),), 1, 0.3, 200, 3_000, growth=False),
        Profile("quick", _QUICK, 1, 0.2, 50, 1_500, growth=False),
    )
}
