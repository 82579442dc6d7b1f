"""Children of a bot that is busy: each decides, none hangs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.golden import TRIO, full_row, golden_rows, trio_store, variant

import gradus_runtime
from gradus_runtime.sessions.forking import LATE

SCRIPT = """
import json, os, signal, sys, threading, time, warnings
import numpy as np
from gradus_runtime import Predictor

warnings.simplefilter("ignore")
source, children, threads, what, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], 20.0
row, rows = json.loads(sys.stdin.read())
names, table = list(row), np.array(rows, np.float32)
many = np.tile(table, (20, 1))
bot = Predictor.open(source, threads=threads, memory_budget=64 * 1024)
expected = list(bot.decide(row).probabilities.values())
over = False

def busy():
    while not over:
        if "load" in what:
            for slot in bot._active[0].slots:
                slot.release()
        if "decide" in what:
            for _ in range(20):
                bot.decide(row)
        if "table" in what:
            bot.predict(many, names=names)
        if "drift" in what:
            bot.drift()
        if "reload" in what:
            os.utime(os.path.join(source, "pin.json"))
            bot.reload_if_changed()

def child():
    answers = [bot.decide(row) for _ in range(300)]
    assert {a.level for a in answers} == {"level1"}, answers[-1]
    assert list(answers[-1].probabilities.values()) == expected
    assert set(bot.predict(many, names=names).levels.tolist()) == {"level1"}
    assert bot.drift().rows > 0
    bot.reload_if_changed()
    assert bot.health().status == "ok", bot.health()
    bot.close()

workers = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
for worker in workers:
    worker.start()
outcomes = {"ended": 0, "failed": 0, "hung": 0}
for _ in range(children):
    time.sleep(0.003)
    pid = os.fork()
    if not pid:
        try:
            child()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            outcomes["ended" if status == 0 else "failed"] += 1
            break
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            outcomes["hung"] += 1
            break
        time.sleep(0.002)
over = True
for worker in workers:
    worker.join()
print(json.dumps(outcomes))
"""


def forked(source: Path, children: int, threads: int, what: str) -> dict[str, int]:
    """Fork a bot while three threads are at `what`; count how the children end."""
    given = json.dumps([full_row(), golden_rows()["features"].tolist()])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(source), str(children), str(threads), what],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stderr[-2000:])
    outcomes: dict[str, int] = json.loads(done.stdout)
    return outcomes


CASES = [
    (1, "decide drift"),
    (1, "load decide"),
    (1, "table"),
    (1, "reload decide"),
    (3, "load table decide"),
]


@pytest.mark.parametrize(("threads", "what"), CASES)
def test_no_child_of_a_busy_bot_hangs(tmp_path: Path, threads: int, what: str) -> None:
    store = trio_store(tmp_path / "trio")
    assert forked(store.path, 12, threads, what) == {"ended": 12, "failed": 0, "hung": 0}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_none_of_1000_children_of_a_busy_bot_hangs(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "trio")
    counts = {"ended": 0, "failed": 0, "hung": 0}
    for threads, what in CASES:
        for outcome, n in forked(store.path, 200, threads, what).items():
            counts[outcome] += n
    print(counts)
    assert counts == {"ended": 1000, "failed": 0, "hung": 0}


def test_threads_of_a_compact_batch_are_there_in_a_child(tmp_path: Path) -> None:
    from tests.runtime.test_session import compact

    folder = variant(TRIO, tmp_path / "v", change=compact)
    assert forked(folder, 8, 3, "table")["ended"] == 8


def late_imports() -> set[str]:
    """What functions of the runtime import, but for commands and candles."""
    root = Path(gradus_runtime.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0] in ("cli", "candles") or path.name == "__init__.py":
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module in ROOMS:
                    found |= {f"{node.module}.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(str(node.module))
    return found


ROOMS = ("gradus_runtime.serving", "gradus_runtime.store")
ELSEWHERE = {
    "numpy": "loaded with the package",
    "logging": "imported by the program, before anything is said",
    "zlib": "of zipfile",
    "importlib.metadata": "at opening",
    "gradus_runtime.policy.window": "at opening",
    "gradus_runtime.serving.recorder": "at opening",
    "gradus_runtime.store.bundle": "at opening",
    "gradus_runtime.candles": "at opening, of a version with a graph",
    "gradus_runtime.candles.reading": "at opening, of a version with a graph",
    "gradus_runtime.serving.feed": "at opening, of a version with a graph",
    "gradus_runtime.sessions.features_session": "at opening, of a version with a graph",
    "gradus_runtime.store.pinning": "of who writes a store",
    "gradus_runtime.store.steps": "of who writes a store",
    "gradus_runtime.store.write_lock": "of who writes a store",
}
"""Imports of functions that no call of an open predictor begins."""


def test_a_fork_loads_what_calls_load_at_their_first_use() -> None:
    assert late_imports() == {*LATE, *ELSEWHERE}
    program = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "from gradus_runtime import Predictor; Predictor.open(sys.argv[1])\n"
        "late = sys.argv[2:]; before = [m for m in late if m in sys.modules]\n"
        "pid = os.fork()\n"
        "if not pid: os._exit(0 if all(m in sys.modules for m in late) else 1)\n"
        "print(len(before)); sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    words = [sys.executable, "-c", program, str(TRIO), *LATE]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) < len(LATE)  # else this would test nothing
