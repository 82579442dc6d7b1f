"""A writer between any two system calls of a reader, a reader at any step of a writer: all is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.crash import CALLS, look
from tests.support.operations import Publishable, copy_of, operations

from gradus_convert.publishing.export import export_zip
from gradus_convert.validation.artifacts import check_store
from gradus_runtime.store import Store, disk, open_artifact, steps
from gradus_runtime.store.listing import list_versions
from gradus_runtime.store.verify import verify_store


class InterruptedOs:
    """The module `os` for `gradus_runtime.store.disk`: a writer does its work before a reader's n-th call.

    Args:
        number: Which call, from 1; 0 for none.
        work: What the writer does; its own calls are not counted.
    """

    def __init__(self, number: int, work: Callable[[], object]) -> None:
        self.count = 0
        self._number, self._work = number, work
        self._writing = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._writing:
                self.count += 1
                if self.count == self._number:
                    self._writing = True
                    self._work()
                    self._writing = False
            return real(*args, **kwargs)

        return call


def opened(store: Store) -> object:
    with open_artifact(store.path) as artifact:
        artifact.verify()
        return artifact.manifest.version, artifact.digest


def exported(store: Store) -> object:
    target = store.path.parent / "export.zip"
    target.unlink(missing_ok=True)
    with open_artifact(store.path) as artifact:
        export_zip(artifact, target)
    with open_artifact(target) as artifact:
        artifact.verify()
        return artifact.manifest.version, artifact.digest


READERS: dict[str, Callable[[Store], object]] = {
    "open": opened,
    "pin": lambda store: (
        (found := store.pinned()).pin and (found.pin.generation, found.pin.version, found.stale)
    ),
    "versions": lambda store: store.versions(),
    "history": lambda store: [(e.event, e.version, e.generation) for e in store.history()],
    "export": exported,
    "list": lambda store: [(v.version, v.pinned, v.problem) for v in list_versions(store)],
    "verify": lambda store: verify_store(store),
    "validate": lambda store: check_store(store.path),
}
STRIDES = {"list": 4, "verify": 4, "validate": 8}

CHANGES = ("publish", "pin", "rollback", "gc", "pin, gc")


def interrupt_each_call(
    base: Store, folder: Path, read: Callable[[Store], object], apply: Callable[[Store], None], stride: int
) -> int:
    """Let the writer get in before every `stride`-th call of the reader; how many calls there are."""

    def interrupted(number: int) -> tuple[object, Store, int]:
        store = copy_of(base, folder)
        between = InterruptedOs(number, lambda: apply(store))
        with pytest.MonkeyPatch.context() as m:
            m.setattr(disk, "os", between)
            return read(store), store, between.count

    before, store, calls = interrupted(0)
    apply(store)
    after, settled = read(store), look(store)
    for number in range(1, calls + 1, stride):
        seen, store, _ = interrupted(number)
        assert seen in (before, after), number
        assert look(store) == settled, number
    return calls


def changed_by(change: str, fifth: Publishable) -> Callable[[Store], None]:
    def apply(store: Store) -> None:
        for operation in change.split(", "):
            operations(fifth)[operation](store)

    return apply


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_reader_sees_the_store_before_a_change_or_after_it(
    base: Store, ram: Path, fifth: Publishable, reader: str, change: str
) -> None:
    calls = interrupt_each_call(
        base, ram / "read", READERS[reader], changed_by(change, fifth), STRIDES.get(reader, 1)
    )
    assert calls > 2


@pytest.mark.long
@pytest.mark.parametrize("reader", STRIDES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_long_reader_sees_the_store_before_a_change_or_after_it(
    base: Store, ram: Path, fifth: Publishable, reader: str, change: str
) -> None:
    assert interrupt_each_call(base, ram / "read", READERS[reader], changed_by(change, fifth), 1) > 50


@pytest.mark.parametrize("operation", ["publish", "pin", "rollback", "gc"])
def test_at_no_step_of_a_writer_a_reader_finds_fault(
    base: Store, ram: Path, fifth: Publishable, operation: str
) -> None:
    store = copy_of(base, ram / "written")
    reached = []

    def read(step: str) -> None:
        reached.append(step)
        assert not verify_store(store).problems, step
        assert not [v.problem for v in list_versions(store) if v.problem], step
        look(store)

    with steps.observed(read):
        operations(fifth)[operation](store)
    assert len(set(reached)) > 4
