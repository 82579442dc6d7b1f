"""Tables that threads share: the answers and the counts for `drift()` are those of one thread."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.runtime.test_interruptions import alarms
from tests.runtime.test_session import compact
from tests.support.golden import TRIO, TRIO_NAMES, variant

from gradus_runtime import Predictor
from gradus_runtime.monitoring.bins import Bins, Parts
from gradus_runtime.rows.arrays import ArrayRows
from gradus_runtime.sessions.level_session import MIN_ALSO, LevelSession
from gradus_runtime.sessions.onnx_session import OnnxSession

NAMES = list(TRIO_NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = variant(TRIO, tmp_path_factory.mktemp("shared") / "v", change=compact)
    return made


def table(count: int, *, whole: bool = True) -> np.ndarray:
    rows = np.random.default_rng(3).normal(0, 1.5, (count, 9)).astype(np.float32)
    if not whole:
        rows[::7, 7] = np.nan
        rows[::11, 4] = np.inf
    return rows


def counted(bot: Predictor) -> dict[str, Any]:
    counts = bot._active[0].counts
    assert counts is not None
    totals = counts.settle()
    names = ("rows", "bins", "classes", "levels", "missing", "out", "confidences", "confidence_sum")
    return {name: np.asarray(getattr(totals, name)).tolist() for name in names}


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """The parts that are counted, and whether the caller's thread does it."""
    found: list[tuple[int, int, bool]] = []
    real = Parts.count

    def count(self: Parts, first: int, last: int) -> None:
        found.append((first, last, _thread.get_ident() == threading.main_thread().ident))
        real(self, first, last)

    monkeypatch.setattr(Parts, "count", count)
    return found


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("whole", [True, False])
def test_answers_and_counts_are_those_of_one_thread_to_the_bit(
    folder: Path, threads: int, whole: bool
) -> None:
    rows = table(9000, whole=whole)
    with Predictor.open(folder) as one, Predictor.open(folder, threads=threads) as several:
        for part in (rows, rows[:5], rows[:2048], rows[:2049], rows[:4096], rows[:0], rows[: MIN_ALSO + 1]):
            expected, got = one.predict(part, names=NAMES), several.predict(part, names=NAMES)
            assert got.probabilities.tobytes() == expected.probabilities.tobytes()
            assert got.levels.tolist() == expected.levels.tolist()
            assert counted(several) == counted(one)


