"""A pin that is older than the history says is not followed; where both agree, it is."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.golden import trio_store

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"
SAID = "pin.json has generation 1, the history 2"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Pinned OLD, then NEW; `before` beside it holds the files as they were after the first pin."""
    store = trio_store(tmp_path / "trio", pinned=OLD)
    (tmp_path / "before").mkdir()
    for name in ("pin.json", "history.jsonl"):
        shutil.copy(store.path / name, tmp_path / "before" / name)
    store.pin(NEW, actor="test")
    return store


@pytest.fixture
def bot(store: Store) -> Iterator[Predictor]:
    with Predictor.open(store.path) as predictor:
        yield predictor


def put_back(store: Store, *names: str) -> None:
    for name in names:
        shutil.copy(store.path.parent / "before" / name, store.path / name)


def test_a_running_bot_keeps_its_version_and_says_so(
    bot: Predictor, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(store, "pin.json")
    assert not bot.reload_if_changed()
    assert bot.info().version == NEW
    health = bot.health()
    assert health.status == "degraded"
    assert SAID in str(health.reload_problem)
    assert SAID in caplog.text


def test_a_starting_bot_serves_the_version_of_the_highest_generation_and_says_so(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(store, "pin.json")
    with Predictor.open(store.path) as bot:
        assert bot.info().version == NEW
        assert bot.health().status == "degraded"
        assert SAID in str(bot.health().reload_problem)
        assert SAID in caplog.text
        assert not bot.reload_if_changed()
        assert SAID in str(bot.health().reload_problem)
        store.pin(NEW, actor="ops")
        bot.reload_if_changed()
        assert bot.health().status == "ok"
    pin = store.pin_state()
    assert pin is not None
    assert (pin.generation, pin.version) == (3, NEW)


def test_every_command_goes_by_the_pin_in_force(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    put_back(store, "pin.json")
    pin = store.pin_state()
    assert pin is not None
    assert (pin.generation, pin.version) == (2, NEW)
    assert main(["info", str(store.path)]) == 0
    assert f"trio {NEW}" in capsys.readouterr().out
    assert main(["list", "--store", str(store.path)]) == 0
    (marked,) = [
        line for line in capsys.readouterr().out.splitlines() if "*" in line or "pinned" in line.split()
    ]
    assert NEW in marked


def test_health_says_why_it_is_degraded(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_back(store, "pin.json")
    assert main(["health", str(store.path)]) == 0
    assert SAID in capsys.readouterr().out
    assert main(["health", str(store.path), "--strict"]) == 1
    file = tmp_path / "health.json"
    with Predictor.open(store.path, health_file=file) as bot:
        bot.decide({})
        capsys.readouterr()
        assert main(["health", "--file", str(file), "--bar", "15m", "--strict"]) == 1
        assert SAID in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--pinned"]], ids=["whole", "pinned"])
def test_verify_and_validate_end_with_1(
    options: list[str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--store", str(store.path)]) == 0
    assert main(["validate", str(store.path), *options]) == 0
    put_back(store, "pin.json")
    capsys.readouterr()
    assert main(["verify", "--store", str(store.path)]) == 1
    assert SAID in capsys.readouterr().out
    assert main(["validate", str(store.path), *options]) == 1
    assert SAID in capsys.readouterr().out


def test_where_pin_and_history_agree_on_the_lower_generation_it_is_followed_and_said(
    bot: Predictor, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gradus_runtime")
    put_back(store, "history.jsonl", "pin.json")
    assert bot.reload_if_changed()
    assert bot.info().version == OLD
    assert bot.health().status == "ok"
    assert "generation went back from 2 to 1; pin and history agree: followed" in caplog.text
    assert main(["verify", "--store", str(store.path)]) == 0
    with Predictor.open(store.path) as fresh:
        assert (fresh.info().version, fresh.health().status) == (OLD, "ok")


def test_a_revert_whose_history_comes_later_is_followed_then(
    bot: Predictor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    put_back(store, "pin.json")
    assert not bot.reload_if_changed()
    put_back(store, "history.jsonl")
    now = time.monotonic() + 3_600
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert bot.reload_if_changed()
    assert (bot.info().version, bot.health().status) == (OLD, "ok")


@pytest.mark.parametrize("history", [None, b"", b"{torn", b"not a line\n"])
def test_a_history_that_says_nothing_stops_no_bot(history: bytes | None, store: Store) -> None:
    path = store.path / "history.jsonl"
    path.unlink()
    if history is not None:
        path.write_bytes(history)
    with Predictor.open(store.path) as bot:
        assert bot.info().version == NEW
        assert bot.health().status == "ok"


def test_a_pin_that_is_gone_is_told_by_the_history(bot: Predictor, store: Store) -> None:
    (store.path / "pin.json").unlink()
    assert not bot.reload_if_changed()
    assert (bot.info().version, bot.health().status) == (NEW, "degraded")
    with Predictor.open(store.path) as fresh:
        assert fresh.info().version == NEW
        assert "pin.json is missing, but the history has generation 2" in str(fresh.health().reload_problem)
    assert main(["verify", "--store", str(store.path)]) == 1


def test_a_text_of_an_actor_is_no_generation(store: Store) -> None:
    store.pin(OLD, actor='x", "generation": 99, "y": "')
    with Predictor.open(store.path) as bot:
        assert (bot.info().version, bot.health().status) == (OLD, "ok")


def test_a_pin_whose_record_is_still_to_come_is_followed(store: Store) -> None:
    put_back(store, "history.jsonl")  # as after a crash between the pin and its line
    with Predictor.open(store.path) as bot:
        assert (bot.info().version, bot.health().status) == (NEW, "ok")
    assert main(["verify", "--store", str(store.path)]) == 0


def test_a_next_pin_rises_above_the_history_and_ends_it(store: Store) -> None:
    put_back(store, "pin.json")
    assert main(["pin", OLD, "--store", str(store.path)]) == 0
    pin = store.pin_state()
    assert pin is not None
    assert (pin.generation, pin.version) == (3, OLD)
    assert main(["verify", "--store", str(store.path)]) == 0


def test_collecting_keeps_the_version_in_force(store: Store) -> None:
    put_back(store, "pin.json")
    assert main(["gc", "--keep", "0", "--keep-pinned", "0", "--store", str(store.path)]) == 0
    assert store.versions() == (NEW,)


def test_two_pins_of_one_generation_are_told_apart(store: Store, bot: Predictor) -> None:
    """Two stores that were pinned apart and copied together: the pin is not the one that was recorded."""
    put_back(store, "pin.json")
    text = (store.path / "pin.json").read_text().replace('"generation": 1', '"generation": 2')
    (store.path / "pin.json").write_text(text)
    assert main(["verify", "--store", str(store.path)]) == 1
