"""Watches journals and says what a person should know, at least once and at most twice."""

from gradus_live.watch.alerts import Alert, AlertLimits, find_alerts
from gradus_live.watch.delivery import deliver
from gradus_live.watch.state import WatchState, read_state

__all__ = ["Alert", "AlertLimits", "WatchState", "deliver", "find_alerts", "read_state"]
