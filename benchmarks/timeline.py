"""What happens to a bot in a simulated month: outages, new versions, a rollback, restarts."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["BARS_A_DAY", "WARM_UP_DAYS", "Change", "Outage", "Timeline", "plan"]

BARS_A_DAY = 96
WARM_UP_DAYS = 3
"""By then everything has happened dozens of times: outages of every kind, new versions, rollbacks."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Groups of features that are missing from bar `start` up to, not including, bar `stop`.

    `how` is what the bot sees of it: "absent" (no such keys), "none" (None), "nan" (NaN), or "told" (the keys
    are there, stale, and the bot names the groups as unavailable).
    """

    start: int
    stop: int
    groups: tuple[str, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Change:
    """Before this bar the pin moves to this version, or back where it came from (None)."""

    bar: int
    version: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The month. Restarts are bars before which the bot is started anew."""

    bars: int
    outages: tuple[Outage, ...]
    changes: tuple[Change, ...]
    restarts: tuple[int, ...]

    def outage(self, bar: int) -> Outage | None:
        """Return the outage that a bar is in."""
        return next((o for o in self.outages if o.start <= bar < o.stop), None)

    def change(self, bar: int) -> Change | None:
        """Return the change of the pin before a bar."""
        return next((c for c in self.changes if c.bar == bar), None)


_GROUPS = (
    ("external_api",),
    ("external_api", "strategy_signals"),
    ("external_api", "strategy_signals", "basic"),
)
_HOW = ("absent", "none", "nan", "told")


def plan(days: int, versions: tuple[str, ...], seed: int) -> Timeline:
    """Plan a month: its first days have some of everything, its last day has nothing.

    Args:
        days: At least 8.
        versions: In order; the first is pinned at the start, the others follow evenly. At least two.
        seed: Of lengths and places.

    Raises:
        ValueError: Too few days or versions.
    """
    if days < WARM_UP_DAYS + 5 or len(versions) < 2:
        raise ValueError(f"at least 8 days and 2 versions are needed, but got {days} and {len(versions)}")
    chance = random.Random(seed)
    return Timeline(
        days * BARS_A_DAY, _outages(days, chance), _changes(days, versions), _restarts(days, chance)
    )


def _outages(days: int, chance: random.Random) -> tuple[Outage, ...]:
    """Many short ones in the warm-up, of every kind; then one a day, mostly of the outside world."""
    result = []
    for number in range(WARM_UP_DAYS * BARS_A_DAY // 6):
        result.append(Outage(6 * number + 2, 6 * number + 5, _GROUPS[number % 3], _HOW[number % 4]))
    for day in range(WARM_UP_DAYS, days - 1):
        start = day * BARS_A_DAY + chance.randrange(8, 40)
        groups = chance.choices(_GROUPS, (8, 2, 1))[0]
        result.append(Outage(start, start + 4 * chance.randrange(1, 11), groups, chance.choice(_HOW)))
    return tuple(result)


def _changes(days: int, versions: tuple[str, ...]) -> tuple[Change, ...]:
    """In the warm-up another version every six hours, and back; then each in its share of the month."""
    result = []
    for number in range(WARM_UP_DAYS * BARS_A_DAY // 24):
        version = versions[1 + number % (len(versions) - 1)]
        result += [Change(24 * number + 9, version), Change(24 * number + 21, None)]
    for number, version in enumerate(versions[1:], start=1):
        bar = (WARM_UP_DAYS + (days - WARM_UP_DAYS) * number // (len(versions) + 1)) * BARS_A_DAY + 45
        result.append(Change(bar, version))
    last = result[-1].bar
    return (*result, Change(last + 70, None), Change(last + 130, versions[-1]))


def _restarts(days: int, chance: random.Random) -> tuple[int, ...]:
    """About one every three days, at any bar: also during outages."""
    return tuple(sorted(chance.sample(range(1, days * BARS_A_DAY), days // 3)))
