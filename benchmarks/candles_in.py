r"""What candles in, decision out costs beside `decide` alone: time, memory, opening.

    python -m benchmarks.candles_in --store artifacts/demo --candles data/demo/candles.csv \
        --daily data/demo/macro.csv

A process of its own opens the version, answers rows, then feeds the last bars of the candles one by one. The
ratio is that of the fastest tenths of the same bars; times are of this machine, as busy as it is.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "main", "measure"]

HISTORY = 5000

FIGURES = {
    "p50_ms": ("candle to decision, median ms", 1.5),
    "p10_ms": ("candle to decision, fastest tenth, ms", None),
    "over_decide": ("against decide alone, times", None),
    "anonymous_mib": ("anonymous memory over decide, MiB", 8.0),
    "opening_ms": ("opening over decide, ms of processor time", 50.0),
}
"""What is measured, and the most that is wanted on an idle core; None where only the figure counts."""


def anonymous_mib() -> float:
    """The anonymous memory of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Anonymous:"))) / 1024


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def measure(store: str, candles: str, daily: str | None, bars: int) -> dict[str, float]:
    """Measure in this process, which must not have served before.

    Args:
        store: What `Predictor.open` takes.
        candles: A CSV file.
        daily: A CSV file of daily values.
        bars: How many of the last candles are fed one by one.
    """
    from gradus_runtime import Predictor
    from gradus_runtime.rows.moments import read_moment

    rows = _rows(candles)
    moments = [read_moment(row["timestamp"]).timestamp() for row in rows]
    now = [moments[-1]]
    history, later = rows[-bars - HISTORY : -bars], range(len(rows) - bars, len(rows))
    values = None if daily is None else _rows(daily)
    with Predictor.open(store, clock=lambda: now[0], max_age_days=1e5, guard="off") as bot:
        row: dict[str, Any] = {str(name): 1.0 for name in bot.feature_names_in_}
        for _ in range(50):
            bot.decide(row)
        before, started = anonymous_mib(), time.process_time()
        feed = bot.feed(history, values)
        now[0] = moments[later[0] - 1] + feed.bar_seconds
        feed.decide()
        opening = time.process_time() - started
        whole, alone = [], []
        for i in later:
            now[0] = moments[i] + feed.bar_seconds
            begun = time.perf_counter()
            feed.push(rows[i])
            feed.decide()
            between = time.perf_counter()
            bot.decide(row)
            whole.append(between - begun)
            alone.append(time.perf_counter() - between)
        return {
            "p50_ms": statistics.median(whole) * 1e3,
            "p10_ms": statistics.quantiles(whole, n=10)[0] * 1e3,
            "over_decide": statistics.quantiles(whole, n=10)[0] / statistics.quantiles(alone, n=10)[0],
            "anonymous_mib": anonymous_mib() - before,
            "opening_ms": opening * 1e3,
        }


def main(words: list[str] | None = None) -> int:
    """Measure in a fresh process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", required=True)
    parser.add_argument("--candles", required=True)
    parser.add_argument("--daily")
    parser.add_argument("--bars", type=int, default=500)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.inside:
        print(json.dumps(measure(args.store, args.candles, args.daily, args.bars)))
        return 0
    given = sys.argv[1:] if words is None else words
    command = [sys.executable, "-m", "benchmarks.candles_in", *given, "--inside"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print("| candles in, decision out | measured | at most, on an idle core |\n| --- | --- | --- |")
    for name, (what, most) in FIGURES.items():
        print(f"| {what} | {found[name]:.2f} | {'' if most is None else f'{most:g}'} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
