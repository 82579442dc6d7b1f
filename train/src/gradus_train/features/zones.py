"""A time zone as a table of UTC offsets, so that no machine that serves needs a time zone database."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gradus_runtime.contracts.features_graph import ZoneTable

__all__ = ["YEARS_AHEAD", "zone_table"]

YEARS_AHEAD = 10
_DAY_MS = 86_400_000
_LAST_MS = 4_102_444_800_000  # 2100: the calendar of the graph knows no century without a leap year


def zone_table(name: str, first_ms: int, last_ms: int) -> ZoneTable:
    """Return the offsets of a zone from one bar to ten years after another.

    Args:
        name: IANA name.
        first_ms: Open of the first bar of training, ms since 1970 UTC.
        last_ms: Open of the last one.
    """
    zone = ZoneInfo(name)
    start = first_ms - _DAY_MS
    end = min(last_ms + YEARS_AHEAD * 365 * _DAY_MS + 3 * _DAY_MS, _LAST_MS)
    offsets, changes = [_offset(zone, start)], []
    for day in range(start, end, _DAY_MS):  # no zone changes twice within a day
        after = _offset(zone, day + _DAY_MS)
        if after != offsets[-1]:
            changes.append(_change(zone, day, day + _DAY_MS))
            offsets.append(after)
    return ZoneTable(name, start, end, tuple(changes), tuple(offsets))


def _offset(zone: ZoneInfo, ms: int) -> int:
    offset = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    """The first second of the new offset, between a time of the old one and a time of the new."""
    before = _offset(zone, low)
    while high - low > 1000:
        middle = (low + high) // 2000 * 1000
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high
