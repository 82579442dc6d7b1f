"""Processes killed in the middle: a reader sees the old state or the new one, the next command cleans up."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.crash import assert_settled, ended, killed_at, look, start
from tests.support.operations import Publishable, copy_of, operations
from tests.support.publishable import publishable

from gradus_convert.publishing.collect import collect
from gradus_convert.publishing.publish import publish_version
from gradus_runtime.errors import IntegrityError, StoreError
from gradus_runtime.store import Store, pin_file, pinning, steps, write_lock

CASES = [
    (operation, step)
    for operation, reached in (
        ("publish", steps.PUBLISH),
        ("pin", steps.PIN),
        ("rollback", steps.PIN),
        ("gc", steps.GC),
    )
    for step in reached
]


@pytest.mark.parametrize(("operation", "step"), CASES)
def test_killed_at_a_step_the_store_is_old_or_new_and_the_next_command_cleans_up(
    base: Store, ram: Path, fifth: Publishable, operation: str, step: str
) -> None:
    work = operations(fifth)[operation]
    whole = copy_of(base, ram / "whole")
    states = [look(whole)]
    commits = {"publish.renamed", "pin.replaced", "gc.renamed"}
    with steps.observed(lambda name: states.append(look(whole)) if name in commits else None):
        work(whole)
    assert len(states) == (3 if operation == "gc" else 2)
    occurrence = 1
    while killed_at(step, occurrence, lambda: work(copy_of(base, ram / "killed")) and None):
        killed = Store(ram / "killed")
        seen = look(killed)
        assert seen in states
        killed.pin("2026.1.3", actor="next") if operation != "rollback" else collect(killed.path, keep=9)
        assert_settled(killed)
        if operation == "publish":
            assert publish_version(killed.path, *fifth, {}, "again").created == (seen == states[0])
        assert_settled(killed)
        occurrence += 1
    assert occurrence > 1, f"{operation} never reached {step}"
    assert look(Store(ram / "killed")) == states[-1]


def test_a_pin_that_is_written_in_place_would_be_caught(base: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_place(at: write_lock.Writing, new: pin_file.Pin) -> None:
        path, data = base.path / "pin.json", pin_file.to_bytes(new)
        path.write_bytes(data[: len(data) // 2])
        steps.reached("pin.replaced")
        path.write_bytes(data)

    monkeypatch.setattr(pinning, "_replace", in_place)
    assert killed_at("pin.replaced", 1, lambda: base.pin("2026.1.4") and None)
    with pytest.raises(IntegrityError, match=r"pin.json"):
        look(base)


def random_work(store: Store, ready: list[Publishable], seed: int) -> None:
    """Publish, pin, roll back and collect until killed."""
    chance = random.Random(seed)
    for item in ready:
        publish_version(store.path, *item, {}, "worker")
        store.pin(chance.choice(store.versions()), actor="worker")
        if chance.random() < 0.5:
            collect(store.path, keep=3, keep_pinned=1, actor="worker")
        if chance.random() < 0.5:
            with suppress(StoreError):  # nothing was pinned before that is still there
                store.rollback(actor="worker")


def kill_at_random_moments(base: Store, rounds: int, seed: int) -> int:
    """Kill a worker that many times; how often it died before it was done."""
    chance = random.Random(seed)
    generation, deaths = look(base).generation, 0
    for i in range(rounds):
        ready = [publishable(f"2026.2.1.post{3 * i + j}", seed=i) for j in range(3)]
        child = start(lambda ready=ready, i=i: random_work(base, ready, i))
        time.sleep(chance.uniform(0.002, 0.06))
        os.kill(child, signal.SIGKILL)
        deaths += ended(child) != 0
        seen = look(base)
        assert seen.generation >= generation
        base.pin(chance.choice(base.versions()), actor="next")
        assert_settled(base)
        generation = look(base).generation
        if len(base.versions()) > 8:
            collect(base.path, keep=3, keep_pinned=1)
    return deaths


def test_killed_at_random_moments_nothing_is_torn(base: Store) -> None:
    assert kill_at_random_moments(base, rounds=15, seed=1) > 5


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_killed_at_1000_random_moments_nothing_is_torn(base: Store, part: int) -> None:
    deaths = kill_at_random_moments(base, 100, seed=part)
    print(f"{deaths} of 100 died at work")
    assert deaths > 50
