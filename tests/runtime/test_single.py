"""Single rows have a session of their own: the same answers from half of the graph; tables open the whole."""

from __future__ import annotations

import dataclasses
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.support.golden import variant

from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.sessions import level_session, onnx_session
from gradus_runtime.sessions.one_row_graph import for_one_row
from gradus_runtime.sessions.onnx_session import open_session
from gradus_runtime.sessions.protobuf import field_bytes, fields
from gradus_runtime.sessions.shared_constants import SplitModel, take_apart
from gradus_runtime.store import Store

COMPACT = Path(__file__).resolve().parents[1] / "compat" / "manifest-1" / "artifact"
"""An artifact of the compact encoding, two levels, as the converter wrote it."""

GRAPH = (COMPACT / "level1.onnx").read_bytes()
OLD, NEW = "2026.11.21", "2026.11.22"


def open_bot(source: Any = COMPACT, **settings: Any) -> Predictor:
    return Predictor.open(source, max_age_days=10_000, **settings)


def golden() -> dict[str, Any]:
    """The golden rows that level 1 can serve."""
    with np.load(COMPACT / "golden.npz") as arrays:
        whole = np.isfinite(arrays["features"]).all(axis=1)
        return {name: values[whole] for name, values in arrays.items()}


def columns(bot: Predictor) -> dict[str, Any]:
    return dict(zip(bot.feature_names_in_, golden()["features"].T, strict=True))


def row(bot: Predictor, i: int = 0) -> dict[str, Any]:
    return {name: values[i] for name, values in columns(bot).items()}


def serves_tables(bot: Predictor) -> list[bool | None]:
    return [None if s.session is None else s.session.has_table_session for s in bot._active[0].slots]


def test_the_form_for_one_row_gives_the_very_bits_of_the_branch() -> None:
    one, whole = (open_session(GRAPH, "compact", 1, one_row=single) for single in (True, False))
    assert (one.one_row, whole.one_row) == (True, False)
    width = one.session.get_inputs()[0].shape[1]
    rng = np.random.default_rng(5)
    rows = [golden()["features"], 10 * rng.standard_normal((2000, width)), np.zeros((1, width))]
    for features in np.concatenate(rows).astype(np.float32):
        (expected,) = whole.session.run(["probabilities"], {"features": features[None]})
        (got,) = one.session.run(["probabilities"], {"features": features[None]})
        assert got.tobytes() == expected.tobytes()


def test_the_form_for_one_row_has_neither_the_choice_nor_the_other_branch() -> None:
    skeleton = take_apart(GRAPH, "x")
    single = for_one_row(skeleton)
    assert single is not None
    for word in (b"then_branch", b"else_branch", b"many_", b"label"):
        assert word in skeleton.model
        assert word not in single.model
    assert len(single.model) < 0.6 * len(skeleton.model)
    assert single.tables.keys() <= skeleton.tables.keys()
    assert b"gradus.schema" in single.model


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"one_row", b"one_raw"), (b"then_branch", b"then_brunch"), (b"probabilities", b"probabilisties"[:13])],
)
def test_another_graph_serves_single_rows_itself(old: bytes, new: bytes) -> None:
    assert old in GRAPH
    assert for_one_row(take_apart(GRAPH.replace(old, new), "x")) is None


@pytest.mark.parametrize("operator", [b"If", b"Loop", b"Scan", b"SequenceMap"])
def test_a_graph_with_another_operator_of_branches_is_left_alone(operator: bytes) -> None:
    """What branches read is not written down at their node."""
    node = field_bytes(4, operator)
    (graph,) = [f for f in fields(GRAPH, 0, len(GRAPH)) if f.number == 7]
    content = GRAPH[graph.value : graph.stop]
    grown = [GRAPH[: graph.start] + field_bytes(7, content + extra) for extra in (b"", field_bytes(1, node))]
    assert for_one_row(SplitModel(grown[0], {})) is not None
    assert for_one_row(SplitModel(grown[1], {})) is None


def test_damaged_graphs_raise_nothing() -> None:
    rng = random.Random(3)
    skeleton = take_apart(GRAPH, "x").model
    forms = 0
    for _ in range(1500):
        damaged = bytearray(skeleton)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randrange(len(damaged)) if rng.random() < 0.3 else len(damaged) :]
        forms += for_one_row(SplitModel(bytes(damaged), {})) is not None
    assert 0 < forms < 1500


