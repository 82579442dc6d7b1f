"""A lock that is free once nobody holds it any more, whatever happened."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import pytest
from tests.support.alarms import in_coverage

from gradus_runtime.lock import SafeLock


class AlarmError(Exception):
    pass


def is_free(lock: SafeLock, seconds: float = 5.0) -> bool:
    """Whether another thread gets a lock within some seconds."""
    got = threading.Event()

    def take() -> None:
        with lock:
            got.set()

    threading.Thread(target=take, daemon=True).start()
    return got.wait(seconds)


def abandon(lock: SafeLock) -> None:
    lock.__enter__()  # as `with` does where a signal handler raises before its block


def test_an_abandoned_lock_is_free() -> None:
    lock = SafeLock()
    abandon(lock)
    assert is_free(lock)
    abandon(lock)
    with lock:
        pass
    assert is_free(lock)


def test_a_lock_is_held_while_its_block_runs_and_the_same_thread_may_take_it_again() -> None:
    lock = SafeLock()
    with lock:
        with lock:
            pass
        assert not is_free(lock, 0.2)
    assert is_free(lock)


def test_counting_by_threads_loses_nothing() -> None:
    lock, total = SafeLock(), [0]

    def count() -> None:
        for _ in range(2000):
            with lock:
                before = total[0]
                len(str(before))
                total[0] = before + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [8000]


def test_alarms_leave_it_free() -> None:
    lock = SafeLock()

    def ring(number: int, frame: FrameType | None) -> None:
        if frame is not None and in_coverage(frame):
            signal.setitimer(signal.ITIMER_REAL, 1e-4)
            return
        raise AlarmError

    def hold() -> None:
        with lock:
            pass

    def until_it_rings() -> None:
        signal.setitimer(signal.ITIMER_REAL, 2e-4)
        while True:
            hold()

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(300):
            with pytest.raises(AlarmError):
                until_it_rings()
            assert is_free(lock)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_child_gets_a_lock_that_another_thread_held() -> None:
    lock = SafeLock()
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            go_on.wait(10.0)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(5.0)
    child = os.fork()
    if not child:
        signal.alarm(10)
        with lock:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    holder.join()
