"""What a journal costs: the time that it adds to a decision, the sync's own time, and memory.

    python -m benchmarks.journal_cost --store artifacts/demo

Each kind decides the same rows, the golden rows of the version, in processes of its own, one kind after
another in turns; a figure is the median of its processes' medians. The sync is measured in the same
folder by itself: an append of the bytes of a line, and fdatasync. Times are of this machine, as busy as
it is.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "main", "measure"]

KINDS: dict[str, dict[str, Any]] = {
    "without a journal": {},
    'sync="never"': {"journal": True, "sync": "never"},
    'sync="never", journal_rows=False': {"journal": True, "sync": "never", "journal_rows": False},
    'sync="second"': {"journal": True, "sync": "second"},
    'sync="decision"': {"journal": True, "sync": "decision"},
    'journal="-"': {"journal": "-"},
    "health_file= alone": {"health_file": True},
}
MOST_MS = 0.3
"""What a line may cost without its sync."""
MOST_MIB = 2.0


def anonymous_kib() -> int:
    """The anonymous memory of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Anonymous:")))


def measure(source: str, kind: str, folder: Path, decisions: int) -> dict[str, float]:
    """Decide in this process; return the median of a decision in microseconds, and its memory in KiB."""
    import numpy as np

    from gradus_runtime import Predictor
    from gradus_runtime.store import open_artifact

    with open_artifact(source) as artifact:
        names = artifact.manifest.feature_names
        with np.load(io.BytesIO(artifact.read("golden.npz")), allow_pickle=False) as golden:
            table = golden["features"].tolist()
    rows = [dict(zip(names, values, strict=True)) for values in table]
    options = dict(KINDS[kind])
    if options.get("journal") is True:
        options["journal"] = folder / "journal"
    if options.get("health_file"):
        options["health_file"] = folder / "health.json"
    took = []
    with Predictor.open(source, max_age_days=1e6, **options) as bot:
        for i in range(decisions + 100):
            row = rows[i % len(rows)]
            began = time.perf_counter_ns()
            bot.decide(row, at=1_767_225_600_000 + 900_000 * i)
            took.append(time.perf_counter_ns() - began)
        memory = anonymous_kib()
    return {"us": statistics.median(took[100:]) / 1000, "kib": memory}


def sync_ms(folder: Path, size: int = 811, times: int = 200) -> float:
    """Return the median time of an append of so many bytes and its sync, ms."""
    file = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    took = []
    for _ in range(times):
        os.write(file, b"x" * size)
        began = time.perf_counter_ns()
        os.fdatasync(file)
        took.append(time.perf_counter_ns() - began)
    os.close(file)
    return statistics.median(took) / 1e6


def in_process(source: str, kind: str, folder: str, decisions: int) -> dict[str, float]:
    """Measure a kind in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        arguments = [sys.executable, "-m", "benchmarks.journal_cost", "--store", source, "--kind", kind]
        done = subprocess.run(
            [*arguments, "--folder", own, "--decisions", str(decisions)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure every kind in turns, print a table, and end with 1 if a line costs more than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", required=True)
    parser.add_argument("--folder", default=".", help="a folder of the disk that is measured")
    parser.add_argument("--decisions", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind is not None:
        print(json.dumps(measure(args.store, args.kind, Path(args.folder), args.decisions)))
        return 0
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(args.rounds):
        for kind in KINDS:
            found[kind].append(in_process(args.store, kind, args.folder, args.decisions))
    with tempfile.TemporaryDirectory(dir=args.folder) as own:
        synced = sync_ms(Path(own))

    def median(kind: str, key: str) -> float:
        return statistics.median(one[key] for one in found[kind])

    bare_us, bare_kib = (median("without a journal", key) for key in ("us", "kib"))
    print(f"{'':34}{'us a decision':>14}{'added ms':>10}{'added MiB':>11}")
    for kind in KINDS:
        us, kib = median(kind, "us"), median(kind, "kib")
        print(f"{kind:34}{us:14.0f}{(us - bare_us) / 1000:10.3f}{(kib - bare_kib) / 1024:11.2f}")
    print(f"the sync of a line by itself: {synced:.2f} ms; load {os.getloadavg()[0]:.1f}")
    added = (median('sync="never"', "us") - bare_us) / 1000
    memory = max(median(kind, "kib") for kind in KINDS) / 1024 - bare_kib / 1024
    return 0 if added <= MOST_MS and memory <= MOST_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
