"""The weeks of a walk: whole ones, one after another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gradus_runtime.errors import UsageError

__all__ = ["WEEK_MS", "Week", "weeks_between"]

WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Week:
    """A week of the walk.

    Attributes:
        number: From 1.
        start_ms: Its first moment, ms UTC: what is closed by then is known to its version.
        end_ms: The first moment after it.
    """

    number: int
    start_ms: int
    end_ms: int

    @property
    def name(self) -> str:
        """The day that it begins on, such as 2024-07-01."""
        return self.day.isoformat()

    @property
    def version(self) -> str:
        """The calendar version of what is trained at its start, such as 2024.7.1."""
        return f"{self.day.year}.{self.day.month}.{self.day.day}"

    @property
    def last_day(self) -> date:
        """The day that it ends with, UTC."""
        return datetime.fromtimestamp(self.end_ms / 1000, UTC).date() - timedelta(days=1)

    @property
    def day(self) -> date:
        """The day that it begins on, UTC."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC).date()


def weeks_between(first: date, last: date) -> tuple[Week, ...]:
    """Return the whole weeks from the first day to the last one, both included.

    Raises:
        UsageError: Not even one week.

    >>> [week.name for week in weeks_between(date(2024, 7, 1), date(2024, 7, 15))]
    ['2024-07-01', '2024-07-08']
    """
    days = (last - first).days + 1
    if days < 7:
        raise UsageError(
            "a walk needs at least one whole week",
            place="--from, --to",
            value=f"{first} to {last}",
            hint="Both days are included: seven days are a week.",
        )
    start = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000)
    return tuple(Week(i + 1, start + i * WEEK_MS, start + (i + 1) * WEEK_MS) for i in range(days // 7))
