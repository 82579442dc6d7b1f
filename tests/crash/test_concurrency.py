"""Eight processes that publish, pin, roll back and collect at once, and readers in between."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from tests.support.crash import assert_settled, ended, look, start
from tests.support.publishable import publishable

from gradus_convert.publishing.collect import collect
from gradus_convert.publishing.publish import VersionFolder, publish_version
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import StoreError
from gradus_runtime.store import Store, open_artifact

WORKERS = 8
Publishable = tuple[Manifest, dict[str, bytes]]


def prepared(rounds: int) -> list[list[Publishable]]:
    """For each pair of publishers, what they publish: two contenders for each version."""
    return [
        [publishable(f"2026.{pair + 1}.1.post{i}", seed=rival) for i in range(rounds)]
        for pair in range(WORKERS // 4)
        for rival in range(2)
    ]


BUSY = "one command may write at a time"


def publish_patiently(store: Store, item: Publishable) -> VersionFolder:
    """Publish; on a machine so busy that the lock was not had for a minute, try again as its user would."""
    while True:
        try:
            return publish_version(store.path, *item, {}, "publisher")
        except StoreError as e:
            if BUSY not in str(e):
                raise


def publish_all(store: Store, work: list[Publishable], report: Path) -> None:
    """Publish everything; note which were won."""
    won = []
    for item in work:
        time.sleep(0.003)  # who just wrote would take the lock again before a waiting one wakes
        try:
            done = publish_patiently(store, item)
        except StoreError as e:
            if "a version must be published once" not in str(e):
                raise
        else:
            won.append((done.version, done.digest))
    report.write_text(json.dumps(won))


def pin_often(store: Store, rounds: int, seed: int, report: Path) -> None:
    """Pin, roll back and collect; note the generations that were made."""
    chance = random.Random(seed)
    made = []
    for _ in range(rounds):
        time.sleep(0.003)
        try:
            if chance.random() < 0.7:
                actor = f"pinner {seed} {chance.random()}"
                pin = store.pin(chance.choice(store.versions()[-5:]), actor=actor)
            else:
                actor = f"roller {seed} {chance.random()}"
                pin = store.rollback(actor=actor)
            if pin.actor == actor:
                made.append(pin.generation)
            if chance.random() < 0.1:
                collect(store.path, keep=6, keep_pinned=2, actor="collector")
        except StoreError as e:
            if not any(
                rule in str(e) for rule in ("must be in the store", "must have been pinned before", BUSY)
            ):
                raise
    report.write_text(json.dumps(made))


def read_on(store: Store, stop: Path) -> None:
    """Open and prove the pinned version until told to stop; the generation never falls."""
    generation = 0
    while not stop.exists():
        pin = store.pin_state()
        assert pin is not None
        assert pin.generation >= generation
        generation = pin.generation
        with open_artifact(store.path) as artifact:
            artifact.verify()
        time.sleep(0.001)


def link_on(store: Store, folder: Path, stop: Path) -> None:
    """Make hard links of the lock and the history again and again, as backups do, until told to stop."""
    number = 0
    while not stop.exists():
        number += 1
        for name in (".lock", "history.jsonl"):
            (folder / f"{number}{name}").hardlink_to(store.path / name)
        time.sleep(0.002)


def contend(folder: Path, rounds: int, seed: int, *, linked: bool = False) -> int:
    """Let eight workers and a reader loose on a new store; how many generations it got to.

    With `linked` somebody makes hard links of the lock and the history all the while.
    """
    store = Store(folder / "store")
    first = [publishable(f"2026.12.{i}") for i in (1, 2, 3)]
    for item in first:
        publish_version(store.path, *item, {}, "test")
    store.pin("2026.12.1", actor="test")
    others = [start(lambda: read_on(store, folder / "stop"))]
    if linked:
        links = folder / "links"
        links.mkdir()
        others.append(start(lambda: link_on(store, links, folder / "stop")))
        while not any(links.iterdir()):  # so that the lock has two names when the first writer takes it
            time.sleep(0.001)
    reports = [folder / f"worker{i}.json" for i in range(WORKERS)]
    lists = prepared(rounds)
    children = [
        start(lambda w=work, r=report: publish_all(store, w, r))
        for work, report in zip(lists, reports, strict=False)
    ]
    children += [
        start(lambda r=report, i=i: pin_often(store, rounds, seed * WORKERS + i, r))
        for i, report in enumerate(reports[len(lists) :])
    ]
    assert len(children) == WORKERS
    codes = [ended(child) for child in children]
    (folder / "stop").touch()
    assert codes == [0] * WORKERS
    assert [ended(other) for other in others] == [0] * len(others)
    assert_settled(store)
    won = [tuple(x) for report in reports[: len(lists)] for x in json.loads(report.read_text())]
    expected = {manifest.version for work in lists for manifest, _ in work}
    assert sorted(version for version, _ in won) == sorted(expected)
    published = {(e.version, e.digest) for e in store.history() if e.event == "publish"}
    assert published == {*won, *((manifest.version, manifest.digest()) for manifest, _ in first)}
    made = [g for report in reports[len(lists) :] for g in json.loads(report.read_text())]
    generation = look(store).generation
    assert sorted([1, *made]) == list(range(1, generation + 1))
    return generation


def test_eight_writers_at_once_lose_no_version_and_no_generation(ram: Path) -> None:
    assert contend(ram, rounds=8, seed=1) > 4


def test_eight_writers_take_turns_while_their_lock_gets_second_names(ram: Path) -> None:
    assert contend(ram, rounds=6, seed=2, linked=True) > 4


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_eight_writers_over_1000_rounds_lose_no_version_and_no_generation(ram: Path, part: int) -> None:
    print(f"100 rounds of {WORKERS}: {contend(ram, rounds=100, seed=part)} generations")
