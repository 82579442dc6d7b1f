"""Large constants are used where they lie: skeleton and tables are the graph, and bad bytes stay whole."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.support.golden import TRIO, full_row, golden_rows, variant

from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.sessions import onnx_session, shared_constants
from gradus_runtime.sessions.shared_constants import take_apart

GRAPH = (TRIO / "level1.onnx").read_bytes()


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden graphs have two tables, of 288 and 864 bytes at the best level."""
    monkeypatch.setattr(shared_constants, "LARGE_CONSTANT", 100)


@pytest.fixture
def compact_trio(tmp_path: Path) -> Path:
    def change(manifest: Manifest) -> Manifest:
        levels = [dataclasses.replace(level, encoding="compact") for level in manifest.levels]
        return dataclasses.replace(manifest, levels=tuple(levels))

    return variant(TRIO, tmp_path / "v", change=change)


@pytest.mark.usefixtures("all_are_large")
def test_a_level_answers_the_same_from_its_skeleton_and_tables(compact_trio: Path) -> None:
    with Predictor.open(compact_trio, preload=True) as bot:
        for slot in bot._active[0].slots:
            assert slot.session is not None
            assert len(slot.session.for_tables().tables) == 2
        expected = golden_rows()["level1"]
        got = [list(bot.decide(full_row(i)).probabilities.values()) for i in range(4)]
        assert np.abs(np.array(got) - expected[:4]).max() <= 1e-6


@pytest.mark.usefixtures("all_are_large")
def test_what_lies_well_is_not_copied_and_the_rest_is() -> None:
    expected = take_apart(GRAPH, "x").tables
    assert [(a.shape, a.dtype) for a in expected.values()] == [((9, 8), np.float32), ((72, 3), np.float32)]
    shared = 0
    for pad in range(4):
        moved = bytes([0x7A, pad, *range(pad)]) + GRAPH  # a field that no message has
        skeleton = take_apart(moved, "elsewhere.bin")
        assert skeleton.model.count(b"elsewhere.bin") == len(skeleton.tables) == 2
        assert len(skeleton.model) < len(moved) - 900
        for name, values in skeleton.tables.items():
            assert values.flags.aligned
            assert (values == expected[name]).all()
            shared += np.shares_memory(values, np.frombuffer(moved, np.uint8))
    assert shared == 2  # of four places, one fits


def test_small_constants_stay_where_they_are() -> None:
    assert take_apart(GRAPH, "x").model is GRAPH
    assert take_apart(GRAPH, "x").tables == {}


@pytest.mark.usefixtures("all_are_large")
def test_bytes_that_are_no_graph_stay_whole() -> None:
    rng = random.Random(7)
    for data in (b"", b"\x00", b"\x3a\xff", b"\x3a\x02\x2a\x7f", b"\x80" * 11, rng.randbytes(500)):
        assert take_apart(data, "x").model == data
    for _ in range(3000):
        damaged = bytearray(GRAPH)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randrange(len(damaged)) if rng.random() < 0.3 else len(damaged) :]
        skeleton = take_apart(bytes(damaged), "x")
        assert skeleton.tables or skeleton.model == damaged


@pytest.mark.usefixtures("all_are_large")
def test_a_machine_of_the_other_byte_order_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_constants.sys, "byteorder", "big")
    assert take_apart(GRAPH, "x").model is GRAPH


@pytest.mark.usefixtures("all_are_large")
def test_an_onnxruntime_that_refuses_skeletons_gets_the_whole_graph_and_the_log_says_so(
    compact_trio: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = onnx_session._open

    def refuse_skeletons(model: bytes, options: Any) -> Any:
        if b"__init__.py" in model:
            raise RuntimeException("external data is out of fashion")
        return real(model, options)

    monkeypatch.setattr(onnx_session, "_open", refuse_skeletons)
    with Predictor.open(compact_trio, preload=True) as bot:
        assert bot.decide(full_row()).level == "level1"
        assert bot.health().status == "ok"
    lines = [r.message for r in caplog.records if "copies the tables" in r.message]
    assert len(lines) == 3
    assert all(line.endswith("external data is out of fashion") for line in lines)


@pytest.mark.usefixtures("all_are_large")
def test_a_graph_that_is_damaged_fails_as_it_does_whole(caplog: pytest.LogCaptureFixture) -> None:
    damaged = GRAPH.replace(b"Softmax", b"Softmux", 1)
    with pytest.raises(Exception, match="Softmux"):
        onnx_session.open_session(damaged, "compact", 1)
    assert not caplog.records


@pytest.mark.usefixtures("all_are_large")
def test_other_encodings_keep_their_constants() -> None:
    for encoding in ("treeops", "none"):
        assert onnx_session.open_session(GRAPH, encoding, 1).tables == []
