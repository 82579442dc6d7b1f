"""Serving on a GPU, by a stand-in for onnxruntime-gpu: what it is asked, and that no CPU takes its place.

The stand-in computes on the CPU and keeps what a GPU's session does otherwise: it drops a provider that it
cannot load without a word, and a binding takes its input over once, when it is bound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tests.support.golden import TRIO, full_row, golden_rows

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.errors import EnvironmentFailedError, UsageError
from gradus_runtime.journal import read_journal
from gradus_runtime.sessions import kernels
from gradus_runtime.sessions.level_session import device_block_rows
from gradus_runtime.sessions.onnx_session import open_session

REAL = ort.InferenceSession
CUDA = "CUDAExecutionProvider"
ON_A_GPU = [(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]


@dataclass
class Gpu:
    """What the machine of a test has, and what its sessions were asked."""

    most_bytes: int = 1 << 30
    off_by: float = 0.0
    providers: list[Any] = field(default_factory=list)
    shared: int = 0
    libraries: list[str] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)

    def session(self, model: bytes, options: Any, *, providers: list[Any], enable_fallback: Any = 1) -> Any:
        self.providers.append(providers)
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers]
        if len(model) > self.most_bytes:
            names.remove(CUDA)
        return _Session(self, REAL(model, options, providers=["CPUExecutionProvider"]), names)


class _Session:
    def __init__(self, gpu: Gpu, inner: Any, names: list[str]) -> None:
        self._gpu, self._inner, self._names = gpu, inner, names
        self._sess = self

    def get_providers(self) -> list[str]:
        return self._names

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        (features,) = feeds.values()
        if CUDA in self._names:
            self._gpu.blocks.append(len(features))
        answers = self._inner.run(names, feeds)
        answers[0] = answers[0] + np.float32(self._gpu.off_by if CUDA in self._names else 0)
        return list(answers)

    def io_binding(self) -> Any:
        binding = self._inner.io_binding()
        if CUDA not in self._names:
            return binding
        take = binding.bind_ortvalue_input

        def once(name: str, value: Any) -> None:
            take(name, ort.OrtValue.ortvalue_from_numpy(value.numpy().copy()))

        binding.bind_ortvalue_input = once
        return binding

    def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
        self._inner._sess.run_with_iobinding(getattr(binding, "_iobinding", binding), options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    found = Gpu()
    monkeypatch.setattr(ort, "InferenceSession", found.session)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    real = ort.SessionOptions.register_custom_ops_library
    monkeypatch.setattr(
        ort.SessionOptions,
        "register_custom_ops_library",
        lambda options, path: (found.libraries.append(path), real(options, path)),
    )
    return found


def bot(**settings: Any) -> Predictor:
    return Predictor.open(TRIO, max_age_days=1_000_000, **settings)


def table(count: int) -> np.ndarray:
    rows = golden_rows()["features"]
    whole = rows[np.isfinite(rows).all(axis=1)]
    return np.ascontiguousarray(whole[np.arange(count) % len(whole)])


def test_nothing_asks_for_a_gpu_unless_it_is_told_to(gpu: Gpu) -> None:
    with bot(preload=True) as plain:
        plain.predict_proba(table(40), ordered=True)
        assert plain.info().provider == "cpu"
        assert {level.provider for level in plain.health().levels} == {"cpu"}
    assert gpu.providers
    assert all(asked == ["CPUExecutionProvider"] for asked in gpu.providers)


def test_every_session_gets_the_provider_without_tf32_and_the_cpu_for_what_it_lacks(gpu: Gpu) -> None:
    with bot(preload=True, provider="cuda") as on_gpu:
        levels = len(on_gpu.health().levels)
        on_gpu.predict_proba(table(40), ordered=True)
    assert gpu.providers == [ON_A_GPU] * (levels + 1), "a session a level, and the smallest at first"


def test_rows_and_tables_are_what_the_cpu_answers(gpu: Gpu) -> None:
    rows = table(30)
    names = golden_names()
    with bot() as plain, bot(provider="cuda") as on_gpu:
        want, got = plain.predict_proba(rows, ordered=True), on_gpu.predict_proba(rows, ordered=True)
        assert got.tobytes() == want.tobytes()
        for values in rows:  # one after another over one buffer
            row = dict(zip(names, values.tolist(), strict=True))
            assert on_gpu.decide(row).probabilities == plain.decide(row).probabilities


def test_a_table_goes_to_the_gpu_in_large_blocks(gpu: Gpu) -> None:
    with bot(provider="cuda") as on_gpu:
        on_gpu.predict_proba(table(20_000), ordered=True)
    assert max(gpu.blocks) == 20_000
    manifest = parse((TRIO / "manifest.json").read_bytes())
    level = manifest.levels[0]
    assert device_block_rows(level, 9, 1) == 1 << 16
    assert device_block_rows(level, 100_000, 1) < 1 << 14, "1 GiB of rows of 400 kB"


def test_golden_rows_are_replayed_on_the_gpu_itself(gpu: Gpu) -> None:
    gpu.off_by = 4e-4  # what TF32 makes of it
    with bot(provider="cuda", preload=True) as on_gpu:
        health = on_gpu.health()
        assert health.status == "failed"
        assert all("golden rows must be reproduced" in (level.problem or "") for level in health.levels)
        assert on_gpu.decide(full_row()).level == "fallback"
    with bot(preload=True) as plain:
        assert plain.health().status == "ok"


def test_a_session_that_was_given_to_the_cpu_is_refused(gpu: Gpu) -> None:
    gpu.most_bytes = 1_000  # more than the smallest graph, less than a level's
    with bot(provider="cuda", preload=True) as on_gpu:
        health = on_gpu.health()
        assert health.status == "failed"
        assert "onnxruntime must be able to use CUDAExecutionProvider" in (health.levels[0].problem or "")
        assert on_gpu.decide(full_row()).level == "fallback"


def test_a_machine_without_the_provider_is_refused_when_it_is_opened() -> None:
    with pytest.raises(EnvironmentFailedError, match=r"must have CUDAExecutionProvider.*onnxruntime-gpu"):
        bot(provider="cuda")


def test_a_machine_that_cannot_load_the_provider_is_refused_when_it_is_opened(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu.most_bytes = 1
    with pytest.raises(EnvironmentFailedError, match=r"must be able to use CUDA.*CPUExecutionProvider"):
        bot(provider="cuda")

    def no_driver(*args: Any, **options: Any) -> Any:
        raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient")

    monkeypatch.setattr(ort, "InferenceSession", no_driver)
    with pytest.raises(EnvironmentFailedError, match=r"must be able to use CUDA.*driver version"):
        bot(provider="cuda")


@pytest.mark.parametrize("wrong", ["gpu", "CUDAExecutionProvider", "", None, 1])
def test_other_providers_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="provider must be one of cpu, cuda"):
        bot(provider=wrong)


def test_the_kernel_is_for_the_cpu_alone(gpu: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'kernels="require" needs provider="cpu"'):
        bot(provider="cuda", kernels="require")

    def asked() -> Any:
        raise AssertionError("nobody looks for a kernel")

    monkeypatch.setattr(kernels, "find_kernel", asked)
    with bot(provider="cuda", preload=True) as on_gpu:
        assert on_gpu.info().kernel == "not used: the provider is cuda"
        assert {level.kernel for level in on_gpu.health().levels} == {None}
    assert gpu.libraries == []


def test_info_health_and_the_journal_say_what_runs_the_graphs(gpu: Gpu, tmp_path: Path) -> None:
    with bot(provider="cuda", journal=tmp_path) as on_gpu:
        assert on_gpu.info().provider == "cuda"
        assert {level.provider for level in on_gpu.health().levels} == {None}, "nothing is loaded yet"
        on_gpu.decide(full_row())
        assert on_gpu.health().levels[0].provider == "cuda"
    events = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.open()]
    assert {e["provider"] for e in events if e["gradus"] == "event/1"} == {"cuda"}


def test_events_of_before_there_were_providers_are_read_as_the_cpus(tmp_path: Path) -> None:
    with bot(journal=tmp_path):
        pass
    (path,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in path.open()]
    for line in lines:
        assert line.pop("provider") == "cpu"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    content = read_journal([str(tmp_path)])
    assert not content.damaged
    assert [event.provider for event in content.events] == ["cpu"] * len(lines)


def test_a_forked_child_does_not_use_the_sessions_of_a_gpu(gpu: Gpu) -> None:
    with bot(provider="cuda", preload=True) as on_gpu:
        slot = on_gpu._active[0].slots[0]
        assert slot.session is not None
        assert slot.session.after_fork() is False


def test_a_graph_by_itself_is_opened_on_the_gpu(gpu: Gpu) -> None:
    model = (TRIO / "level1.onnx").read_bytes()
    opened = open_session(model, "compact", 1, one_row=True, provider="cuda")
    assert (opened.provider, opened.one_row, opened.tables) == ("cuda", False, [])


def test_commands_take_a_provider(
    gpu: Gpu, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(full_row(i % 32)) + "\n" for i in range(600)))
    ask = ["predict", str(TRIO), "--input", str(rows), "--json"]
    assert main(ask) == 0
    plain = capsys.readouterr().out
    assert main([*ask, "--provider", "cuda"]) == 0
    assert [without_id(line) for line in capsys.readouterr().out.splitlines()] == [
        without_id(line) for line in plain.splitlines()
    ]
    assert max(gpu.blocks) == 600
    assert main(["info", str(TRIO), "--provider", "cuda"]) == 0
    assert "provider  cuda" in capsys.readouterr().out
    assert main(["health", str(TRIO), "--provider", "cuda"]) == 0
    assert "level1: ready (cuda)" in capsys.readouterr().out
    assert main([*ask, "--provider", "tpu"]) == 2
    monkeypatch.undo()
    assert main([*ask, "--provider", "cuda"]) == 3
    assert "onnxruntime must have CUDAExecutionProvider" in capsys.readouterr().err


def without_id(line: str) -> dict[str, Any]:
    answer = json.loads(line)
    return {key: value for key, value in answer.items() if key not in ("id", "decided")}


def golden_names() -> tuple[str, ...]:
    return parse((TRIO / "manifest.json").read_bytes()).feature_names
