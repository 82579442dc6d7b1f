"""Where no level of the pinned version can serve at start, the version pinned before it does."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, changed, full_row, variant

from gradus_runtime import GradusError, IntegrityError, Predictor, Store, StoreError
from gradus_runtime.cli import main
from gradus_runtime.store import history_file

OLD, NEW = OLDER_TRIO.name, TRIO.name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose newest version is pinned, after the older one was."""
    path = tmp_path / "store"
    for version in (OLDER_TRIO, TRIO):
        shutil.copytree(version, path / "versions" / version.name)
    found = Store(path)
    events = [
        history_file.Event("2026-01-01T00:00:00Z", "publish", v, found.open(v).digest, None, "test", False)
        for v in (OLD, NEW)
    ]
    (path / "history.jsonl").touch()
    folder = os.open(path, os.O_RDONLY)
    history_file.append(folder, events)
    os.close(folder)
    found.pin(OLD, actor="test")
    found.pin(NEW, actor="test")
    return found


def open_bot(store: Store, version: str | None = None, **options: Any) -> Predictor:
    return Predictor.open(store.path, version, **{"max_age_days": 1e5, **options})


def spoil(store: Store, version: str, *names: str) -> None:
    """Cut files of a version in half."""
    for name in names:
        path = store.path / "versions" / version / name
        path.chmod(0o644)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


LEVELS = ("level1.onnx", "level2.onnx", "level3.onnx")
FAULTS: dict[str, Callable[[Store], None]] = {
    "manifest": lambda store: spoil(store, NEW, "manifest.json"),
    "seal": lambda store: spoil(store, NEW, "manifest.sha256"),
    "every level": lambda store: spoil(store, NEW, *LEVELS),
    "golden rows": lambda store: spoil(store, NEW, "golden.npz"),
    "version gone": lambda store: shutil.rmtree(store.path / "versions" / NEW),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_version_pinned_before_serves_and_health_says_so(
    store: Store, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    FAULTS[fault](store)
    with open_bot(store) as bot:
        health = bot.health()
        assert (health.status, health.version) == ("degraded", OLD)
        assert str(health.reload_problem).endswith(f"; {OLD}, pinned before, serves instead")
        decision = bot.decide(full_row())
        assert (decision.version, decision.level) == (OLD, "level1")
    assert any("serves instead" in record.message for record in caplog.records)


@pytest.mark.parametrize("fault", FAULTS)
def test_strict_serves_the_pinned_version_or_none(store: Store, fault: str) -> None:
    FAULTS[fault](store)
    try:
        with open_bot(store, strict=True) as bot:
            assert bot.decide(full_row()).level == "fallback"
            assert bot.info().version == NEW
    except GradusError:
        assert fault not in ("every level", "golden rows")


def test_a_version_asked_for_by_name_never_falls_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(store, NEW, "manifest.json")
    with pytest.raises(IntegrityError):
        open_bot(store, NEW)
    monkeypatch.setenv("GRADUS_VERSION", NEW)
    with pytest.raises(IntegrityError):
        open_bot(store)


@pytest.mark.parametrize("bad", LEVELS)
def test_one_bad_level_costs_that_level_alone(store: Store, bad: str) -> None:
    spoil(store, NEW, bad)
    with open_bot(store, preload=True) as bot:
        health = bot.health()
        assert (health.version, health.reload_problem) == (NEW, None)
        assert [level.name for level in health.levels if level.problem] == [bad.removesuffix(".onnx")]
        assert bot.decide(full_row()).level == ("level2" if bad == "level1.onnx" else "level1")


def test_the_pinned_version_serves_when_it_is_whole_again(store: Store) -> None:
    spoil(store, NEW, "manifest.json")
    seconds = [0.0]
    with open_bot(store, monotonic=lambda: seconds[0]) as bot:
        assert bot.decide(full_row()).version == OLD
        assert not bot.reload_if_changed()
        shutil.copy(TRIO / "manifest.json", store.path / "versions" / NEW / "manifest.json")
        seconds[0] += 61
        assert bot.reload_if_changed()
        assert bot.decide(full_row()).version == NEW
        assert bot.health().status == "ok"


def test_a_pin_that_cannot_be_read_is_replaced_by_what_the_history_says(store: Store) -> None:
    (store.path / "pin.json").write_text("{")
    with open_bot(store) as bot:
        assert (bot.decide(full_row()).version, bot.health().status) == (NEW, "degraded")
    with pytest.raises(IntegrityError):
        open_bot(store, strict=True)


def test_of_several_versions_the_last_that_can_serve_does(store: Store, tmp_path: Path) -> None:
    third = "2026.11.22"
    variant(
        TRIO,
        store.path / "versions" / third,
        files=dict.fromkeys(LEVELS, b"x"),
        change=changed(version=third),
    )
    store.pin(third, actor="test")
    with open_bot(store) as bot:
        assert bot.info().version == NEW
    spoil(store, NEW, *LEVELS)
    assert open_bot(store).info().version == OLD
    spoil(store, OLD, *LEVELS)
    with open_bot(store) as bot:  # none can serve: the pinned one answers with the fallback
        assert bot.info().version == third
        assert bot.decide(full_row()).level == "fallback"
        bot.decide(full_row())
        assert bot.health().status == "failed"


def test_an_expired_version_is_no_way_out(store: Store) -> None:
    spoil(store, NEW, "manifest.json")
    with pytest.raises(IntegrityError):
        open_bot(store, max_age_days=0.001)


def test_without_an_earlier_version_the_fault_is_raised(tmp_path: Path) -> None:
    shutil.copytree(TRIO, tmp_path / "versions" / NEW)
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="a version must be pinned"):
        open_bot(store)
    store.pin(NEW, actor="test")
    spoil(store, NEW, "manifest.json")
    with pytest.raises(IntegrityError):
        open_bot(store)


def test_a_copy_is_as_strict(store: Store) -> None:
    with open_bot(store, strict=True) as bot:
        spoil(store, NEW, "manifest.json")
        with pytest.raises(IntegrityError):
            copy.copy(bot)


def test_commands_look_at_the_pinned_version_and_at_no_other(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(store, NEW, "manifest.json")
    assert main(["health", "--store", str(store.path)]) == 1
    assert main(["info", "--store", str(store.path)]) == 1
    assert "manifest.sha256 must hold the digest of manifest.json" in capsys.readouterr().err
