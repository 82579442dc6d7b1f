"""A market of a file, in the forms of Binance's and bitbank's APIs, to try the bot on without an exchange.

    python examples/bot/stub_exchange.py data/demo/candles.csv --port 8100

The file's bars are moved by whole weeks, so that they go on now. The last bar of an answer is still running,
numbers are text, an answer has 1,000 bars at most, as with the exchanges.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Fault", "StubExchange", "bars_of"]

WEEK_MS, DAY_MS = 7 * 86_400_000, 86_400_000
Bar = tuple[int, str, str, str, str, str]
Fault = tuple[int, dict[str, str]]
"""Status and headers of a wrong answer; status 0 hangs up, 200 answers with a page of HTML."""


class StubExchange(ThreadingHTTPServer):
    """Serves the bars of one market, as of its clock.

    Attributes:
        faults: Wrong answers to give next, one a call.
        asked: The paths that were asked for.
    """

    daemon_threads = True

    def __init__(self, bars: list[Bar], clock: Callable[[], float] = time.time, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.bars, self.clock = bars, clock
        self.bar_ms = bars[1][0] - bars[0][0]
        self.faults: list[Fault] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def known(self) -> list[Bar]:
        """The bars so far; of the one that runs, only its opening is known."""
        now = int(self.clock() * 1000)
        bars = [bar for bar in self.bars if bar[0] <= now]
        if bars and bars[-1][0] + self.bar_ms > now:
            at, opened = bars[-1][:2]
            bars[-1] = (at, opened, opened, opened, opened, "0.0001")
        return bars

    def answer(self, path: str) -> Any:
        """The JSON value at a path, or None where there is nothing."""
        parts = urlsplit(path)
        if parts.path == "/api/v3/klines":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            start, limit = int(query["startTime"]), min(1000, int(query.get("limit", "500")))
            found = [bar for bar in self.known() if bar[0] >= start][:limit]
            return [[*bar, bar[0] + self.bar_ms - 1, "0", 1, "0", "0", "0"] for bar in found]
        names = parts.path.strip("/").split("/")
        if len(names) == 4 and names[1] == "candlestick":
            day = int(datetime.strptime(names[3] + "+0000", "%Y%m%d%z").timestamp() * 1000)
            rows = [[*bar[1:], bar[0]] for bar in self.known() if day <= bar[0] < day + DAY_MS]
            return {"success": 1, "data": {"candlestick": [{"type": names[2], "ohlcv": rows}]}}
        return None


class _Handler(BaseHTTPRequestHandler):
    server: StubExchange

    def do_GET(self) -> None:
        """Answer, or do what the next fault says."""
        self.server.asked.append(self.path)
        headers: dict[str, str] = {}
        body = b"<html>maintenance</html>"
        if self.server.faults:
            status, headers = self.server.faults.pop(0)
            if status == 0:
                self.close_connection = True
                return
        else:
            value = self.server.answer(self.path)
            status = 404 if value is None else 200
            body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def bars_of(path: Path, now: float) -> list[Bar]:
    """The bars of a CSV, moved by whole weeks, so that a third of them is still to come."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [int(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000) for row in rows]
    shift = (int(now * 1000) - times[len(times) * 2 // 3]) // WEEK_MS * WEEK_MS
    names = ("open", "high", "low", "close", "volume")
    return [(t + shift, *(row[n] for n in names)) for t, row in zip(times, rows, strict=True)]  # type: ignore[misc]


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("candles", type=Path)
    parser.add_argument("--port", type=int, default=8100)
    args = parser.parse_args()
    server = StubExchange(bars_of(args.candles, time.time()), port=args.port)
    print(f"{server.url}  (--exchange binance --symbol ANY, or --exchange bitbank --symbol any)", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
