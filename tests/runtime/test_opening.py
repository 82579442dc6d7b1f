"""What an artifact must pass before it serves, and what serves when it does not."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from tests.support.golden import (
    OLDER_TRIO,
    TRIO,
    changed,
    full_row,
    golden_rows,
    npz_bytes,
    trio_store,
    variant,
)

from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import RuntimeRequirement, parse
from gradus_runtime.errors import EnvironmentFailedError, IntegrityError, StoreError, UsageError
from gradus_runtime.serving.golden_replay import check_onnxruntime, read_golden

MANIFEST = parse((TRIO / "manifest.json").read_bytes())


def problem_of(bot: Predictor, level: str = "level1") -> str:
    (problem,) = [one.problem for one in bot.health().levels if one.name == level]
    assert problem is not None
    return problem


def test_a_graph_that_is_no_graph_is_out_and_the_next_level_serves(tmp_path: Path) -> None:
    broken = variant(TRIO, tmp_path / "v", files={"level1.onnx": b"no graph"})
    with Predictor.open(broken) as bot:
        decision = bot.decide(full_row())
        assert decision.level == "level2"
        assert decision.reasons[0].startswith("level1: out of service: ")
        assert bot.health().status == "degraded"
        assert "out of service" in bot.predict([full_row()]).reasons[0][0]


def test_bytes_that_are_not_the_manifests_never_reach_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = variant(TRIO, tmp_path / "v")
    data = bytearray((folder / "level1.onnx").read_bytes())
    data[100] ^= 1
    (folder / "level1.onnx").write_bytes(data)
    parsed: list[bytes] = []
    real = onnxruntime.InferenceSession

    def watched(model: bytes, *args: Any, **kwargs: Any) -> Any:
        parsed.append(model)
        return real(model, *args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    with Predictor.open(folder) as bot:
        assert bot.decide(full_row()).level == "level2"
        assert problem_of(bot).startswith("IntegrityError: ")
        assert "a file must have the SHA-256" in problem_of(bot)
    assert bytes(data) not in parsed
    assert len(parsed) == 1


def test_golden_rows_that_come_out_otherwise_take_the_level_out(tmp_path: Path) -> None:
    golden = dict(golden_rows())
    golden["level1"] = golden["level1"].copy()
    golden["level1"][31] = [0.2, 0.3, 0.5]
    wrong = variant(TRIO, tmp_path / "v", files={"golden.npz": npz_bytes(golden)})
    with Predictor.open(wrong, preload=True) as bot:
        assert "golden rows must be reproduced within 1e-06, but got 0." in problem_of(bot)
        assert [level.state for level in bot.health().levels] == ["out of service", "ready", "ready"]
        assert bot.decide(full_row()).level == "level2"


def test_golden_rows_are_replayed_one_by_one_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_runtime.sessions.level_session import RowBuffer

    monkeypatch.setattr(RowBuffer, "run", lambda self: [1.0, 0.0, 0.0])
    with Predictor.open(TRIO, preload=True) as bot:
        assert bot.health().status == "failed"
        assert "golden rows must be reproduced" in problem_of(bot)


def test_a_graph_of_another_version_is_out(tmp_path: Path) -> None:
    mixed = variant(TRIO, tmp_path / "v", files={"level1.onnx": (OLDER_TRIO / "level1.onnx").read_bytes()})
    with Predictor.open(mixed) as bot:
        assert bot.decide(full_row()).level == "level2"
        assert "metadata_props['gradus.version'] must be '2026.11.21', but got '2026.11.14'" in problem_of(
            bot
        )


def test_a_graph_of_another_schema_is_out(tmp_path: Path) -> None:
    renamed = (dataclasses.replace(MANIFEST.features[0], name="closing"), *MANIFEST.features[1:])
    other = variant(TRIO, tmp_path / "v", change=changed(features=renamed))
    with Predictor.open(other, preload=True) as bot:
        assert bot.health().status == "failed"
        assert "metadata_props['gradus.schema'] must be" in problem_of(bot)


def test_when_every_level_is_out_the_fallback_answers(tmp_path: Path) -> None:
    files = {f"level{i}.onnx": b"no graph" for i in (1, 2, 3)}
    with Predictor.open(variant(TRIO, tmp_path / "v", files=files)) as bot:
        decision = bot.decide(full_row())
        assert (decision.action, decision.level) == ("HOLD", "fallback")
        assert [reason.split(":")[1] for reason in decision.reasons] == [" out of service"] * 3
        assert bot.health().status == "failed"
        batch = bot.predict([full_row(), {}])
        assert batch.levels.tolist() == ["fallback", "fallback"]
        assert np.allclose(batch.probabilities, [0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        (b"nothing", "an npz file must be readable"),
        (npz_bytes({"level1": np.zeros((1, 3), np.float32)}), "golden rows must hold `features`"),
        (npz_bytes({"features": np.zeros((4, 9), np.float32)}), "answers of level1 of shape (4, 3)"),
        (
            npz_bytes({"features": np.zeros((4, 8), np.float32), "level1": np.zeros((4, 3), np.float32)}),
            "answers of level1 of shape (4, 3)",
        ),
        (
            npz_bytes(
                {"features": np.full((4, 9), np.nan, np.float32), "level1": np.zeros((4, 3), np.float32)}
            ),
            "golden rows must have a row that the level can serve",
        ),
    ],
)
def test_golden_rows_that_prove_nothing_take_the_level_out(
    tmp_path: Path, golden: bytes, message: str
) -> None:
    with Predictor.open(variant(TRIO, tmp_path / "v", files={"golden.npz": golden}), preload=True) as bot:
        assert message in problem_of(bot)
        assert bot.health().status == "failed"


def test_pickled_golden_rows_are_refused_unread() -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, features=np.array([{}], dtype=object))
    with pytest.raises(IntegrityError, match="an array must hold plain values"):
        read_golden(buffer.getvalue(), "golden.npz")


@pytest.mark.parametrize(
    ("minimum", "bad", "installed", "message"),
    [
        ("1.20", (), "1.19.2", "onnxruntime must be at least 1.20, but got '1.19.2'"),
        ("1.20", ("1.26.0",), "1.26.0", "onnxruntime must be none of 1.26.0, which compute wrongly"),
        ("1.20", ("1.26.0",), "1.26.0+local", "onnxruntime must be none of 1.26.0"),
        ("1.9", (), "unknown", "onnxruntime must be at least 1.9"),
    ],
)
def test_an_onnxruntime_that_may_not_serve_is_refused(
    minimum: str, bad: tuple[str, ...], installed: str, message: str
) -> None:
    manifest = dataclasses.replace(MANIFEST, runtime=RuntimeRequirement(minimum, bad))
    with pytest.raises(EnvironmentFailedError) as caught:
        check_onnxruntime(manifest, installed)
    assert message in str(caught.value)


def test_an_onnxruntime_that_may_serve_is_taken() -> None:
    manifest = dataclasses.replace(MANIFEST, runtime=RuntimeRequirement("1.9", ("1.26.0",)))
    for installed in ("1.9.0", "1.20.1", "1.26.1", "2.0"):
        check_onnxruntime(manifest, installed)


def test_opening_refuses_an_artifact_for_a_later_onnxruntime(tmp_path: Path) -> None:
    late = variant(TRIO, tmp_path / "v", change=changed(runtime=RuntimeRequirement("99.0", ())))
    with pytest.raises(EnvironmentFailedError, match="onnxruntime must be at least 99"):
        Predictor.open(late)


def test_a_pin_that_names_another_digest_is_refused(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "trio")
    import shutil

    shutil.rmtree(tmp_path / "trio" / "versions" / "2026.11.21")
    variant(TRIO, tmp_path / "trio" / "versions" / "2026.11.21", change=changed(aliases={}))
    with pytest.raises(IntegrityError):
        Predictor.open(store.path)


def test_nothing_to_open_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"an artifact must be .*: nothing is at this path.*Publish one"):
        Predictor.open(tmp_path / "nowhere")


def test_stores_beside_a_misspelt_path_are_named(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "trio")
    with pytest.raises(StoreError, match=f"nothing is at this path.*Stores near it: {store.path}"):
        Predictor.open(tmp_path / "tiro")
    with pytest.raises(StoreError, match=f"this folder is none.*Stores near it: {store.path}"):
        Predictor.open(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x80\x04}q\x00.", b"tree\nversion=v4\n", b"\x08\x0a\x12\x04onnx"])
def test_a_model_file_is_told_apart_from_a_damaged_zip(tmp_path: Path, data: bytes) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(data)
    with pytest.raises(StoreError, match=r"distribution: this file is none. Of model files, gradus import"):
        Predictor.open(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be at least 1, but got 0"),
        ({"memory_budget": 0}, "memory_budget must be at least 1 byte, but got 0"),
        ({"confidence_threshold": 1.5}, "confidence_threshold must lie in [0, 1], but got 1.5"),
        ({"max_age_days": -1.0}, "max_age_days must be above 0, but got -1.0"),
        ({"release_after": 0.0}, "release_after must be above 0 seconds"),
        ({"threads": 1.5}, "threads must be a whole number, but got 1.5"),
        ({"threads": math.nan}, "threads must be a number, but got nan"),
        ({"threads": math.inf}, "threads must be at most 1024, but got inf"),
        ({"threads": 2**31}, "threads must be at most 1024"),
        ({"threads": "2"}, "threads must be a number, but got '2'"),
        ({"threads": True}, "threads must be a number, but got True"),
        ({"threads": None}, "threads must be a number"),
        ({"memory_budget": 2.5}, "memory_budget must be a whole number"),
        ({"memory_budget": math.inf}, "memory_budget must be at most"),
        ({"memory_budget": "3M"}, "memory_budget must be a number"),
        ({"confidence_threshold": math.nan}, "confidence_threshold must lie in [0, 1], but got nan"),
        ({"confidence_threshold": "0.3"}, "confidence_threshold must lie in [0, 1]"),
        ({"max_age_days": 3e6}, "max_age_days must be at most 1e+06, but got 3000000.0"),
        ({"max_age_days": math.nan}, "max_age_days must be a number"),
        ({"max_age_days": "30"}, "max_age_days must be a number"),
        ({"release_after": math.nan}, "release_after must be a number"),
        ({"preload": "no"}, "preload must be True or False, but got 'no'"),
        ({"drift": 1}, "drift must be True or False"),
        ({"clock": 5}, "clock must be callable"),
        ({"monotonic": 5}, "monotonic must be callable"),
        ({"version": 2026.11}, "version must be text, but got 2026.11"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Predictor.open(TRIO, **options)
    assert message in str(caught.value)


def test_a_session_that_fails_while_serving_is_out_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with Predictor.open(TRIO, preload=True) as bot:
        session = bot._active[0].slots[0].session
        assert session is not None

        def fail(*args: object) -> None:
            raise RuntimeException("out of\nmemory")

        monkeypatch.setattr(session, "score", fail)
        table = [full_row(0), full_row(1)]
        assert bot.predict(table).levels.tolist() == ["level2", "level2"]
        assert bot.predict(table).reasons[0] == ("level1: out of service: RuntimeException: out of memory",)
        assert bot.decide(full_row()).level == "level2"
        assert bot.health().status == "degraded"


def test_a_single_row_survives_a_failing_session(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_runtime.sessions.level_session import RowBuffer

    with Predictor.open(TRIO, preload=True) as bot:
        bot.decide(full_row())
        real, width = RowBuffer.run, 9

        def run(self: RowBuffer) -> tuple[float, ...]:
            if len(self.features) == width:
                raise RuntimeException("lost")
            return real(self)

        monkeypatch.setattr(RowBuffer, "run", run)
        decision = bot.decide(full_row())
        assert decision.level == "level2"
        assert decision.reasons == ("level1: out of service: RuntimeException: lost",)


@pytest.mark.parametrize("answer", [[np.nan, 0.5, 0.5], [2.0, -0.5, -0.5], [0.5, 0.5, 0.5]])
def test_probabilities_that_are_none_are_never_passed_on(
    answer: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradus_runtime.sessions.level_session import LevelSession, RowBuffer

    with Predictor.open(TRIO, preload=True) as bot:
        real_run, real_score = RowBuffer.run, LevelSession.score

        def run(self: RowBuffer) -> tuple[float, ...]:
            return tuple(answer) if len(self.features) == 9 else real_run(self)

        def score(self: LevelSession, features: Any, out: Any, also: Any) -> None:
            real_score(self, features, out, also)
            if features.shape[1] == 9:
                out[1] = answer

        monkeypatch.setattr(RowBuffer, "run", run)
        monkeypatch.setattr(LevelSession, "score", score)
        decision = bot.decide(full_row())
        assert decision.level == "level2"
        assert decision.reasons == ("level1: gave no valid probabilities for this row",)
        batch = bot.predict([full_row(0), full_row(1), full_row(2)])
        assert batch.levels.tolist() == ["level1", "level2", "level1"]
        assert batch.reasons[1] == ("level1: gave no valid probabilities for this row",)
        assert bot.health().status == "ok"


@pytest.mark.parametrize(
    ("answer", "cut"),
    [
        ((1.0000001, 0.0, -1e-8), [1.0, 0.0, 0.0]),
        ((1.0000001, 0.0, 0.0), [1.0, 0.0, 0.0]),
        ((0.75, 0.25, -1e-8), [0.75, 0.25, 0.0]),
    ],
)
def test_a_hair_outside_zero_and_one_is_cut(
    answer: tuple[float, ...], cut: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradus_runtime.sessions.level_session import RowBuffer

    with Predictor.open(TRIO, preload=True) as bot:
        monkeypatch.setattr(RowBuffer, "run", lambda self: answer)
        for _ in range(2):
            assert list(bot.decide(full_row()).probabilities.values()) == cut


def test_the_first_class_of_a_tie_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_runtime.sessions.level_session import RowBuffer

    with Predictor.open(TRIO, preload=True) as bot:
        monkeypatch.setattr(RowBuffer, "run", lambda self: (0.25, 0.375, 0.375))
        for row in (full_row(), full_row(), MappingProxyType(full_row())):
            assert bot.decide(row).action == bot.classes_[1]


def test_an_artifact_past_its_age_holds_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    end = 1793491200.0  # 2026-11-01T00:00:00Z
    caplog.set_level(logging.INFO, "gradus_runtime")
    with Predictor.open(TRIO, max_age_days=30, clock=lambda: clock[0]) as bot:
        clock[0] = end + 29.9 * 86400
        assert bot.decide(full_row()).level == "level1"
        assert bot.health().status == "ok"
        assert bot.health().expires == "2026-12-01T00:00:00+00:00"
        clock[0] = end + 30 * 86400
        decision = bot.decide(full_row())
        why = (
            "artifact 2026.11.21 has expired: its data ends at 2026-11-01T00:00:00Z, "
            "and it may serve for 30 days"
        )
        assert (decision.action, decision.level, decision.reasons) == ("HOLD", "fallback", (why,))
        batch = bot.predict([full_row(), {}])
        assert batch.levels.tolist() == ["fallback"] * 2
        assert batch.reasons[0] == (why,)
        assert (bot.health().status, bot.health().halted) == ("failed", why)
    lines = [record.getMessage() for record in caplog.records]
    assert f"health changed from ok to failed: {why}" in lines


def test_the_manifests_own_age_holds_too() -> None:
    end = 1793491200.0
    with Predictor.open(TRIO, clock=lambda: end + 20_001 * 86400) as bot:
        assert bot.decide(full_row()).level == "fallback"


def test_a_label_that_is_not_the_largest_probability_takes_the_level_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gradus_runtime.sessions.onnx_session import OnnxSession

    real = OnnxSession.replay

    def replay(self: OnnxSession, features: Any) -> Any:
        probabilities, labels = real(self, features)
        return probabilities, None if labels is None else (labels + 1) % 3

    monkeypatch.setattr(OnnxSession, "replay", replay)
    with Predictor.open(TRIO, preload=True) as bot:
        assert "a label must be the class of the largest probability" in problem_of(bot)


def test_a_graph_without_its_ends_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_runtime.sessions.onnx_session import OnnxSession

    monkeypatch.setattr(OnnxSession, "ends", lambda self: {"features": "tensor(double)"})
    with Predictor.open(TRIO, preload=True) as bot:
        assert "the graph must have features, tensor(float), but got 'tensor(double)'" in problem_of(bot)


def test_whole_floats_as_configuration_files_have_them_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {
        "threads": 2.0,
        "memory_budget": 2.5e6,
        "confidence_threshold": np.float32(0.25),
        "max_age_days": 999_999,
        "release_after": np.int64(60),
    }
    with Predictor.open(TRIO, **options) as bot:
        settings = bot._source.settings
        assert (settings.threads, settings.memory_budget) == (2, 2_500_000)
        assert type(settings.threads) is type(settings.memory_budget) is int
        table = [full_row(i) for i in range(8)]
        assert bot.predict(table).levels.tolist() == ["level1"] * 8
        assert str(bot.health().expires).startswith("4764-")
        assert bot.health().status == "ok"


@pytest.mark.parametrize("days", [1, 999_999, 1e6, math.inf])
def test_every_age_that_is_accepted_has_a_date(days: float) -> None:
    with Predictor.open(TRIO, max_age_days=days) as bot:
        assert (bot.health().expires is None) == math.isinf(days)


def test_sources_that_are_no_paths_are_refused() -> None:
    for source in (None, 5, 1.5, b"store"):
        with pytest.raises(UsageError, match="source must be a path or a name"):
            Predictor.open(source)  # type: ignore[arg-type]
