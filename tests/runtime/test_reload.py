"""Hot reload: the new version is proved beside the old one, then they are exchanged."""

from __future__ import annotations

import gc
import logging
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, golden_rows, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.serving.reload import RETRY_SECONDS
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trio_store(tmp_path / "trio", pinned=OLD)


@pytest.fixture
def bot(store: Store) -> Iterator[Predictor]:
    with Predictor.open(store.path) as predictor:
        yield predictor


def damage(store: Store, version: str, name: str = "level3.onnx") -> None:
    path = store.path / "versions" / version / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def repair(store: Store, version: str = NEW) -> None:
    for path in TRIO.iterdir():
        shutil.copy(path, store.path / "versions" / version / path.name)


def test_a_new_pin_is_served_from_the_next_look(bot: Predictor, store: Store) -> None:
    assert not bot.reload_if_changed()
    assert bot.decide(full_row()).version == OLD
    store.pin(NEW, actor="test")
    assert bot.decide(full_row()).version == OLD
    assert bot.reload_if_changed()
    assert bot.decide(full_row()).version == NEW
    assert not bot.reload_if_changed()
    got = list(bot.decide(full_row()).probabilities.values())
    assert np.abs(np.array(got) - golden_rows(TRIO)["level1"][0]).max() < 1e-6


def test_a_rollback_is_served_the_same_way(bot: Predictor, store: Store) -> None:
    store.pin(NEW, actor="test")
    bot.reload_if_changed()
    store.rollback(actor="test")
    assert bot.reload_if_changed()
    assert bot.info().version == OLD


def test_a_pin_of_the_version_that_serves_changes_nothing(bot: Predictor, store: Store) -> None:
    serving = bot._active[0]
    (store.path / "pin.json").touch()
    assert not bot.reload_if_changed()
    assert bot._active[0] is serving


def test_a_damaged_version_leaves_the_old_one_serving(
    bot: Predictor, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gradus_runtime")
    store.pin(NEW, actor="test")
    damage(store, NEW)
    assert not bot.reload_if_changed()
    assert bot.decide(full_row()).version == OLD
    health = bot.health()
    assert (health.status, health.version) == ("degraded", OLD)
    assert health.reload_problem is not None
    assert "level3" in health.reload_problem
    assert "a file must have the SHA-256" in health.reload_problem
    for _ in range(5):
        assert not bot.reload_if_changed()
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if line.startswith("health changed from ok to degraded")]) == 1


