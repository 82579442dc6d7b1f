"""Serving an artifact: the door, one row, a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.golden import PAIR, TRIO, TRIO_NAMES, full_row, golden_rows, trio_store

from gradus_runtime import Predictor
from gradus_runtime.errors import UsageError
from gradus_runtime.store.bundle import zip_bytes


def test_a_full_row_gets_the_golden_probabilities_of_level1() -> None:
    golden = golden_rows()
    with Predictor.open(TRIO) as bot:
        for i, expected in enumerate(golden["level1"]):
            decision = bot.decide(full_row(i))
            assert decision.level == "level1"
            assert decision.reasons == ()
            assert list(decision.probabilities) == ["SELL", "HOLD", "BUY"]
            assert np.abs(np.array(list(decision.probabilities.values())) - expected).max() < 1e-6
            assert decision.confidence == max(decision.probabilities.values())
            assert decision.version == "2026.11.21"


def test_a_row_without_the_outside_group_is_served_by_level2() -> None:
    row = {name: value for name, value in full_row().items() if name not in ("usd_jpy", "vix", "dxy")}
    with Predictor.open(TRIO) as bot:
        decision = bot.decide(row)
    assert decision.level == "level2"
    assert decision.reasons == ("level1: missing usd_jpy, vix, dxy",)
    got = np.array(list(decision.probabilities.values()))
    assert np.abs(got - golden_rows()["level2"][0]).max() < 1e-6


def test_a_row_without_anything_gets_the_fallback() -> None:
    with Predictor.open(TRIO) as bot:
        decision = bot.decide({})
    assert (decision.action, decision.confidence, decision.level) == ("HOLD", 0.5, "fallback")
    assert decision.probabilities == {"SELL": 0.25, "HOLD": 0.5, "BUY": 0.25}
    assert decision.reasons == (
        "level1: missing close, volume, rsi, atr, breakout and 4 more",
        "level2: missing close, volume, rsi, atr, breakout and 1 more",
        "level3: missing close, volume, rsi, atr",
    )


def test_a_batch_is_routed_row_by_row_as_single_rows_are() -> None:
    rows = [
        full_row(0),
        {},
        {**full_row(1), "vix": None},
        {**full_row(2), "breakout": float("nan")},
        {**full_row(3), "close": "no number"},
    ]
    with Predictor.open(TRIO) as bot:
        predictions = bot.predict(rows)
        singles = [bot.decide(row) for row in rows]
    assert predictions.levels.tolist() == ["level1", "fallback", "level2", "level3", "fallback"]
    assert len(predictions) == 5
    for one, other in zip(predictions, singles, strict=True):
        assert (one.action, one.level, one.reasons) == (other.action, other.level, other.reasons)
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-6)


def test_a_store_serves_its_pinned_version(tmp_path: Path) -> None:
    trio_store(tmp_path / "trio", pinned="2026.11.14")
    with Predictor.open(tmp_path / "trio") as bot:
        assert bot.info().version == "2026.11.14"
        assert bot.decide(full_row()).version == "2026.11.14"
    with Predictor.open(tmp_path / "trio", "2026.11.21") as bot:
        assert bot.info().version == "2026.11.21"


def test_two_classes_and_five_features_are_served_as_well() -> None:
    golden = golden_rows(PAIR)
    with Predictor.open(PAIR) as bot:
        got = bot.predict_proba(golden["features"], names=["close", "volume", "rsi", "usd_jpy", "vix"])
        assert np.abs(got - golden["level1"]).max() < 1e-6
        assert bot.classes_.tolist() == ["DOWN", "UP"]


def test_info_describes_what_serves() -> None:
    with Predictor.open(TRIO) as bot:
        info = bot.info()
        assert (info.name, info.version, info.features) == ("trio", "2026.11.21", 9)
        assert {level.bits for level in info.levels} == {"2e-6"}
        assert [(level.name, level.features) for level in info.levels] == [
            ("level1", 9),
            ("level2", 6),
            ("level3", 4),
        ]
        assert tuple(bot.feature_names_in_.tolist()) == TRIO_NAMES
        assert repr(bot).startswith("<Predictor trio 2026.11.21 from ")


def test_levels_load_when_first_needed_or_at_once() -> None:
    with Predictor.open(TRIO) as bot:
        assert [level.state for level in bot.health().levels] == ["not loaded"] * 3
        bot.decide(full_row())
        assert [level.state for level in bot.health().levels] == ["ready", "not loaded", "not loaded"]
        assert bot.health().status == "ok"
    with Predictor.open(TRIO, preload=True) as bot:
        assert [level.state for level in bot.health().levels] == ["ready"] * 3


def test_an_unknown_group_is_refused_with_those_there_are() -> None:
    with Predictor.open(TRIO) as bot, pytest.raises(UsageError) as caught:
        bot.decide(full_row(), unavailable={"moon"})
    assert str(caught.value) == (
        "unavailable: a group or feature must be known, but got 'moon'. Groups: basic, signals, external_api."
    )


def test_an_exported_zip_is_served(tmp_path: Path) -> None:
    path = tmp_path / "trio.zip"
    path.write_bytes(zip_bytes({file.name: file.read_bytes() for file in TRIO.iterdir()}))
    with Predictor.open(path, preload=True) as bot:
        assert bot.health().status == "ok"
        assert bot.decide(full_row()).level == "level1"
        assert not bot.reload_if_changed()
