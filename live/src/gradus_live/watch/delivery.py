"""Sends alerts through apprise: Discord, Slack, mail, a generic URL, and what else it knows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from gradus_live.watch.alerts import Alert
from gradus_live.watch.state import WatchState
from gradus_runtime.errors import EnvironmentFailedError, UsageError

__all__ = ["Send", "by_apprise", "deliver"]

Send = Callable[[str, str], bool]
"""Sends a text to a destination; whether it arrived."""


def deliver(
    alerts: Sequence[Alert], destinations: Sequence[str], state: WatchState, send: Send
) -> tuple[int, list[str]]:
    """Send what was not said yet: at least once, and at most twice if a crash comes between.

    Args:
        alerts: Everything that is to be said now.
        destinations: URLs of apprise; they are secret, and never shown or kept.
        state: What was said already.
        send: Sends.

    Returns:
        How many messages were sent, and the ids of those that could not be.

    Raises:
        EnvironmentFailedError: The state cannot be written; nothing is sent that could not be taken down.
    """
    count, failed = 0, []
    for alert in alerts:
        for url in destinations:
            key = f"{alert.id} {hashlib.sha256(url.encode()).hexdigest()[:12]}"
            if not state.due(key):
                continue
            state.begin(key)
            sent = send(url, alert.message)
            state.end(key, sent=sent)
            count += sent
            if not sent:
                failed.append(alert.id)
    return count, failed


def by_apprise(destinations: Sequence[str]) -> Send:
    """Return a sender, after a check that apprise knows all destinations.

    Raises:
        EnvironmentFailedError: apprise is not installed.
        UsageError: It does not know one of them.
    """
    try:
        import apprise
    except ImportError:
        raise EnvironmentFailedError(
            "notifications need apprise", hint="Install the extra `notify` of gradus-live: it is apprise."
        ) from None
    for i, url in enumerate(destinations):
        if not apprise.Apprise().add(url):
            raise UsageError(
                "a destination must be a URL that apprise knows",
                place=f"--to, number {i + 1}",
                hint="Such as discord://ID/TOKEN, slack://A/B/C, mailto://USER:PASS@HOST, json://HOST/PATH.",
            )

    def send(url: str, text: str) -> bool:
        target = apprise.Apprise()
        target.add(url)
        return bool(target.notify(body=text, title="gradus"))

    return send
