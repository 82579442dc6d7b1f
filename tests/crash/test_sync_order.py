"""What is synced before what: SIGKILL cannot show it, a loss of power would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.support.crash import CALLS

from gradus_convert.publishing.publish import publish_version
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.store import Store, disk


class RecordingOs:
    """The module `os`, noting what is written, synced and renamed, by the path of the descriptor."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            if name in ("write", "fsync", "ftruncate"):
                self.log.append((name, Path(f"/proc/self/fd/{args[0]}").readlink().name))
            if name == "rename":
                self.log.append((name, args[1]))
            return real(*args, **kwargs)

        return call

    def at(self, call: str, name: str) -> int:
        return self.log.index((call, name))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordingOs:
    recording = RecordingOs()
    monkeypatch.setattr(disk, "os", recording)
    return recording


def test_a_version_is_synced_whole_before_it_gets_its_name(
    base: Store, fifth: tuple[Manifest, dict[str, bytes]], recorded: RecordingOs
) -> None:
    publish_version(base.path, *fifth, {}, "test")
    renamed = recorded.at("rename", "2026.1.5")
    names = ["build.json", "manifest.json", "manifest.sha256", *fifth[1]]
    for name in names:
        assert recorded.at("write", name) < recorded.at("fsync", name) < renamed
    folder = recorded.at("fsync", ".publish-2026.1.5")
    assert max(recorded.at("fsync", name) for name in names) < folder < renamed
    assert renamed < recorded.at("fsync", "versions") < recorded.at("write", "history.jsonl")
    assert recorded.at("write", "history.jsonl") < recorded.at("fsync", "history.jsonl")


def test_a_pin_is_synced_before_it_replaces_the_former(base: Store, recorded: RecordingOs) -> None:
    base.pin("2026.1.4", actor="test")
    assert (
        recorded.at("write", ".pin-4")
        < recorded.at("fsync", ".pin-4")
        < recorded.at("rename", "pin.json")
        < recorded.at("fsync", base.path.name)
        < recorded.at("write", "history.jsonl")
    )
