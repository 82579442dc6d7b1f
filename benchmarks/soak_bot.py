"""The bot of the soak, alone with the runtime in its process and its environment.

`python -m benchmarks.soak_bot STORE WORK --first BAR --last BAR` reads what `soak` left in WORK and prints a
JSON value a bar, then one about itself.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timeline import BARS_A_DAY, Change, Outage, Timeline
from gradus_runtime import Predictor
from gradus_runtime.contracts import codec

_BAR_SECONDS = 900
_POLLS = 15
"""The bot looks at the pin every simulated minute."""


class Bot:
    """A predictor on the simulated clock, and the rows that the market gives it.

    Args:
        store: The artifact store.
        work: Folder with `rows.npy`, float32 [bars, F], `groups.json`, and `timeline.json`.
        first: The bar it starts at.
    """

    def __init__(self, store: Path, work: Path, first: int) -> None:
        self._store = store
        self.timeline = codec.decode(
            Timeline, json.loads((work / "timeline.json").read_text()), place="timeline"
        )
        self._rows = np.load(work / "rows.npy")
        self._groups: dict[str, list[str]] = json.loads((work / "groups.json").read_text())
        self._start: float = json.loads((work / "start.json").read_text())
        self._bar = first
        self._predictor = Predictor.open(store, clock=self._now)
        self._names = [str(n) for n in self._predictor.feature_names_in_]

    def live(self, bar: int) -> list[Any]:
        """Live through one bar; return level, version, action and probabilities."""
        self._bar = bar
        change = self.timeline.change(bar)
        if change is not None:
            self._pin(change)
        for _ in range(_POLLS):
            self._predictor.reload_if_changed()
        row: dict[str, Any] = dict(zip(self._names, self._rows[bar].tolist(), strict=True))
        outage = self.timeline.outage(bar)
        told = () if outage is None else self._lose(row, outage)
        decision = self._predictor.decide(row, unavailable=told)
        return [decision.level, decision.version, decision.action, list(decision.probabilities.values())]

    def unwell(self) -> str | None:
        """Say what `health()` complains about."""
        health = self._predictor.health()
        return None if health.status == "ok" else f"{health.status}: {health}"

    def _now(self) -> float:
        return self._start + self._bar * _BAR_SECONDS

    def _lose(self, row: dict[str, Any], outage: Outage) -> tuple[str, ...]:
        if outage.how == "told":
            return outage.groups
        for name in (n for group in outage.groups for n in self._groups[group]):
            if outage.how == "absent":
                del row[name]
            else:
                row[name] = None if outage.how == "none" else math.nan
        return ()

    def _pin(self, change: Change) -> None:
        """Move the pin as an operator does, from another process."""
        gradus = Path(sys.executable).with_name("gradus")
        words = ["rollback"] if change.version is None else ["pin", change.version]
        subprocess.run(
            [str(gradus), *words, "--store", str(self._store)], check=True, stdout=subprocess.DEVNULL
        )


def resident_mib() -> float:
    """Return the resident memory of this process, in MiB: VmRSS of proc_pid_status(5).

    Garbage is collected and free memory given back before, so that it is what the process holds, not what its
    allocator keeps for later: that swings by a mebibyte from day to day.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):  # the C library has no malloc_trim(3)
        ctypes.CDLL(None).malloc_trim(0)
    match = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if match is None:
        raise OSError("/proc/self/status has no VmRSS")
    return int(match[1]) / 1024


def main() -> None:
    """Live from the first bar up to the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    args = parser.parse_args()
    bot = Bot(args.store, args.work, args.first)
    resident: dict[str, float] = {}
    unwell = Counter[str]()
    for bar in range(args.first, args.last):
        print(json.dumps(bot.live(bar)))
        if (complaint := bot.unwell()) is not None:
            unwell[complaint] += 1
        if bar % BARS_A_DAY == BARS_A_DAY - 1:
            resident[str(bar // BARS_A_DAY + 1)] = resident_mib()
    print(json.dumps({"resident_mib": resident, "unwell": unwell}))


if __name__ == "__main__":
    main()
