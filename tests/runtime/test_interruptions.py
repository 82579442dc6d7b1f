"""Exceptions of signal handlers come out of every call and change nothing; those of log handlers never do."""

from __future__ import annotations

import functools
import io
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tests.runtime.test_session import compact
from tests.support.alarms import in_coverage
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.errors import let_signals_through
from gradus_runtime.log import WARNING, say
from gradus_runtime.serving.level_slot import LevelSlot


class BarTimeoutError(Exception):
    """What a bot's own alarm raises."""


KINDS: list[type[Exception]] = [
    BarTimeoutError,
    TimeoutError,  # an OSError
    ValueError,
    IndexError,
    TypeError,
    RuntimeError,
    AttributeError,
    MemoryError,
]


@contextmanager
def alarms(kind: type[BaseException], seconds: float) -> Iterator[None]:
    """Let an alarm raise after so long, once."""

    def ring(number: int, frame: FrameType | None) -> None:
        if frame is not None and in_coverage(frame):
            signal.setitimer(signal.ITIMER_REAL, 1e-4)
            return
        raise kind("the bar is over")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupt(call: Callable[[], object], kind: type[Exception], times: int, longest: float) -> int:
    """Call under alarms at random moments; return how many came out. Nothing else may."""
    random = np.random.default_rng(7)
    out = 0
    for _ in range(times):
        came: Exception | None = None
        try:
            with alarms(kind, float(random.uniform(1e-6, longest))):
                call()
        except Exception as e:
            came = e
        if came is not None:
            assert (type(came), str(came)) == (kind, "the bar is over")
            out += 1
    return out


def state(bot: Predictor) -> list[str | None]:
    return [level.problem for level in bot.health().levels]


@pytest.mark.parametrize("kind", KINDS)
def test_alarms_in_decide_come_out_and_cost_no_level(kind: type[Exception]) -> None:
    rows = [full_row(), {**full_row(), "vix": None}, {**full_row(), "breakout": "x"}, {}]
    with Predictor.open(TRIO) as bot:
        expected = [bot.decide(row) for row in rows]

        def call() -> None:
            for row in rows * 2:
                bot.decide(row)

        assert interrupt(call, kind, 150, 4e-4) > 10
        assert state(bot) == [None] * 3
        assert [bot.decide(row) for row in rows] == expected
        assert bot.health().status == "ok"


@pytest.mark.parametrize("kind", KINDS)
def test_alarms_while_a_level_loads_come_out_and_cost_no_level(kind: type[Exception]) -> None:
    with Predictor.open(TRIO) as bot:

        def call() -> None:
            for slot in bot._active[0].slots:
                slot.release()
            bot.decide(full_row())

        assert interrupt(call, kind, 150, 6e-3) > 10
        assert state(bot) == [None] * 3
        assert bot.decide(full_row()).level == "level1"


@pytest.mark.parametrize(("threads", "times"), [(1, 30), (2, 60)])
@pytest.mark.parametrize("kind", [BarTimeoutError, TimeoutError, ValueError])
def test_alarms_in_tables_come_out_and_cost_no_level(
    tmp_path: Path, kind: type[Exception], threads: int, times: int
) -> None:
    table = np.tile(golden_rows()["features"], (times, 1))
    table[:960:3, 7] = np.nan
    folder = variant(TRIO, tmp_path / "v", change=compact)
    with Predictor.open(folder, memory_budget=threads * 16 * 1024, threads=threads) as bot:
        expected = bot.predict(table, names=list(TRIO_NAMES)).probabilities
        call = functools.partial(bot.predict, table, names=list(TRIO_NAMES))
        assert interrupt(call, kind, 100, 1e-3) > 10
        assert state(bot) == [None] * 3
        assert (bot.predict(table, names=list(TRIO_NAMES)).probabilities == expected).all()


@pytest.mark.parametrize("kind", [BarTimeoutError, TimeoutError, ValueError])
def test_alarms_while_a_version_is_brought_in_leave_the_pin_to_be_followed(
    tmp_path: Path, kind: type[Exception]
) -> None:
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(store.path) as bot:
        bot.decide(full_row())
        out = 0
        for i in range(30):
            wanted = "2026.11.21" if i % 2 == 0 else "2026.11.14"
            store.pin(wanted, actor="test")
            out += interrupt(bot.reload_if_changed, kind, 1, 5e-4 * (i + 1))  # from its beginning to its end
            bot.reload_if_changed()
            assert bot.info().version == wanted
            assert bot.health().status == "ok"
        assert out > 0