@pytest.mark.parametrize(("threads", "most", "chunks"), [(1, 2048, 10), (2, 8192, 3)])
def test_rows_are_converted_2048_at_a_time_and_8192_for_several_threads(
    folder: Path, threads: int, most: int, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    real = ArrayRows.block

    def block(self: ArrayRows, start: int, stop: int) -> Any:
        found.append(stop - start)
        return real(self, start, stop)

    monkeypatch.setattr(ArrayRows, "block", block)
    with Predictor.open(folder, threads=threads) as bot:
        for count in (most, most + 1, 20_000):
            found.clear()
            bot.predict(table(count), names=NAMES)
            assert sum(found) == count
            assert len(found) == {most: 1, most + 1: 2, 20_000: chunks}[count]
            assert max(found) - min(found) <= len(found)


def test_each_thread_counts_a_part_of_every_chunk_and_no_row_is_counted_twice(
    folder: Path, shares: list[tuple[int, int, bool]]
) -> None:
    with Predictor.open(folder, threads=3) as bot:
        bot.predict(table(24000), names=NAMES)
    assert len(shares) == 9
    assert {(first, last, caller) for first, last, caller in shares} == {
        (0, 2666, True),
        (2666, 5333, False),
        (5333, 8000, False),
    }


def test_small_parts_are_left_to_the_caller(folder: Path, shares: list[tuple[int, int, bool]]) -> None:
    with Predictor.open(folder, threads=2, memory_budget=64 * 1024) as bot:
        bot.predict(table(2 * MIN_ALSO - 1), names=NAMES)
        assert shares == []
        bot.predict(table(2 * MIN_ALSO), names=NAMES)
        assert len(shares) == 2
        assert counted(bot)["rows"] == 4 * MIN_ALSO - 1


def test_parts_without_memory_are_counted_when_there_is_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, real = table(2000), Bins.of

    def of(self: Bins, values: np.ndarray) -> Any:
        if len(values) < 2000:
            raise MemoryError("no room")
        return real(self, values)

    with Predictor.open(folder) as one, Predictor.open(folder, threads=2) as two:
        one.predict(rows, names=NAMES)
        monkeypatch.setattr(Bins, "of", of)
        two.predict(rows, names=NAMES)
        assert counted(two) == counted(one)
        assert two.health().status == "ok"


def test_a_level_that_fails_midway_counts_no_row_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, real = table(2000), LevelSession.score

    def score(self: LevelSession, features: Any, out: Any, also: Any) -> None:
        real(self, features, out, also)
        if features.shape[1] == 9:
            raise RuntimeException("lost")

    with Predictor.open(folder) as one, Predictor.open(folder, threads=2) as two:
        monkeypatch.setattr(LevelSession, "score", score)
        assert set(one.predict(rows, names=NAMES).levels.tolist()) == {"level2"}
        assert set(two.predict(rows, names=NAMES).levels.tolist()) == {"level2"}
        assert counted(two) == counted(one)


class Helped:
    """A session whose blocks in other threads than the caller's go by `helper`; the caller's wait for one."""

    def __init__(self, level: LevelSession, helper: Callable[[Any], None]) -> None:
        self._real, self._helper = level.for_tables().session, helper
        self._began = threading.Event()

    def run(self, names: list[str], feeds: dict[str, Any]) -> Any:
        if _thread.get_ident() == threading.main_thread().ident:
            assert self._began.wait(60)
        else:
            self._began.set()
            self._helper(feeds)
        return self._real.run(names, feeds)


def test_the_caller_waits_for_the_last_block_of_a_helper(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(2000)
    with Predictor.open(folder) as one, Predictor.open(folder, threads=2, preload=True) as two:
        session = two._active[0].slots[0].session
        assert session is not None
        slow = OnnxSession(Helped(session, lambda _: time.sleep(0.2)), [])
        monkeypatch.setattr(session, "for_tables", lambda: slow)
        assert (two.predict_proba(rows, names=NAMES) == one.predict_proba(rows, names=NAMES)).all()


def test_a_failure_of_a_helper_alone_takes_the_level_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(feeds: Any) -> None:
        raise RuntimeException("lost")

    with Predictor.open(folder, threads=2, preload=True) as two:
        session = two._active[0].slots[0].session
        assert session is not None
        failing = OnnxSession(Helped(session, fail), [])
        monkeypatch.setattr(session, "for_tables", lambda: failing)
        assert set(two.predict(table(2000), names=NAMES).levels.tolist()) == {"level2"}
        assert two.health().levels[0].problem == "RuntimeException: lost"


def test_a_session_is_in_use_as_long_as_a_helper_runs_that_nobody_waits_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def hold(feeds: Any) -> None:
        main, looks = threading.main_thread().ident, 0
        assert main is not None
        while looks < 10:  # until the caller does nothing but wait for this thread
            time.sleep(0.01)
            looks = looks + 1 if sys._current_frames()[main].f_code.co_name == "_score_together" else 0
        os.kill(os.getpid(), signal.SIGALRM)  # the handler runs in the caller's thread
        go.wait(60)

    with Predictor.open(folder, threads=2, preload=True) as two:
        session = two._active[0].slots[0].session
        assert session is not None
        held = OnnxSession(Helped(session, hold), [])
        monkeypatch.setattr(session, "for_tables", lambda: held)
        with alarms(ValueError, 60.0), pytest.raises(ValueError, match="the bar is over"):
            two.predict(table(2000), names=NAMES)
        assert session._running == 1
        go.set()
        deadline = time.monotonic() + 60
        while session._running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session._running == 0


def test_no_thread_is_left_when_a_table_is_answered(folder: Path) -> None:
    with Predictor.open(folder, threads=4) as bot:
        before = _thread._count()
        for _ in range(20):
            bot.predict(table(2048), names=NAMES)
        assert _thread._count() <= before + 3  # those of the last chunk may be about to end
