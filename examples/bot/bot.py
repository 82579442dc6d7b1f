"""A bot: candles of an exchange in, a decision a bar out, with gradus-runtime alone.

It starts with an empty feed and asks the exchange for what is missing; after an outage it does the same. Each
step is one look: follow the pin, fetch, push, and decide where a bar is new or none has come for too long.
`act` is where orders would go.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from exchanges import EXCHANGES, Http, OutageError, Pages

from gradus_runtime import Decision, Predictor

HISTORY_BARS = 4500
"""Enough for all shipped features; docs/features.md says what yours need."""
OVERLAP_BARS = 3
"""Bars fetched again at each look: exchanges correct their latest."""
LATE_S = 5.0
"""Between two looks while a bar that is over is not there yet."""


class Trader:
    """Decides on each bar of one market."""

    def __init__(
        self,
        bot: Predictor,
        exchange: Callable[[Http, int], Pages],
        daily: Path | None,
        act: Callable[[Decision], None],
        clock: Callable[[], float],
    ) -> None:
        self.bot, self.daily, self.act, self.clock = bot, daily, act, clock
        self.web = Http(clock)
        self.feed = bot.feed([], clock=clock)
        self.bar_ms = round(self.feed.bar_seconds * 1000)
        self.pages = exchange(self.web, self.bar_ms)
        self.newest: int | None = None  # opening of the newest complete bar
        self.decided: tuple[int | None, int] | None = None
        self.daily_seen: tuple[int, int] | None = None

    def step(self) -> float:
        """Look once. Return the seconds to wait before the next look."""
        now_ms = int(self.clock() * 1000)
        self.bot.reload_if_changed()
        self._read_daily()
        wait = self._fetch(now_ms)
        since = now_ms if self.newest is None else now_ms - self.newest - self.bar_ms  # its close
        late = since // self.bar_ms if self.newest is None or since > 2 * self.bar_ms else 0
        if (self.newest, late) != self.decided:
            self.act(self.feed.decide())
            self.decided = (self.newest, late)
        return wait

    def _fetch(self, now_ms: int) -> float:
        """Push what is new; what came before an outage stays. Return how long to wait."""
        since = now_ms - HISTORY_BARS * self.bar_ms
        if self.newest is not None:
            since = max(since, self.newest - OVERLAP_BARS * self.bar_ms)
        try:
            for page in self.pages(since, now_ms):
                complete = [row for row in page if int(row[0]) + self.bar_ms <= now_ms]  # the last one runs
                self.feed.push(complete)
                times = [int(row[0]) for row in complete]
                self.newest = max([*times, *([] if self.newest is None else [self.newest])], default=None)
        except (OutageError, KeyError, IndexError, TypeError, ValueError) as e:
            print(f"no candles: {type(e).__name__}: {e}", file=sys.stderr, flush=True)
            return min(60.0, max(1.0, self.web.not_before - self.clock()))
        next_bar = self.bar_ms - now_ms % self.bar_ms
        due = now_ms - now_ms % self.bar_ms - self.bar_ms
        return next_bar / 1000 + 1.0 if self.newest == due else LATE_S

    def _read_daily(self) -> None:
        """Take the file of daily values when it is another; some other job writes it, whole, by rename."""
        try:
            stat = None if self.daily is None else self.daily.stat()
            if self.daily is None or stat is None or (stat.st_mtime_ns, stat.st_size) == self.daily_seen:
                return
            with self.daily.open(newline="") as file:
                self.feed.push_daily(list(csv.DictReader(file)))
            self.daily_seen = (stat.st_mtime_ns, stat.st_size)
        except OSError as e:
            print(f"no daily values: {e}", file=sys.stderr, flush=True)


def act(decision: Decision) -> None:
    """Do what was decided: here, one line of JSON on standard output."""
    bar = None if decision.bar_time is None else decision.bar_time.isoformat()
    line: dict[str, Any] = {"bar": bar, "action": decision.action, "confidence": decision.confidence}
    line |= {"level": decision.level, "version": decision.version, "id": decision.id}
    print(json.dumps({**line, "reasons": decision.reasons}), flush=True)


def serve_health(bot: Predictor, port: int) -> ThreadingHTTPServer:
    """Answer health checks, for platforms that look at a port: 200 while any level can serve."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer whatever is asked for."""
            health = bot.health()
            body = json.dumps({"status": health.status, "version": health.version}).encode()
            self.send_response(503 if health.status == "failed" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing: checks come every few seconds."""

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, help="the artifacts' store, a version's folder or a .zip")
    parser.add_argument("--exchange", choices=EXCHANGES, required=True)
    parser.add_argument("--url", required=True, help="such as https://api.binance.com")
    parser.add_argument("--symbol", required=True, help="BTCUSDT, btc_jpy, ...")
    parser.add_argument("--daily", type=Path, help="CSV of daily values, written anew each day")
    parser.add_argument("--state", type=Path, help="folder for journal and health file; else standard error")
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    state: Path | None = args.state
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    journal = "-" if state is None else str(state / "journal")
    health = None if state is None else state / "health.json"
    with Predictor.open(args.store, journal=journal, health_file=health) as bot:
        if "PORT" in os.environ:
            serve_health(bot, int(os.environ["PORT"]))

        def exchange(web: Http, bar_ms: int) -> Pages:
            return EXCHANGES[args.exchange](web, args.url, args.symbol, bar_ms)

        trader = Trader(bot, exchange, args.daily, act, time.time)
        while not stop.wait(trader.step()):
            pass


if __name__ == "__main__":
    main()
