"""A bot's quarter with its journal: outages, restarts, reloads, full disks, and kill -9 at random moments.

`make live-soak` lives the quarter; the short form, some days of it, is part of the suite.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.soak.bot import Plan
from tests.support.golden import OLDER_TRIO, TRIO, trio_store

from gradus_runtime import Store
from gradus_runtime.cli import main
from gradus_runtime.journal import read_journal

ROOT = Path(__file__).resolve().parents[2]
DAY = 96
ALLOWED = 2 << 20
"""Bytes that a process may grow after its warm-up, and that a journal may take."""


def start(plan: Plan) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soak.bot", json.dumps(dataclasses.asdict(plan))],
        cwd=ROOT,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The whole lines of a bot; what it was saying when it was killed was not said."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield json.loads(line)


def live(store: Store, journal: Path, bars: int, kills: int, seed: int) -> list[dict[str, Any]]:
    """Live so many bars; the process is killed now and then, and begins again after the last bar it said."""
    rng = random.Random(seed)
    points = sorted(rng.sample(range(1, bars), kills))
    heard: list[dict[str, Any]] = []
    first = 0
    while first < bars:
        process = start(Plan(str(store.path), str(journal), first, bars, seed))
        point = next((p for p in points if p > first), None)
        for line in said(process):
            heard.append(line)
            if line["bar"] % (7 * DAY) == 3 * DAY:
                store.pin(rng.choice((TRIO.name, OLDER_TRIO.name)), actor="soak")
            if line["bar"] == point:
                time.sleep(rng.random() * 0.003)
                process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == (0 if heard[-1]["bar"] == bars - 1 else -signal.SIGKILL)
        first = heard[-1]["bar"] + 1
    return heard


def soak(tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, kills: int) -> None:
    store = trio_store(tmp_path / "store")
    journal = tmp_path / "journal"
    heard = live(store, journal, days * DAY, kills, seed=days)
    content = read_journal([journal])
    found = {line.id for line in content.decisions}
    acknowledged = {line["id"] for line in heard if line["written"]}
    refused = [line for line in heard if not line["written"]]
    assert acknowledged <= found, "an acknowledged line is lost"
    assert content.damaged == ()
    assert content.torn == 0
    assert refused, "the disk was never full"
    assert not {line["id"] for line in refused} & found
    assert main(["replay", "--journal", str(journal), "--store", str(store.path), "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert (replayed["replayed"], replayed["different"]) == (len(found), 0)
    assert sum(level["same"] for level in replayed["levels"]) == len(found)
    assert {level["level"] for level in replayed["levels"]} >= {"level1", "level2", "level3"}
    print(
        f"{days} days: {len(heard)} decisions heard, {len(found)} lines, {len(refused)} refused by a full "
        f"disk, {kills} kills, {replayed['replayed']} replayed with the same bits"
    )


def memory(tmp_path: Path, days: int, journal: bool) -> list[int]:
    """Memory at the end of each day of a process that lives through it all."""
    store = trio_store(tmp_path / ("with" if journal else "without"))
    where = str(tmp_path / "journal") if journal else None
    health = str(tmp_path / "health.json") if journal else None
    plan = Plan(str(store.path), where, 0, days * DAY, faults=False, sync="never", health_file=health)
    process = start(plan)
    found = [line["resident"] for line in said(process) if line["resident"] is not None]
    assert process.wait() == 0
    return found


def check_memory(tmp_path: Path, days: int) -> None:
    kept, bare = memory(tmp_path, days, journal=True), memory(tmp_path, days, journal=False)
    warm = min(3, days - 1)
    print(
        f"memory: {(kept[-1] - kept[warm]) / 2**20:+.2f} MiB after the warm-up; a journal, a health file and "
        f"metrics take {(kept[-1] - bare[-1]) / 2**20:.2f} MiB"
    )
    assert kept[-1] - kept[warm] <= ALLOWED
    assert kept[-1] - bare[-1] <= ALLOWED


def test_no_acknowledged_line_is_lost_in_some_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soak(tmp_path, capsys, days=5, kills=4)


def test_memory_stays_in_some_days(tmp_path: Path) -> None:
    check_memory(tmp_path, days=5)


@pytest.mark.long
def test_no_acknowledged_line_is_lost_in_a_quarter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soak(tmp_path, capsys, days=91, kills=60)


@pytest.mark.long
def test_memory_stays_in_a_quarter(tmp_path: Path) -> None:
    check_memory(tmp_path, days=91)
