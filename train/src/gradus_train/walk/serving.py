"""Which version serves in which week: by the rule that pins, and by how often there is training."""

from __future__ import annotations

from collections.abc import Sequence

from gradus_train.walk.versions import WeekVersion

__all__ = ["REQUIRE", "SCHEDULES", "in_service"]

REQUIRE = ("integrity", "direction")
SCHEDULES = ("weekly", "monthly", "never")


def in_service(versions: Sequence[WeekVersion], require: str, schedule: str) -> list[WeekVersion | None]:
    """Return for each week the version that serves it; None where none has been pinned yet.

    A version that may not serve leaves the one before in place.

    Args:
        versions: One a week, in time order.
        require: "integrity" pins whatever passes the integrity gates, "direction" only what also has that
            verdict, or a better one.
        schedule: "weekly" trains each week, "monthly" in the first week that begins in a calendar month,
            "never" once: the first version that may serve stays.
    """
    serving: list[WeekVersion | None] = []
    now: WeekVersion | None = None
    month = ""
    for version in versions:
        due = schedule == "weekly" or (schedule == "monthly" and version.week[:7] != month)
        due = due or now is None
        month = version.week[:7]
        if due and version.may_serve(require):
            now = version
        serving.append(now)
    return serving
