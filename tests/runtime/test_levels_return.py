"""What passes by itself disables nothing for good: a level that failed is tried again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.monitoring.health import LevelHealth
from gradus_runtime.sessions import level_session
from gradus_runtime.sessions.level_session import RowBuffer

MINUTE = 60.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def first(bot: Predictor) -> LevelHealth:
    return bot.health().levels[0]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def fail_level1(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int = 1) -> Callable[[], int]:
    """Let the next runs of level 1 raise; return what counts the runs that did."""
    real, done = RowBuffer.run, [0]

    def run(self: RowBuffer) -> tuple[float, ...]:
        if len(self.features) == len(TRIO_NAMES) and done[0] < times:
            done[0] += 1
            raise error
        return real(self)

    monkeypatch.setattr(RowBuffer, "run", run)
    return lambda: done[0]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeException("lost")])
def test_one_failure_while_serving_costs_a_minute(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with Predictor.open(TRIO, preload=True, monotonic=clock) as bot:
        fail_level1(monkeypatch, error)
        assert bot.decide(full_row()).level == "level2"
        clock.now += MINUTE - 1
        assert bot.decide(full_row()).level == "level2"
        assert bot.predict([full_row()] * 2).levels.tolist() == ["level2"] * 2
        assert bot.health().status == "degraded"
        clock.now += 1
        assert bot.decide(full_row()).level == "level1"
        assert bot.health().status == "ok"


def test_a_table_brings_the_level_back_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with Predictor.open(TRIO, preload=True, monotonic=clock) as bot:
        fail_level1(monkeypatch, MemoryError())
        bot.decide(full_row())
        clock.now += MINUTE
        assert bot.predict([full_row()] * 3).levels.tolist() == ["level1"] * 3


def test_the_pauses_are_1_2_4_8_16_and_then_always_30_minutes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Predictor.open(TRIO, monotonic=clock) as bot:
        tries = fail_level1(monkeypatch, MemoryError(), times=10**6)
        bot.decide(full_row())
        pauses = []
        for _ in range(8):
            before, start = tries(), clock.now
            while tries() == before:
                clock.now += MINUTE / 2
                assert bot.decide(full_row()).level == "level2"
            pauses.append((clock.now - start) / MINUTE)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_level_that_served_for_half_an_hour_starts_with_a_minute_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Predictor.open(TRIO, preload=True, monotonic=clock) as bot:
        for expected, served in ((1, 0.0), (2, 29 * MINUTE), (1, 31 * MINUTE)):
            clock.now += served
            assert bot.decide(full_row()).level == "level1"
            fail_level1(monkeypatch, MemoryError())
            assert bot.decide(full_row()).level == "level2"
            assert first(bot).tries == expected
            clock.now += expected * MINUTE
            assert bot.decide(full_row()).level == "level1"


def test_health_gives_cause_tries_and_the_time_of_the_next_one(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = 1793534400.0  # 2026-11-01T12:00:00Z
    with Predictor.open(TRIO, preload=True, clock=lambda: noon, monotonic=clock) as bot:
        assert first(bot) == LevelHealth("level1", "ready", None, 0, None, provider="cpu")
        fail_level1(monkeypatch, MemoryError(), times=2)
        bot.decide(full_row())
        clock.now += 20
        assert first(bot) == LevelHealth(
            "level1", "out of service", "MemoryError: ", 1, "2026-11-01T12:00:40+00:00", None, "cpu"
        )
        clock.now += 40
        bot.decide(full_row())
        assert (first(bot).tries, first(bot).next_try) == (2, "2026-11-01T12:02:00+00:00")


@pytest.mark.parametrize("name", ["level1.onnx", "golden.npz"])
@pytest.mark.parametrize("how", ["in place", "by rename"])
def test_a_damaged_file_that_is_repaired_serves_again(
    tmp_path: Path, clock: Clock, name: str, how: str
) -> None:
    folder = variant(TRIO, tmp_path / "v")
    whole = (folder / name).read_bytes()
    with Predictor.open(folder, monotonic=clock) as bot:
        flip(folder / name)
        assert bot.decide(full_row()).level != "level1"
        assert "a file must have the SHA-256" in (first(bot).problem or "")
        clock.now += MINUTE
        assert bot.decide(full_row()).level != "level1"
        assert first(bot).tries == 2
        if how == "in place":
            (folder / name).write_bytes(whole)
        else:
            (folder / "new").write_bytes(whole)
            (folder / "new").replace(folder / name)
        clock.now += 2 * MINUTE
        assert bot.decide(full_row()).level == "level1"


def test_a_version_whose_manifest_was_exchanged_is_not_taken_for_the_repaired_one(
    tmp_path: Path, clock: Clock
) -> None:
    folder = variant(TRIO, tmp_path / "v")
    with Predictor.open(folder, monotonic=clock) as bot:
        flip(folder / "level1.onnx")
        bot.decide(full_row())
        shutil.rmtree(folder)
        golden = {name: rows.copy() for name, rows in golden_rows().items()}
        from tests.support.golden import changed

        variant(TRIO, folder, change=changed(aliases={}))
        assert golden
        clock.now += MINUTE
        assert bot.decide(full_row()).level == "level2"


def test_a_reload_tries_at_once(tmp_path: Path, clock: Clock) -> None:
    folder = variant(TRIO, tmp_path / "v")
    whole = (folder / "level1.onnx").read_bytes()
    with Predictor.open(folder, monotonic=clock) as bot:
        flip(folder / "level1.onnx")
        bot.decide(full_row())
        (folder / "level1.onnx").write_bytes(whole)
        assert bot.decide(full_row()).level == "level2"
        assert not bot.reload_if_changed()
        assert bot.health().status == "ok"
        assert bot.decide(full_row()).level == "level1"


@pytest.mark.parametrize("how", ["pin", "touch"])
def test_a_pin_of_the_same_version_tries_at_once(tmp_path: Path, clock: Clock, how: str) -> None:
    store = trio_store(tmp_path / "trio")
    path = store.path / "versions" / "2026.11.21" / "level1.onnx"
    with Predictor.open(store.path, monotonic=clock) as bot:
        whole = path.read_bytes()
        flip(path)
        bot.decide(full_row())
        path.write_bytes(whole)
        if how == "pin":
            store.pin("2026.11.14", actor="test")
            store.pin("2026.11.21", actor="test")
        else:
            (store.path / "pin.json").touch()
        assert not bot.reload_if_changed()
        assert bot.decide(full_row()).level == "level1"


def test_a_thread_that_cannot_be_started_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.runtime.test_session import compact

    folder = variant(TRIO, tmp_path / "v", change=compact)
    table = np.tile(golden_rows()["features"], (40, 1))

    def start(*args: Any) -> int:
        raise RuntimeError("can't start new thread")

    with Predictor.open(folder, threads=3, memory_budget=100 * 1024) as bot:
        bot.predict([full_row()])
        monkeypatch.setattr(level_session, "start_new_thread", start)
        predictions = bot.predict(table, names=list(TRIO_NAMES))
    assert set(predictions.levels.tolist()) == {"level1"}
    assert np.abs(predictions.probabilities - np.tile(golden_rows()["level1"], (40, 1))).max() < 1e-6


def test_a_thread_that_onnxruntime_cannot_start_is_a_passing_failure(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    real = onnxruntime.InferenceSession

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("env.cc:327 pthread_create failed, error code: 11")  # its words

    with Predictor.open(TRIO, threads=2, monotonic=clock) as bot:
        monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
        assert bot.decide(full_row()).level == "fallback"
        assert "pthread_create failed" in (first(bot).problem or "")
        monkeypatch.setattr(onnxruntime, "InferenceSession", real)
        clock.now += MINUTE
        assert bot.decide(full_row()).level == "level1"
    assert capfd.readouterr().out == ""


def descriptors_on(path: Path) -> list[int]:
    """Descriptors of this process that are open on a file, or on files of a folder."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = link.readlink()
        except FileNotFoundError:
            continue
        if target == path or path in target.parents:
            found.append(int(link.name))
    return found


