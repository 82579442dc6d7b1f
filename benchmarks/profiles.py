"""How much is measured: `full` for figures, `quick` for correctness alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A size of run.

    Attributes:
        name: As typed.
        subjects: Names of the subjects (see `subjects`).
        repetitions: Fresh processes a measure.
        seconds: At most this long for single rows, in each process.
        limit: At most so many single rows.
        sizes: Rows of the batches.
        sizes_two_threads: The same with two threads.
        boundary_splits: Splits whose boundary rows are tried.
        growth: Whether growth is measured.
    """

    name: str
    subjects: tuple[str, ...]
    repetitions: int
    seconds: float
    limit: int
    sizes: tuple[int, ...]
    sizes_two_threads: tuple[int, ...]
    boundary_splits: int
    growth: bool


PROFILES = {
    p.name: p
    for p in (
        Profile(
            "full", ("large", "small", "lightgbm"), 5, 1.0, 2000, (100, 1_000, 10_000, 100_000), (10_000,),
            15_000, True,
        ),
        Profile("trial", ("large",), 1, 0.3, 200, (100, 1_000), (1_000,), 3_000, False),
        Profile("quick", ("small", "small-lightgbm"), 1, 0.2, 50, (100, 1_000), (), 1_500, False),
    )
}  # fmt: skip