def test_an_alarm_between_opening_a_version_and_serving_it_leaves_the_pin_to_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ring(self: Predictor, serving: object) -> None:
        raise BarTimeoutError

    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(store.path) as bot:
        store.pin("2026.11.21", actor="test")
        with monkeypatch.context() as patched:
            patched.setattr(Predictor, "_serve", ring)
            with pytest.raises(BarTimeoutError):
                bot.reload_if_changed()
        assert bot.reload_if_changed()
        assert bot.info().version == "2026.11.21"


def ring(handler: Any) -> Exception:
    """Return what a signal handler raises."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.raise_signal(signal.SIGALRM)
    except Exception as e:
        return e
    finally:
        signal.signal(signal.SIGALRM, before)
    raise AssertionError("the handler must raise")


def comes_through(error: Exception) -> BaseException | None:
    """Return what comes through, as from the except clause of another function."""
    try:
        raise error
    except Exception as e:
        try:
            let_signals_through(e)
        except Exception as through:
            return through
    return None


def test_handlers_of_every_shape_are_known() -> None:
    class Method:
        def ring(self, number: int, frame: FrameType | None) -> None:
            raise TimeoutError("method")

    def deep(number: int, frame: FrameType | None) -> None:
        int("no number")

    def anything(*arguments: Any) -> None:
        raise KeyError("any arguments")

    partial = functools.partial(lambda x, n, f: [][x], 0)
    for handler in (Method().ring, deep, anything, partial):
        error = ring(handler)
        assert comes_through(error) is error


def test_an_alarm_that_a_codec_wrapped_comes_through_unwrapped() -> None:
    def late(number: int, frame: FrameType | None) -> None:
        raise BarTimeoutError

    alarm = ring(late)
    wrapped = ValueError("decoding failed")
    wrapped.__cause__ = alarm
    assert comes_through(wrapped) is alarm


def test_what_a_line_itself_raises_does_not_come_through() -> None:
    for code in ("int('x')", "[].pop()", "{}['x']"):
        with pytest.raises((ValueError, IndexError, KeyError)) as caught:
            eval(code)
        assert comes_through(caught.value) is None


def test_an_alarm_that_the_caller_is_handling_is_none_of_a_later_error() -> None:
    def late(number: int, frame: FrameType | None) -> None:
        raise BarTimeoutError

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.raise_signal(signal.SIGALRM)
        pytest.fail("the handler must raise")
    except BarTimeoutError:

        def inside() -> None:
            try:
                raise MemoryError
            except MemoryError as e:
                let_signals_through(e)

        inside()
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.long
def test_5000_alarms_cost_no_level() -> None:
    with Predictor.open(TRIO) as bot:

        def call() -> None:
            for slot in bot._active[0].slots:
                if slot.session is not None and np.random.default_rng().random() < 0.2:
                    slot.release()
            for row in (full_row(), {**full_row(), "vix": None}, {**full_row(), "breakout": None}):
                bot.decide(row)

        out = sum(interrupt(call, kind, 700, 1.5e-3) for kind in KINDS)
        assert out > 500
        assert state(bot) == [None] * 3
        assert bot.health().status == "ok"
    print(f"{out} alarms came out")


@pytest.fixture
def ringing() -> Iterator[Callable[[Callable[[], object], float], None]]:
    """Call something from a signal handler, every so often, while a test runs."""
    before = signal.getsignal(signal.SIGALRM)

    def start(call: Callable[[], object], seconds: float) -> None:
        busy = [False]

        def ring(number: int, frame: FrameType | None) -> None:
            if not busy[0]:
                busy[0] = True
                try:
                    call()
                finally:
                    busy[0] = False

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(60)
def test_a_signal_handler_may_decide_while_levels_load_and_drift_is_counted(
    ringing: Callable[[Callable[[], object], float], None],
) -> None:
    rows = golden_rows()["features"]
    with Predictor.open(TRIO) as bot:
        levels: list[str] = []

        def call() -> None:
            levels.append(bot.decide(full_row()).level)
            levels.extend(bot.predict(rows[:3], names=list(TRIO_NAMES)).levels.tolist())
            bot.drift()

        ringing(call, 2e-3)
        for _ in range(60):
            for slot in bot._active[0].slots:
                slot.release()
            bot.decide(full_row())
            bot.decide({**full_row(), "vix": None})
            bot.predict(np.tile(rows, (20, 1)), names=list(TRIO_NAMES))
        assert len(levels) > 20
        assert set(levels) <= {"level1", "level2", "level3", "fallback"}
        assert state(bot) == [None] * 3


@pytest.mark.timeout(60)
def test_a_signal_handler_may_close_while_a_level_loads(
    ringing: Callable[[Callable[[], object], float], None],
) -> None:
    bots: list[Predictor] = []

    def close() -> None:
        for bot in bots:
            bot.close()

    ringing(close, 1.7e-3)
    closed = 0
    for _ in range(60):
        bots[:] = [bot := Predictor.open(TRIO)]
        decisions = [bot.decide(full_row()) for _ in range(3)]
        closed += any("is closed" in reason for reason in decisions[-1].reasons)
        bot.close()
        assert all(slot.session is None for slot in bot._active[0].slots)
    assert closed > 0


@pytest.mark.timeout(60)
def test_a_signal_handler_may_reload(
    tmp_path: Path, ringing: Callable[[Callable[[], object], float], None]
) -> None:
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(store.path) as bot:
        ringing(bot.reload_if_changed, 3e-3)
        for i in range(10):
            wanted = "2026.11.21" if i % 2 == 0 else "2026.11.14"
            store.pin(wanted, actor="test")
            for _ in range(20):
                bot.reload_if_changed()
                bot.decide(full_row())
            assert bot.info().version == wanted


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ConnectionError("chat service down")


@pytest.fixture
def broken_log() -> Iterator[None]:
    logger, handler = logging.getLogger("gradus_runtime"), Broken()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)


def is_free(lock: Any) -> bool:
    """Whether another thread can take a lock."""
    got: list[bool] = []

    def take() -> None:
        got.append(lock.acquire(timeout=5))
        if got[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got[0]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="logging takes its locks by `with`")
@pytest.mark.parametrize("place", ["handler", "module"])
def test_an_alarm_while_a_line_is_logged_leaves_no_lock_of_logging_taken(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    owner, name = {"handler": (handler, "acquire"), "module": (logging, "_acquireLock")}[place]
    take = getattr(owner, name)

    def ring(number: int, frame: FrameType | None) -> None:
        raise BarTimeoutError("the bar is over")

    def take_and_be_interrupted() -> None:
        take()
        signal.raise_signal(signal.SIGALRM)

    logger = logging.getLogger("gradus_runtime")
    before = signal.signal(signal.SIGALRM, ring)
    logger.addHandler(handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, take_and_be_interrupted)
            with pytest.raises(BarTimeoutError):
                say(WARNING, "a line", event="test")
        assert is_free(handler.lock)
        assert is_free(logging._lock)  # type: ignore[attr-defined]
    finally:
        logger.removeHandler(handler)
        signal.signal(signal.SIGALRM, before)


def test_a_lock_that_the_program_holds_itself_stays_taken(broken_log: None) -> None:
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("gradus_runtime")
    logger.addHandler(handler)
    assert handler.lock is not None
    try:
        with handler.lock:
            say(WARNING, "a line", event="test")
            assert handler.lock._is_owned()  # type: ignore[attr-defined]
    finally:
        logger.removeHandler(handler)


def test_log_handlers_that_raise_never_reach_the_caller(broken_log: None, tmp_path: Path) -> None:
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(store.path) as bot:
        assert bot.decide({}).level == "fallback"
        assert bot.decide({**full_row(), "other": 1.0}).level == "level1"
        assert bot.predict([{}, {}]).levels.tolist() == ["fallback"] * 2
        store.pin("2026.11.21", actor="test")
        assert bot.reload_if_changed()
        assert bot.decide(full_row()).version == "2026.11.21"
        assert bot.health().log_problem == "ConnectionError in a log handler"


def test_a_log_that_works_again_is_no_problem(tmp_path: Path) -> None:
    with Predictor.open(TRIO) as bot:
        bot.decide({})
        assert bot.health().log_problem is None


def test_an_alarm_inside_a_log_handler_comes_out() -> None:
    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            signal.raise_signal(signal.SIGALRM)

    logger, handler = logging.getLogger("gradus_runtime"), Slow()
    logger.addHandler(handler)
    try:
        with Predictor.open(TRIO) as bot, alarms(BarTimeoutError, 60.0), pytest.raises(BarTimeoutError):
            bot.decide({**full_row(), "vix": None})
    finally:
        logger.removeHandler(handler)


def test_what_a_level_raises_otherwise_comes_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class OddError(Exception):
        pass

    def load(self: LevelSlot) -> None:
        raise OddError

    with Predictor.open(TRIO) as bot:
        monkeypatch.setattr(LevelSlot, "_open", load)
        with pytest.raises(OddError):
            bot.decide(full_row())
        assert state(bot) == [None] * 3
