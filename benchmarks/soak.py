"""A bot's month in some minutes: `python -m benchmarks.soak`, or `make soak`.

A decision every simulated bar of 15 minutes, a look at the pin every simulated minute. Outages of the
external group and of more, weekly versions, rollbacks. The month is lived twice: by one process to its end,
and by processes that are restarted at any bar. It must hold that no error occurs, that both decide alike,
that every bar is served by the level its row allows, and that memory at the end is within 1 MiB of memory
after the warm-up.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import ROOT, python_of
from benchmarks.progress import say
from benchmarks.reference import CACHE, reference
from benchmarks.timeline import WARM_UP_DAYS, Timeline, plan
from gradus_runtime.cli import main as gradus
from gradus_runtime.contracts import codec, feature_order, run_folder
from gradus_runtime.contracts.feature_order import FeatureOrder

__all__ = ["Verdict", "expected_level", "judge"]

VERSIONS = ("2026.1.4", "2026.1.11", "2026.1.18", "2026.1.25")
RECIPES = ("small", "week2", "week3", "week4")
_ALLOWED_MIB = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a soak found. Memory is of the process that lived through it all."""

    bars: int
    levels: Mapping[str, int]
    versions: Mapping[str, int]
    actions: Mapping[str, int]
    restarts: int
    changes: int
    outage_bars: int
    memory_after_warm_up_mib: float
    memory_at_end_mib: float
    problems: tuple[str, ...]


def main() -> int:
    """Live the month twice and judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args()
    work = args.cache / "soak"
    shutil.rmtree(work, ignore_errors=True)
    timeline = plan(args.days, VERSIONS, args.seed)
    say("publish four versions")
    order = _publish(work, args.cache, timeline)
    python = python_of("runtime", args.cache)
    say("one process lives through the month")
    whole = _live(python, work, "whole", [(0, timeline.bars)])
    say(f"the same month with {len(timeline.restarts)} restarts")
    stops = [0, *timeline.restarts, timeline.bars]
    parts = _live(python, work, "restarted", list(itertools.pairwise(stops)))
    verdict = judge(timeline, order, whole[0], parts)
    out = Path(__file__).resolve().parent / "results"
    out.mkdir(exist_ok=True)
    text = json.dumps(codec.encode(verdict), indent=1)
    (out / "soak.json").write_text(text + "\n")
    print(text)
    return 1 if verdict.problems else 0


def _publish(work: Path, cache: Path, timeline: Timeline) -> FeatureOrder:
    """Train and publish the versions, pin the first; write what the bot reads."""
    runs = [reference(name, cache) for name in RECIPES]
    for number, (run, version) in enumerate(zip(runs, VERSIONS, strict=True)):
        words = ["convert", "--run", str(run), "--store", str(work / "store"), "--version", version]
        with contextlib.redirect_stdout(sys.stderr):
            status = gradus([*words, *(["--pin"] if number == 0 else [])])
        if status:
            raise RuntimeError(f"version {version} could not be published")
    order = feature_order.load(runs[0] / "feature_order.json")
    rows = np.load(runs[0] / "holdout.npz")["features"]
    np.save(work / "rows.npy", rows[np.arange(timeline.bars) % len(rows)])
    groups = {g.name: [f.name for f in g.features] for g in order.groups}
    end = run_folder.load(runs[0]).provenance.data_end
    if end is None:
        raise RuntimeError("a run must say when its data ended")
    start = float(np.datetime64(end.rstrip("Z")).astype("datetime64[s]").astype(int))
    (work / "groups.json").write_text(json.dumps(groups))
    (work / "start.json").write_text(json.dumps(start))
    (work / "timeline.json").write_text(json.dumps(codec.encode(timeline)))
    return order


def _live(python: Path, work: Path, name: str, spans: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Run the bot over some spans of bars, each in a process of its own, on a copy of the store."""
    store = work / f"store-{name}"
    shutil.copytree(work / "store", store)
    results = []
    for first, last in spans:
        words = [
            "-m",
            "benchmarks.soak_bot",
            str(store),
            str(work),
            "--first",
            str(first),
            "--last",
            str(last),
        ]
        done = subprocess.run(
            [str(python), *words], capture_output=True, text=True, check=False, cwd=ROOT, timeout=3600
        )
        if done.returncode:
            raise RuntimeError(f"the bot died between bars {first} and {last}: {done.stderr[-2000:]}")
        *decisions, summary = (json.loads(line) for line in done.stdout.splitlines())
        results.append({"decisions": decisions, **summary})
    return results


def expected_level(timeline: Timeline, order: FeatureOrder, bar: int) -> str:
    """Return the best level whose groups are all there, or "fallback"."""
    outage = timeline.outage(bar)
    gone = set(outage.groups) if outage else set()
    return next((level.name for level in order.levels if not gone & set(level.groups)), "fallback")


def judge(
    timeline: Timeline, order: FeatureOrder, whole: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]
) -> Verdict:
    """Hold what the two bots report against what must be.

    Args:
        timeline: What happened.
        order: The feature order of the artifacts.
        whole: What the process that lived through it all printed.
        parts: What the restarted processes printed, in order.
    """
    decisions = whole["decisions"]
    again = [decision for part in parts for decision in part["decisions"]]
    problems = [
        f"health: {text} ({n} bars)" for part in (whole, *parts) for text, n in part["unwell"].items()
    ]
    for bar, decision in enumerate(decisions):
        expected = expected_level(timeline, order, bar)
        if decision[0] != expected:
            problems.append(f"bar {bar}: {decision[0]} served where {expected} was due")
        if bar >= len(again) or again[bar] != decision:
            problems.append(f"bar {bar}: a restarted bot decided otherwise")
    warm, end = _memory(whole["resident_mib"])
    if end > warm + _ALLOWED_MIB:
        problems.append(f"memory grew from {warm:.1f} to {end:.1f} MiB")
    if len(decisions) != timeline.bars:
        problems.append(f"{len(decisions)} decisions for {timeline.bars} bars")
    return Verdict(
        bars=timeline.bars,
        levels=dict(Counter(d[0] for d in decisions)),
        versions=dict(Counter(d[1] for d in decisions)),
        actions=dict(Counter(d[2] for d in decisions)),
        restarts=len(timeline.restarts),
        changes=len(timeline.changes),
        outage_bars=sum(o.stop - o.start for o in timeline.outages),
        memory_after_warm_up_mib=warm,
        memory_at_end_mib=end,
        problems=tuple(problems[:20]),
    )


def _memory(by_day: Mapping[str, float]) -> tuple[float, float]:
    """Return the largest daily reading of the warm-up, and of as many days at the end."""
    readings = [by_day[str(day)] for day in range(1, len(by_day) + 1)]
    return max(readings[:WARM_UP_DAYS]), max(readings[-WARM_UP_DAYS:])


if __name__ == "__main__":
    sys.exit(main())