def test_the_session_for_tables_is_opened_by_the_first_table() -> None:
    expected = golden()["level1"]
    with open_bot(preload=True) as bot:
        assert serves_tables(bot) == [False, False]
        single = [list(bot.decide(row(bot, i)).probabilities.values()) for i in range(8)]
        one = bot.predict_proba({name: values[:1] for name, values in columns(bot).items()})
        assert serves_tables(bot) == [False, False]
        assert one[0].tolist() == single[0]
        table = bot.predict_proba(columns(bot))
        assert serves_tables(bot) == [True, False]
    assert np.abs(np.array(single) - expected[:8]).max() <= 1e-6
    assert np.abs(table - expected).max() <= 1e-6


def test_many_threads_with_a_first_table_open_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    real = level_session.open_session
    opened: list[bool] = []

    def counted(*arguments: Any, one_row: bool = False, **settings: Any) -> Any:
        opened.append(one_row)
        return real(*arguments, one_row=one_row, **settings)

    monkeypatch.setattr(level_session, "open_session", counted)
    expected, wrong = golden()["level1"], []
    with open_bot() as bot:
        table = columns(bot)

        def work() -> None:
            for _ in range(20):
                if np.abs(bot.predict_proba(table) - expected).max() > 1e-6:
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(opened) == [False, True]
    assert not wrong


def exchange_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the session for tables of level 1 be opened from the graph of level 2."""
    real = level_session.open_session
    other = (COMPACT / "level2.onnx").read_bytes()

    def exchanged(model: bytes, *settings: Any, one_row: bool = False, **more: Any) -> Any:
        chosen = model if one_row or len(model) != len(GRAPH) else other
        return real(chosen, *settings, one_row=one_row, **more)

    monkeypatch.setattr(level_session, "open_session", exchanged)


def test_a_level_whose_tables_fail_the_proof_is_out_and_the_next_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange_tables(monkeypatch)
    with open_bot() as bot:
        assert bot.decide(row(bot)).level == "level1"
        assert set(bot.predict(columns(bot)).levels.tolist()) == {"level2"}
        health = bot.health()
        assert health.status == "degraded"
        assert "metadata_props['gradus.level'] must be 'level1', but got 'level2'" in str(
            health.levels[0].problem
        )
        assert bot.decide(row(bot)).level == "level2"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two versions that differ in nothing but their number; the first is pinned."""

    def newer(manifest: Manifest) -> Manifest:
        return dataclasses.replace(manifest, version=NEW)

    graphs = {f"level{i}.onnx": (COMPACT / f"level{i}.onnx").read_bytes() for i in (1, 2)}
    renamed = {name: data.replace(OLD.encode(), NEW.encode()) for name, data in graphs.items()}
    variant(COMPACT, tmp_path / "versions" / OLD)
    variant(COMPACT, tmp_path / "versions" / NEW, files=renamed, change=newer)
    store = Store(tmp_path)
    store.pin(OLD, actor="test")
    return store


@pytest.mark.parametrize("tables", [False, True])
def test_a_reload_opens_for_tables_what_was_open_for_them(store: Store, tables: bool) -> None:
    with open_bot(store.path) as bot:
        bot.decide(row(bot))
        if tables:
            bot.predict_proba(columns(bot))
        assert serves_tables(bot) == [tables, None]
        store.pin(NEW, actor="test")
        assert bot.reload_if_changed()
        assert serves_tables(bot) == [tables, None]
        assert bot.decide(row(bot)).version == NEW


def test_a_version_whose_tables_fail_the_proof_leaves_the_old_one_serving(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_bot(store.path) as bot:
        assert bot.decide(row(bot)).level == "level1"
        store.pin(NEW, actor="test")
        exchange_tables(monkeypatch)
        assert not bot.reload_if_changed()
        assert "metadata_props" in str(bot.health().reload_problem)
        assert (bot.decide(row(bot)).version, bot.decide(row(bot)).level) == (OLD, "level1")


def test_an_onnxruntime_that_refuses_the_form_serves_by_the_whole_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = onnx_session._open

    def refuse(model: bytes, options: Any) -> Any:
        if b"then_branch" not in model:
            raise RuntimeException("too short")
        return real(model, options)

    monkeypatch.setattr(onnx_session, "_open", refuse)
    with open_bot(preload=True) as bot:
        decision = bot.decide(row(bot))
        assert decision.level == "level1"
        assert np.abs(np.array(list(decision.probabilities.values())) - golden()["level1"][0]).max() <= 1e-6
        assert bot.health().status == "ok"
        assert serves_tables(bot) == [False, False]
        bot.predict_proba(columns(bot))
        assert serves_tables(bot) == [False, False]
    lines = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert len(lines) == 2
    assert all(line.endswith("scores single rows by the graph for tables: too short") for line in lines)
