"""A moment as callers have it: the opening of a bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gradus_runtime.errors import GradusError, UsageError

__all__ = ["read_moment", "read_moments"]

_SECONDS_AT_MOST = 10**11
"""As milliseconds, this is in 1973: a smaller number was meant in seconds."""
_HINT = "Give milliseconds since 1970 UTC, an aware datetime, or ISO 8601 text with its offset."


def read_moment(value: Any, *, place: str = "at", error: type[GradusError] = UsageError) -> datetime:
    """Return a moment in UTC.

    Args:
        value: Milliseconds since 1970 UTC, an aware datetime, a numpy datetime64 (UTC), or ISO 8601 text with
            its offset from UTC.
        place: How errors name it.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: it is none of these.

    >>> read_moment(1_767_225_600_000).isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[ms]").astype(np.int64)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise error("a moment must be ISO 8601", place=place, value=value, hint=_HINT) from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise error("a moment must say its offset from UTC", place=place, value=value, hint=_HINT)
        try:
            return value.astimezone(UTC)
        except OverflowError:
            rule = "a moment must lie in the years 1 to 9999 of UTC"
            raise error(rule, place=place, value=value.isoformat(), hint=_HINT) from None
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        if not _SECONDS_AT_MOST < value < 10**14:
            raise error("a moment must be in milliseconds since 1970", place=place, value=value, hint=_HINT)
        return datetime.fromtimestamp(float(value) / 1000, UTC)
    raise error("a moment must be a number, a datetime or text", place=place, value=value, hint=_HINT)


def read_moments(values: Sequence[Any] | None, count: int) -> list[datetime | None]:
    """Return the moments of `count` rows, each as `read_moment` reads it; None for each if there are none.

    Raises:
        UsageError: There are more or fewer, or one is no moment.
    """
    if values is None:
        return [None] * count
    if len(values) != count:
        words = "row needs 1 bar" if count == 1 else f"rows need {count} bars"
        raise UsageError(f"{count} {words}", place="at", value=len(values))
    return [read_moment(value, place=f"at[{i}]") for i, value in enumerate(values)]
