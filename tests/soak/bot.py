"""The bot of the live soak, alone in its process: `python -m tests.soak.bot '{"store": ..., ...}'`.

It decides once a bar and, when `decide` has returned, says so in a line of JSON. Whatever happens to the disk
happens here; what kills it comes from outside.
"""

from __future__ import annotations

import errno
import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.golden import full_row

from gradus_runtime import Predictor
from gradus_runtime.journal import folder as folders

BAR_SECONDS = 900
START = 1_767_225_600
GROUPS = (("usd_jpy", "vix", "dxy"), ("dxy",), ("breakout", "reversal"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bot is told."""

    store: str
    journal: str | None
    first: int
    last: int
    seed: int = 0
    faults: bool = True
    sync: str = "decision"
    health_file: str | None = None


class FullDisk:
    """The module `os` for the journal's folder: writing fails, after some bytes, while `full`."""

    def __init__(self) -> None:
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return self._write if name == "write" else getattr(os, name)

    def _write(self, file: int, data: Any) -> int:
        if self.full:
            os.write(file, bytes(data)[: len(data) // 3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(file, data)


def row_at(bar: int, seed: int) -> dict[str, Any]:
    """The row of a bar: the same for every process that gets there; groups are missing in outages."""
    row = full_row(random.Random(bar).randrange(32))
    outage = random.Random(seed * 1_000_003 + bar // 8)
    if outage.random() < 0.1:
        for name in outage.choice(GROUPS):
            row[name] = None
    return row


def resident() -> int:
    """Bytes of this process in memory that are its own."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Live from one bar to another."""
    plan = Plan(**json.loads(sys.argv[1]))
    disk = FullDisk()
    folders.os = disk  # type: ignore[assignment]
    bar = plan.first

    def clock() -> float:
        return START + bar * BAR_SECONDS + 1.5

    options = {} if plan.journal is None else {"journal": plan.journal, "sync": plan.sync}
    if plan.health_file is not None:
        options["health_file"] = plan.health_file
    with Predictor.open(plan.store, max_age_days=1e5, clock=clock, **options) as bot:
        for bar in range(plan.first, plan.last):
            disk.full = plan.faults and random.Random(plan.seed + 7 * (bar // 5)).random() < 0.05
            if bar % 4 == 0:
                bot.reload_if_changed()
            decision = bot.decide(row_at(bar, plan.seed), at=(START + (bar - 1) * BAR_SECONDS) * 1000)
            health = bot.health().journal
            said = {
                "bar": bar,
                "id": decision.id,
                "written": health is not None and health.problem is None,
                "drift_rows": bot.drift().rows if bar % 96 == 95 else None,
                "resident": resident() if bar % 96 == 95 else None,
            }
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