def test_descriptors_that_somebody_closed_cost_nothing_and_are_not_closed_again(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "trio")
    bot = Predictor.open(store.path)
    own = descriptors_on(store.path / "versions" / "2026.11.21")
    assert own
    for number in own:
        os.close(number)
    theirs = []
    for number in own:
        (tmp_path / f"theirs{number}").write_bytes(b"theirs")
        theirs.append(os.open(tmp_path / f"theirs{number}", os.O_RDONLY))
    assert set(theirs) & set(own)
    assert bot.decide(full_row()).level == "level1"
    assert bot.decide({**full_row(), "vix": None}).level == "level2"
    assert bot.health().status == "ok"
    bot.close()
    del bot
    for descriptor in theirs:
        assert os.read(descriptor, 6) == b"theirs"
        os.close(descriptor)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_files_that_are_opened_again_under_the_same_numbers_stay_open(tmp_path: Path, form: str) -> None:
    from gradus_runtime.store.bundle import zip_bytes

    path = tmp_path / "trio.zip"
    if form == "zip":
        path.write_bytes(zip_bytes({file.name: file.read_bytes() for file in TRIO.iterdir()}))
    else:
        path = variant(TRIO, tmp_path / "v")
    with Predictor.open(path) as bot:
        for number in descriptors_on(path):
            os.close(number)
        assert bot.decide(full_row()).level == "level1"
        assert bot.decide({**full_row(), "vix": None}).level == "level2"
        assert len(descriptors_on(path)) == (1 if form == "zip" else 6)
    assert descriptors_on(path) == []


