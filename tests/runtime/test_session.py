"""Sessions: options that fit the encoding, blocks within a memory budget, threads, buffers for one row."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows, variant

from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import Manifest, Member, parse
from gradus_runtime.sessions.level_session import (
    DEFAULT_MEMORY_BUDGET,
    LevelSession,
    RowBuffer,
    block_rows,
    kernel_block_rows,
)
from gradus_runtime.sessions.onnx_session import OnnxSession, session_options

MANIFEST = parse((TRIO / "manifest.json").read_bytes())
LEVEL = MANIFEST.levels[0]


def reference(encoding: str, trees: int = 1400) -> Any:
    member = Member("lightgbm", "lightgbm", 1.0, trees, 0)
    return dataclasses.replace(LEVEL, encoding=encoding, members=(member,))


def test_the_default_budget_scores_the_reference_ensemble_in_blocks_of_88_rows() -> None:
    assert block_rows(reference("compact"), 70, DEFAULT_MEMORY_BUDGET) == 88


def test_blocks_follow_the_budget_within_bounds() -> None:
    assert block_rows(reference("compact"), 70, 1) == 16
    assert block_rows(reference("compact"), 70, 1 << 30) == 2048
    assert block_rows(reference("compact"), 70, 2 * DEFAULT_MEMORY_BUDGET) == 176
    assert block_rows(reference("treeops"), 70, DEFAULT_MEMORY_BUDGET) == 2048


def test_threads_take_blocks_of_the_kernel_in_turn() -> None:
    for budget in (1, DEFAULT_MEMORY_BUDGET, 1 << 30):
        assert kernel_block_rows(reference("compact"), 70, budget, 2) == 256
    assert kernel_block_rows(reference("compact"), 70, DEFAULT_MEMORY_BUDGET, 1) == 2048
    assert kernel_block_rows(reference("compact"), 70, 1 << 20, 1) == 512
    assert kernel_block_rows(reference("compact"), 70, 1, 1) == 256


def test_the_compact_encoding_runs_unoptimised_on_one_thread_and_others_optimised() -> None:
    compact, treeops = session_options("compact", 4), session_options("treeops", 4)
    assert compact.intra_op_num_threads == 1
    assert compact.graph_optimization_level == ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert treeops.intra_op_num_threads == 4
    assert treeops.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    for options in (compact, treeops):
        assert options.inter_op_num_threads == 1
        assert options.enable_cpu_mem_arena
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def compact(manifest: Manifest) -> Manifest:
    return dataclasses.replace(
        manifest, levels=tuple(dataclasses.replace(s, encoding="compact") for s in manifest.levels)
    )


def spy_on_run(monkeypatch: pytest.MonkeyPatch, level: LevelSession) -> list[tuple[int, str]]:
    """Record the rows and the thread of each run of a session."""
    runs: list[tuple[int, str]] = []
    real = level.for_tables().session

    class Spy:
        def run(self, names: list[str], feeds: dict[str, Any]) -> Any:
            (features,) = feeds.values()
            runs.append((len(features), threading.current_thread().name))
            return real.run(names, feeds)

    monkeypatch.setattr(level, "for_tables", lambda: OnnxSession(Spy(), []))
    return runs


def test_a_batch_is_scored_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    with Predictor.open(TRIO, preload=True, memory_budget=16 * 1024) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None
        runs = spy_on_run(monkeypatch, session)
        table = np.tile(golden_rows()["features"], (10, 1))
        got = bot.predict_proba(table, names=list(TRIO_NAMES))
    assert np.abs(got - np.tile(golden_rows()["level1"], (10, 1))).max() < 1e-6
    assert sum(rows for rows, _ in runs) == 320
    assert max(rows for rows, _ in runs) == session.block < 320


def test_threads_share_the_blocks_of_a_compact_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = variant(TRIO, tmp_path / "v", change=compact)
    table = np.tile(golden_rows()["features"], (40, 1))
    with Predictor.open(folder, preload=True, threads=3, memory_budget=100 * 1024) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None
        runs = spy_on_run(monkeypatch, session)
        got = bot.predict_proba(table, names=list(TRIO_NAMES))
    assert np.abs(got - np.tile(golden_rows()["level1"], (40, 1))).max() < 1e-6
    assert sum(rows for rows, _ in runs) == len(table)


def test_a_thread_that_fails_takes_the_level_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = variant(TRIO, tmp_path / "v", change=compact)
    table = np.tile(golden_rows()["features"], (40, 1))
    with Predictor.open(folder, preload=True, threads=2, memory_budget=100 * 1024) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None

        class Failing:
            def run(self, names: list[str], feeds: dict[str, Any]) -> Any:
                raise RuntimeException("lost")

        monkeypatch.setattr(session, "for_tables", lambda: OnnxSession(Failing(), []))
        assert set(bot.predict(table, names=list(TRIO_NAMES)).levels.tolist()) == {"level2"}
        assert bot.health().levels[0].problem == "RuntimeException: lost"


def test_one_row_buffers_are_used_again_and_never_shared() -> None:
    with Predictor.open(TRIO, preload=True) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None
        first, second = session.borrow(), session.borrow()
        assert first is not second
        session.give_back(first)
        assert session.borrow() is first
        session.give_back(first)
        session.give_back(second)
        for i in range(50):
            bot.decide(full_row(i % 32))
        assert len(session.idle) == 2


def test_single_rows_from_many_threads_are_right() -> None:
    expected = golden_rows()["level1"]
    wrong: list[int] = []
    with Predictor.open(TRIO) as bot:

        def work(seed: int) -> None:
            for k in range(400):
                i = (k * 7 + seed) % 32
                got = list(bot.decide(full_row(i)).probabilities.values())
                if np.abs(np.array(got) - expected[i]).max() > 1e-6:
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_ensemble_users_find_what_they_expect() -> None:
    with Predictor.open(TRIO) as bot:
        assert bot.get_model_info() == {
            "type": "soft vote of 1",
            "n_features": 9,
            "individual_models": ["cuts"],
            "weights": {"cuts": 1.0},
            "version": "2026.11.21",
            "level": "level1",
        }
        assert bot.get_model_info("level3")["n_features"] == 4
        table = golden_rows()["features"]
        summary = bot.validate_predictions(table, names=list(TRIO_NAMES))
        predictions = bot.predict(table, names=list(TRIO_NAMES))
        assert summary["n_samples"] == 32
        assert summary["mean_confidence"] == pytest.approx(float(predictions.confidences.mean()), abs=1e-6)
        assert sum(summary["action_ratios"].values()) == pytest.approx(1.0)
        lowest, highest = summary["probability_range"] or (0.0, 0.0)
        assert (lowest, highest) == (predictions.probabilities.min(), predictions.probabilities.max())
        assert summary["prediction_range"] == (1, 2)
        empty = bot.validate_predictions([])
        assert empty["n_samples"] == 0
        assert empty["prediction_range"] is None
        from gradus_runtime.errors import UsageError

        with pytest.raises(UsageError, match="level: a level must be known, but got 'level9'"):
            bot.get_model_info("level9")


def test_a_session_that_shows_its_public_calls_alone_scores_one_row() -> None:
    class Public:
        def __init__(self, real: Any) -> None:
            self.io_binding, self.run_with_iobinding = real.io_binding, real.run_with_iobinding

    with Predictor.open(TRIO, preload=True) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None
        golden = golden_rows()
        cell = RowBuffer(OnnxSession(Public(session.for_tables().session), []), 9, 3)
        cell.features[:] = golden["features"][0][:9]
        assert np.abs(np.array(cell.run()) - golden["level1"][0]).max() <= 1e-6