def test_a_failure_that_passes_is_tried_again(
    bot: Predictor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    store.pin(NEW, actor="test")
    damage(store, NEW)
    assert not bot.reload_if_changed()
    repair(store)
    assert not bot.reload_if_changed()
    now = time.monotonic() + RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert bot.reload_if_changed()
    assert bot.health().status == "ok"
    assert bot.info().version == NEW


def test_pinning_the_old_version_again_ends_the_alarm(bot: Predictor, store: Store) -> None:
    store.pin(NEW, actor="test")
    damage(store, NEW)
    bot.reload_if_changed()
    assert bot.health().status == "degraded"
    store.pin(OLD, actor="test")
    assert not bot.reload_if_changed()
    assert bot.health().status == "ok"


def test_a_pin_that_cannot_be_read_leaves_the_old_version_serving(bot: Predictor, store: Store) -> None:
    (store.path / "pin.json").write_text("{")
    assert not bot.reload_if_changed()
    assert bot.decide(full_row()).version == OLD
    assert "pin.json" in (bot.health().reload_problem or "")
    (store.path / "pin.json").unlink()
    assert not bot.reload_if_changed()
    assert "pin.json is missing" in (bot.health().reload_problem or "")


def test_levels_that_were_loaded_are_loaded_and_every_level_was_proved(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradus_runtime.serving import level_slot

    proved: list[str] = []
    real = level_slot.replay_golden_rows

    def watched(session: Any, manifest: Any, level: Any, golden: Any) -> None:
        real(session, manifest, level, golden)
        proved.append(level.name)

    with Predictor.open(store.path) as bot:
        bot.decide({**full_row(), "vix": None})
        store.pin(NEW, actor="test")
        monkeypatch.setattr(level_slot, "replay_golden_rows", watched)
        assert bot.reload_if_changed()
        assert proved == ["level1", "level2", "level3"]
        assert [level.state for level in bot.health().levels] == ["not loaded", "ready", "not loaded"]


def test_a_version_named_by_the_caller_never_changes(store: Store) -> None:
    with Predictor.open(store.path, OLD) as bot:
        store.pin(NEW, actor="test")
        assert not bot.reload_if_changed()
    with Predictor.open(TRIO) as bot:
        assert not bot.reload_if_changed()


def test_the_environment_overrides_the_pin_at_the_next_look(
    bot: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADUS_VERSION", NEW)
    assert bot.reload_if_changed()
    assert bot.info().version == NEW


def test_a_store_opened_by_an_old_name_reloads(store: Store) -> None:
    with pytest.warns(FutureWarning):
        bot = Predictor.open(store.path / "production_ensemble")
    store.pin(NEW, actor="test")
    with bot:
        with pytest.warns(FutureWarning):
            assert bot.reload_if_changed()
        assert bot.decide(full_row()).level == "level2"


def test_a_replaced_version_is_freed_without_the_collector(bot: Predictor, store: Store) -> None:
    bot.decide(full_row())
    old = weakref.ref(bot._active[0])
    session = weakref.ref(bot._active[0].slots[0].session)  # type: ignore[arg-type]  # it was loaded above
    gc.collect()
    gc.disable()
    try:
        store.pin(NEW, actor="test")
        assert bot.reload_if_changed()
        assert old() is None
        assert session() is None
    finally:
        gc.enable()


def test_while_one_thread_reloads_another_looks_and_goes_on(bot: Predictor, store: Store) -> None:
    store.pin(NEW, actor="test")
    with bot._source.lock:
        assert not bot.reload_if_changed()
        assert bot.decide(full_row()).version == OLD
    assert bot.reload_if_changed()


def test_a_version_that_is_taken_away_at_the_look_leaves_the_old_one(bot: Predictor, store: Store) -> None:
    store.pin(NEW, actor="test")
    shutil.rmtree(store.path / "versions" / NEW)
    assert not bot.reload_if_changed()
    assert bot.health().status == "degraded"
    assert bot.decide(full_row()).level == "level1"


def test_another_onnxruntime_requirement_leaves_the_old_version(bot: Predictor, store: Store) -> None:
    import dataclasses

    from gradus_runtime.contracts.manifest import RuntimeRequirement

    later = variant(
        TRIO,
        store.path / "versions" / "2026.11.22",
        change=lambda m: dataclasses.replace(m, version="2026.11.22", runtime=RuntimeRequirement("99.0", ())),
    )
    assert later.is_dir()
    store.pin("2026.11.22", actor="test")
    assert not bot.reload_if_changed()
    assert "onnxruntime must be at least 99.0" in (bot.health().reload_problem or "")


def hammer(store: Store, reloads: int, predictions: int, threads: int = 4) -> dict[str, int]:
    """Reload under predictions; count answers by version. Every answer must be one version's, entirely."""
    rows = [full_row(i) for i in range(32)]
    table = golden_rows()["features"]
    names = list(rows[0])
    expected = {}
    for folder in (OLDER_TRIO, TRIO):
        with Predictor.open(folder) as alone:
            expected[folder.name] = alone.predict_proba(table, names=names)
    assert (np.abs(expected[OLD] - expected[NEW]).max(axis=1) > 1e-3).all()
    counts = dict.fromkeys(expected, 0)
    failures: list[BaseException] = []
    finished = threading.Event()
    lock = threading.Lock()
    with Predictor.open(store.path) as bot:

        def work(share: int) -> None:
            done = dict.fromkeys(expected, 0)
            try:
                while sum(done.values()) < share:
                    for i in range(32):
                        decision = bot.decide(rows[i])
                        answer = np.array(list(decision.probabilities.values()))
                        assert decision.level == "level1"
                        assert np.abs(answer - expected[decision.version][i]).max() < 1e-6
                        done[decision.version] += 1
                    batch = bot.predict(table, names=names)
                    assert np.abs(batch.probabilities - expected[batch.version]).max() < 1e-6
                    done[batch.version] += 32
            except BaseException as e:
                failures.append(e)
            with lock:
                for version, n in done.items():
                    counts[version] += n

        workers = [threading.Thread(target=work, args=(predictions // threads,)) for _ in range(threads)]

        def change() -> None:
            done = 0
            while done < reloads:
                store.pin(NEW if done % 2 == 0 else OLD, actor="test")
                assert bot.reload_if_changed(), bot.health()
                done += 1
            finished.set()

        for worker in workers:
            worker.start()
        change()
        for worker in workers:
            worker.join()
        assert finished.is_set()
        assert bot.health().status == "ok"
    if failures:
        raise failures[0]
    return counts


def test_reloads_under_predictions_mix_nothing(store: Store) -> None:
    counts = hammer(store, reloads=12, predictions=8_000)
    assert sum(counts.values()) >= 8_000


@pytest.mark.long
def test_1000_reloads_under_1000000_predictions_mix_nothing(store: Store) -> None:
    counts = hammer(store, reloads=1_000, predictions=1_000_000)
    assert sum(counts.values()) >= 1_000_000
    assert min(counts.values()) > 0
    print(counts)