def test_a_relative_store_means_the_same_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = trio_store(tmp_path / "here" / "trio", pinned="2026.11.14")
    trio_store(tmp_path / "there" / "trio", pinned="2026.11.14").pin("2026.11.21", actor="another bot")
    monkeypatch.chdir(tmp_path / "here")
    with Predictor.open("trio") as bot:
        bot.decide(full_row())
        monkeypatch.chdir(tmp_path / "there")
        assert not bot.reload_if_changed()
        assert bot.info().version == "2026.11.14"
        store.pin("2026.11.21", actor="test")
        assert bot.reload_if_changed()
        assert bot.health().status == "ok"
        flip(store.path / "versions" / "2026.11.21" / "level2.onnx")
        assert bot.decide({**full_row(), "vix": None}).level == "level3"


def test_a_closed_predictor_says_that_it_is_closed(tmp_path: Path) -> None:
    bot = Predictor.open(TRIO)
    bot.decide(full_row())
    bot.close()
    why = ("the predictor is closed: open another one",)
    assert (bot.decide(full_row()).level, bot.decide(full_row()).reasons) == ("fallback", why)
    assert bot.predict([full_row()]).reasons[0] == why
    assert (bot.health().status, bot.health().halted) == ("failed", why[0])
    assert not bot.reload_if_changed()
    bot.close()


def test_a_predictor_that_is_pickled_or_copied_opens_its_source_anew(tmp_path: Path) -> None:
    import copy
    import pickle

    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(store.path, confidence_threshold=0.125, drift=False) as bot:
        data = pickle.dumps(bot)
        store.pin("2026.11.21", actor="test")
        for other in (pickle.loads(data), copy.copy(bot), copy.deepcopy(bot)):
            with other:
                assert other.info().version == "2026.11.21"
                assert other.info().confidence_threshold == 0.125
                assert other._source.settings == bot._source.settings
                assert other.decide(full_row()).level == "level1"
        assert bot.info().version == "2026.11.14"


def test_a_predictor_in_a_spawned_process_answers_the_same(tmp_path: Path) -> None:
    import multiprocessing

    with Predictor.open(TRIO) as bot, multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(bot.decide, (full_row(),)) == bot.decide(full_row())
