"""What features depend on besides bars, daily series and expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradus_runtime.contracts.features_graph import Closing
from gradus_runtime.errors import ConfigError
from gradus_train.features.language import OpenWeek

__all__ = ["FeatureSettings", "parse_closing"]

_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOSING = re.compile(r"\s*([A-Za-z]{3}) (\d\d):(\d\d) ?- ?([A-Za-z]{3}) (\d\d):(\d\d)\s*")


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """Length of bars, zone, carrying of daily values, gaps.

    Attributes:
        bar_ms: Length of a bar in milliseconds; it divides a day.
        market_timezone: IANA name of the zone of the calendar fields.
        carry_days: A daily value is carried for at most this many days.
        bridge_bars: A gap of at most this many bars is bridged; 0 bridges none.
        closed: Weekly closing hours, such as "Fri 17:00 - Sun 17:00".
        closed_timezone: IANA name of their zone; None: the market's.
    """

    bar_ms: int = 15 * 60_000
    market_timezone: str = "Asia/Tokyo"
    carry_days: int = 7
    bridge_bars: int = 4
    closed: tuple[str, ...] = ()
    closed_timezone: str | None = None

    @property
    def closings(self) -> tuple[Closing, ...]:
        """The closing hours in minutes of the week.

        Raises:
            ConfigError: One cannot be read.
        """
        return tuple(parse_closing(text) for text in self.closed)

    @property
    def week(self) -> OpenWeek | None:
        """Bars and closings of a week; None where the market never closes.

        Raises:
            ConfigError: It never opens.
        """
        if not self.closed:
            return None
        closed = sum((c.end - c.start) % _WEEK_MINUTES for c in self.closings)
        bars = (_WEEK_MINUTES - closed) * 60_000 // self.bar_ms
        if bars < 1:
            raise ConfigError("closing hours must leave time to trade", place="closed", value=self.closed)
        return OpenWeek(bars, len(self.closed))


def parse_closing(text: str) -> Closing:
    """Read closing hours such as "Fri 17:00 - Sun 17:00".

    Raises:
        ConfigError: They cannot be read, or take no time.
    """
    found = _CLOSING.fullmatch(text)
    times = [] if found is None else [_minute(*found.group(i, i + 1, i + 2)) for i in (1, 4)]
    if len(times) != 2 or None in times or times[0] == times[1]:
        raise ConfigError(
            "closing hours must name two times of the week",
            place="closed",
            value=text,
            hint='Write them like "Fri 17:00 - Sun 17:00".',
        )
    start, end = times
    return Closing(start or 0, end or 0)


def _minute(day: str, hour: str, minute: str) -> int | None:
    """Minutes since Monday 00:00; None where there is no such time."""
    if day.lower() not in _DAYS or int(hour) > 23 or int(minute) > 59:
        return None
    return _DAYS.index(day.lower()) * _DAY_MINUTES + int(hour) * 60 + int(minute)
