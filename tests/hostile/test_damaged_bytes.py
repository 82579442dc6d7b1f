"""Bytes that changed after they were published: refused before onnxruntime sees any of them."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from tests.support.publishable import publishable

from gradus_convert.publishing.export import export_zip
from gradus_convert.publishing.publish import publish_version
from gradus_runtime import Predictor
from gradus_runtime.errors import IntegrityError, ManifestError
from gradus_runtime.store import Store, open_artifact

VERSION = "2026.1.4"
ROW = {"close": 0.5, "volume": -1.0, "usd_jpy": 2.0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "sample")
    publish_version(store.path, *publishable(VERSION), {})
    store.pin(VERSION, actor="test")
    return store


@pytest.fixture
def folder(store: Store) -> Path:
    folder = store.path / "versions" / VERSION
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch, folder: Path) -> set[str]:
    """Digests of what onnxruntime was given; anything but a published graph fails the test at once."""
    published = {hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.onnx")}
    given: set[str] = set()
    real = onnxruntime.InferenceSession

    def session(model: Any, *args: Any, **kwargs: Any) -> Any:
        data = Path(model).read_bytes() if isinstance(model, str) else model
        digest = hashlib.sha256(data).hexdigest()
        assert digest in published, "onnxruntime was given bytes that were never published"
        given.add(digest)
        return real(model, *args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return given


def test_the_guard_fires(guard: set[str]) -> None:
    with pytest.raises(AssertionError, match="bytes that were never published"):
        onnxruntime.InferenceSession(b"anything else")


def flipped(path: Path, places: Iterator[tuple[int, int]]) -> Iterator[int]:
    """Flip one bit after the other in a file, each put back before the next; yields the place."""
    data = path.read_bytes()
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for place, bit in places:
            os.pwrite(descriptor, bytes([data[place] ^ 1 << bit]), place)
            yield place
            os.pwrite(descriptor, data[place : place + 1], place)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_every_flipped_byte_of_a_manifest_is_refused(store: Store, folder: Path, name: str) -> None:
    size = (folder / name).stat().st_size
    chance = random.Random(1)
    count = 0
    for place in flipped(folder / name, ((i, chance.randrange(8)) for i in range(size))):
        count += 1
        with pytest.raises(IntegrityError):
            open_artifact(folder if place % 2 else store.path)
    assert count == size > 64
    open_artifact(store.path).verify()


def test_a_flipped_byte_under_a_seal_of_its_own_is_refused_by_the_pin(store: Store, folder: Path) -> None:
    data = (folder / "manifest.json").read_bytes()
    chance = random.Random(2)
    for place in chance.sample(range(len(data)), 200):
        other = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        (folder / "manifest.json").write_bytes(other)
        (folder / "manifest.sha256").write_text(f"{hashlib.sha256(other).hexdigest()}  manifest.json\n")
        with pytest.raises(IntegrityError, match="must have the pinned digest"):
            open_artifact(store.path)


def cuts(size: int) -> list[int]:
    return [0, 1, size // 2, size - 1]


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_a_manifest_that_is_cut_is_refused(store: Store, folder: Path, guard: set[str], name: str) -> None:
    data = (folder / name).read_bytes()
    for size in cuts(len(data)):
        (folder / name).write_bytes(data[:size])
        with pytest.raises(IntegrityError, match=r"must hold the digest"):
            Predictor.open(store.path)
    assert not guard


@pytest.mark.parametrize(("name", "level"), [("golden.npz", "fallback"), ("level1.onnx", "level2")])
def test_a_file_that_is_cut_serves_nothing_and_stops_no_other_level(
    store: Store, folder: Path, guard: set[str], name: str, level: str
) -> None:
    data = (folder / name).read_bytes()
    published = {hashlib.sha256((folder / "level2.onnx").read_bytes()).hexdigest()}
    for size in cuts(len(data)):
        (folder / name).write_bytes(data[:size])
        with Predictor.open(store.path) as bot:
            decision = bot.decide(ROW)
            assert decision.level == level
            assert any("a file must have" in reason for reason in decision.reasons)
            assert name in str(bot.health().levels[0].problem)
    if name == "level1.onnx":
        assert guard == published


def test_a_pin_that_is_cut_is_refused(store: Store) -> None:
    data = (store.path / "pin.json").read_bytes()
    for size in cuts(len(data)):
        (store.path / "pin.json").write_bytes(data[:size])
        with pytest.raises(IntegrityError, match="gradus pin VERSION"):
            open_artifact(store.path)


def flip_graphs(store: Store, folder: Path, count: int) -> None:
    for name in ("level1.onnx", "level2.onnx", "golden.npz"):
        size = (folder / name).stat().st_size
        chance = random.Random(name)
        places = ((chance.randrange(size), chance.randrange(8)) for _ in range(count // 3 + 1))
        with open_artifact(store.path) as artifact:
            for _ in flipped(folder / name, places):
                with pytest.raises(IntegrityError, match="a file must have the SHA-256"):
                    artifact.read(name)
            artifact.read(name)


def test_random_flips_in_graphs_are_refused(store: Store, folder: Path) -> None:
    flip_graphs(store, folder, 600)


@pytest.mark.long
def test_10000_random_flips_in_graphs_are_refused(store: Store, folder: Path) -> None:
    flip_graphs(store, folder, 10_000)


def test_a_predictor_serves_from_the_next_level_and_never_from_flipped_bytes(
    store: Store, folder: Path, guard: set[str]
) -> None:
    chance = random.Random(3)
    size = (folder / "level1.onnx").stat().st_size
    for _ in flipped(folder / "level1.onnx", ((chance.randrange(size), 3) for _ in range(20))):
        with Predictor.open(store.path) as bot:
            decision = bot.decide(ROW)
            assert decision.level == "level2"
            assert any("SHA-256" in reason for reason in decision.reasons)
    assert guard == {hashlib.sha256((folder / "level2.onnx").read_bytes()).hexdigest()}
    with Predictor.open(store.path) as bot:
        assert bot.decide(ROW).level == "level1"


def test_every_flipped_byte_of_a_zip_is_refused_or_changes_nothing(store: Store, tmp_path: Path) -> None:
    with open_artifact(store.path) as artifact:
        digest = artifact.digest
        export_zip(artifact, tmp_path / "a.zip")
    size = (tmp_path / "a.zip").stat().st_size
    chance = random.Random(4)
    harmless = 0
    for _ in flipped(tmp_path / "a.zip", ((i, chance.randrange(8)) for i in range(0, size, 3))):
        try:
            with open_artifact(tmp_path / "a.zip") as artifact:
                artifact.verify()
        except (IntegrityError, ManifestError):
            continue
        assert artifact.digest == digest
        harmless += 1
    assert harmless == 0
