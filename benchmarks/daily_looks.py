"""How often the live record is wrong when it is looked at every day: false alarms, and true means outside.

    python -m benchmarks.daily_looks

Each simulation is a record of 116 days of a bot that is exactly as good as the lowest fold of training.
Its daily blocks are drawn from a distribution, or with `--outcomes`, a file of `gradus outcomes`, from
the blocks of a real record, moved to a mean of 0. "worse": a false alarm at any of the looks; "outside":
the true mean was ever outside of the confidence sequence; "t-test": a p-value below 0.05 at any look, for
comparison. The last columns are of a bot that is worse by half a standard deviation of a block: the
median day on which that is said, and how often it is.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from gradus_live.bars import Floats
from gradus_live.contracts_of import manifests_of
from gradus_live.outcomes import read_outcomes
from gradus_live.record import build_record
from gradus_live.record.sequence import ALPHA, FEWEST, evidence_so_far, running

__all__ = ["KINDS", "looked_at_daily", "main"]

Draw = Callable[[np.random.Generator, int], Floats]
SHIFT = 0.5


def correlated(correlation: float) -> Draw:
    """Normal blocks with a correlation with the one before."""

    def draw(rng: np.random.Generator, count: int) -> Floats:
        values = rng.standard_normal(count)
        for i in range(1, count):
            values[i] = correlation * values[i - 1] + math.sqrt(1 - correlation**2) * values[i]
        return values

    return draw


def stretches(blocks: Floats, length: int) -> Draw:
    """Stretches of so many days of a real record, one after another."""

    def draw(rng: np.random.Generator, count: int) -> Floats:
        starts = rng.integers(len(blocks), size=-(-count // length))
        return np.concatenate([np.take(blocks, s + np.arange(length), mode="wrap") for s in starts])[:count]

    return draw


KINDS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "Student's t, 4 degrees": lambda rng, n: rng.standard_t(4, n),
    "correlation of 0.1": correlated(0.1),
    "correlation of 0.3": correlated(0.3),
    "gamma of 4, tail to more skill": lambda rng, n: (rng.gamma(4, size=n) - 4) / 2,
    "exponential, tail to more skill": lambda rng, n: rng.exponential(size=n) - 1,
    "exponential, tail to less skill": lambda rng, n: 1 - rng.exponential(size=n),
}


def p_values(blocks: Floats) -> Floats:
    """P-values of one-sided t-tests after each block, float64 [K]; 1 after the first."""
    counts = np.arange(1, len(blocks) + 1)
    means = np.cumsum(blocks) / counts
    squares = np.maximum(np.cumsum(blocks**2) - counts * means**2, 1e-300)
    found = np.ones(len(blocks))
    n = counts[1:]
    found[1:] = stats.t.cdf(means[1:] / np.sqrt(squares[1:] / (n - 1) / n), n - 1)
    return found


def looked_at_daily(draw: Draw, days: int, count: int, seed: int) -> tuple[float, float, float, float, float]:
    """Return shares of false alarms, true means outside and t-tests below 0.05; day and share of true alarms.

    Args:
        draw: Blocks with a mean of 0 and a standard deviation of about 1.
        days: Of a record.
        count: How many records.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    alarms = outside = tests = 0
    said: list[int] = []
    for _ in range(count):
        blocks = draw(rng, days)
        alarms += evidence_so_far(blocks)[0] >= 1 / ALPHA
        outside += any(not s.low <= 0 <= s.high for s in running(blocks.tolist()))
        tests += bool((p_values(blocks)[FEWEST - 1 :] < ALPHA).any())
        evidence, first = evidence_so_far(draw(rng, days) - SHIFT)
        said += [first + 1] if evidence >= 1 / ALPHA else []
    when = float(np.median(said)) if said else float("nan")
    return alarms / count, outside / count, tests / count, when, len(said) / count


def blocks_of(outcomes: Path, store: str) -> Floats:
    """Return the daily blocks of a record, with a mean of 0 and a standard deviation of 1."""
    record = build_record(read_outcomes(outcomes), manifests_of(store), None)
    blocks = np.array([point.skill for point in record.days])
    print(f"{outcomes}: {len(blocks)} blocks, skewness {stats.skew(blocks):+.2f}", end=", ")
    print(f"correlation with the day before {np.corrcoef(blocks[:-1], blocks[1:])[0, 1]:+.2f}")
    return np.asarray((blocks - blocks.mean()) / blocks.std())


def main() -> int:
    """Print a line for each kind of blocks; end with 1 if one is wrong more often than stated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", type=Path, help="draw from the blocks of a real record")
    parser.add_argument("--store", help="the store of its versions")
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--days", type=int, default=116)
    args = parser.parse_args()
    kinds = dict(KINDS)
    if args.outcomes is not None:
        real = blocks_of(args.outcomes, args.store)
        kinds = {"single days of them": stretches(real, 1), "stretches of 14 days": stretches(real, 14)}
    print(f"{'blocks':34}{'worse':>8}{'outside':>9}{'t-test':>8}{'true alarm: day':>17}{'share':>8}")
    worst = 0.0
    for name, draw in kinds.items():
        alarms, outside, tests, day, share = looked_at_daily(draw, args.days, args.records, seed=1)
        worst = max(worst, alarms, outside)
        print(f"{name:34}{alarms:8.1%}{outside:9.1%}{tests:8.1%}{day:17.0f}{share:8.0%}", flush=True)
    return 1 if worst > ALPHA + 2 * (ALPHA / args.records) ** 0.5 else 0


if __name__ == "__main__":
    raise SystemExit(main())
