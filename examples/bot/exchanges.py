"""Candles from the APIs of exchanges: page after page, from a moment on, as they send them.

Both send text numbers and the bar that is still running as the last one; the feed reads and sorts that out.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["EXCHANGES", "Http", "OutageError", "Page", "Pages"]

DAY_MS = 86_400_000
Page = list[list[Any]]
Pages = Callable[[int, int], Iterator[Page]]
"""Gives the bars that open at a moment or later, up to now; both in ms since 1970 UTC."""


class OutageError(Exception):
    """The exchange gave no candles; it is asked again."""


class Http:
    """Gets JSON. Where the exchange says when to come back, nobody asks before; else pauses double."""

    def __init__(self, clock: Callable[[], float], timeout: float = 10.0) -> None:
        self.clock, self.timeout = clock, timeout
        self.not_before, self.failures = 0.0, 0

    def get(self, url: str) -> Any:
        """Return the JSON value at a URL, or raise OutageError."""
        if self.clock() < self.not_before:
            raise OutageError(f"waits {self.not_before - self.clock():.0f} s before it asks again")
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "gradus-example-bot"})  # noqa: S310  the URL is the operator's
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310  as above
                value = json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                self._pause(e.headers.get("Retry-After"))
            raise OutageError(f"{url}: {e.code} {e.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as e:
            self._pause(None)
            raise OutageError(f"{url}: {type(e).__name__}: {e}") from None
        self.failures = 0
        return value

    def _pause(self, asked: str | None) -> None:
        seconds = min(60.0, 2.0**self.failures)
        self.failures += 1
        if asked is not None and asked.isdigit():
            seconds = float(asked)
        elif asked is not None:
            with contextlib.suppress(ValueError):  # a date, else nothing that we know
                seconds = parsedate_to_datetime(asked).timestamp() - self.clock()
        self.not_before = self.clock() + max(1.0, seconds)


def binance(web: Http, url: str, symbol: str, bar_ms: int) -> Pages:
    """`/api/v3/klines`: lists of time, open, high, low, close, volume and more, 1,000 at most a call."""
    interval = {60: "1m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h"}[bar_ms // 1000]

    def pages(since: int, now: int) -> Iterator[Page]:
        while since <= now:
            query = f"symbol={symbol}&interval={interval}&startTime={since}&limit=1000"
            page = [row[:6] for row in web.get(f"{url}/api/v3/klines?{query}")]
            if page:
                yield page
            if len(page) < 1000:
                return
            since = int(page[-1][0]) + bar_ms

    return pages


def bitbank(web: Http, url: str, symbol: str, bar_ms: int) -> Pages:
    """`/PAIR/candlestick/15min/YYYYMMDD`: a UTC day a call; open, high, low, close, volume, time."""
    kind = {60: "1min", 300: "5min", 900: "15min", 1800: "30min", 3600: "1hour"}[bar_ms // 1000]

    def pages(since: int, now: int) -> Iterator[Page]:
        for day in range(since // DAY_MS, now // DAY_MS + 1):
            date = time.strftime("%Y%m%d", time.gmtime(day * DAY_MS // 1000))
            data = web.get(f"{url}/{symbol}/candlestick/{kind}/{date}")["data"]
            page = [[row[5], *row[:5]] for row in data["candlestick"][0]["ohlcv"] if row[5] >= since]
            if page:
                yield page

    return pages


EXCHANGES = {"binance": binance, "bitbank": bitbank}
