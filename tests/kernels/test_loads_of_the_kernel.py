"""Sessions with the kernel come and go under threads: answers stay right, and memory is given back."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.support.compact_artifacts import compact_version
from tests.support.forests import random_forest
from tests.vectors import make

from gradus_convert.graphs import VotingMember, build_level
from gradus_runtime import Predictor, Store
from gradus_runtime.sessions.kernels import Kernel
from gradus_runtime.sessions.onnx_session import open_session


def _load_and_ask(kernel: Kernel, vectors: make.Vectors, one_row: bool) -> bool:
    opened = open_session(vectors.model, "compact", 1, one_row=one_row, kernel=kernel)
    for start in range(8) if opened.one_row else (0, 300):
        stop = start + (1 if opened.one_row else 300)
        (got,) = opened.session.run(["probabilities"], {"features": vectors.rows[start:stop]})
        if got.tobytes() != vectors.expected[start:stop].tobytes():
            return False
    return opened.walk == "kernel"


def _loads(kernel: Kernel, count: int) -> None:
    cases = make.read()
    with ThreadPoolExecutor(4) as pool:
        right = pool.map(lambda i: _load_and_ask(kernel, cases[i % len(cases)], i % 3 == 0), range(count))
        assert all(right)


def _resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_loads_in_four_threads_all_answer_right(installed: Kernel) -> None:
    _loads(installed, 40)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_loads_in_four_threads_all_answer_right_and_leave_no_memory(installed: Kernel) -> None:
    _loads(installed, 200)
    before = _resident()
    _loads(installed, 1000)
    grown = _resident() - before
    print(f"1,000 loads: {grown / 1024:,.0f} KiB more")
    assert grown < 8 << 20


def _reload(folder: Path, reloads: int) -> int:
    """Reload under four threads that ask rows and tables; return by how many bytes the process grew.

    Every answer is, bit for bit, that of the version that it names, by the body.
    """
    versions = {}
    for seed, version in ((4, "2026.1.4"), (5, "2026.1.11")):
        path = compact_version(folder / "versions", version, seed=seed)
        with Predictor.open(path, max_age_days=1e6, kernels="off") as plain:
            names = [str(name) for name in plain.feature_names_in_]
            rows = np.random.default_rng(6).normal(size=(300, len(names))).astype(np.float32)
            versions[version] = plain.predict_proba(rows, names=names)
    assert (np.abs(np.subtract(*versions.values())).max(axis=1) > 0).all()
    store = Store(folder)
    store.pin("2026.1.4", actor="test")
    over = threading.Event()
    started = _resident()
    with Predictor.open(folder, max_age_days=1e6, kernels="require", threads=2) as bot:

        def ask_once() -> str:
            table = bot.predict(rows, names=names)
            assert table.probabilities.tobytes() == versions[table.version].tobytes()
            for i in range(10):
                decision = bot.decide(dict(zip(names, rows[i].tolist(), strict=True)))
                answer = np.float32(list(decision.probabilities.values()))
                assert answer.tobytes() == versions[decision.version][i].tobytes()
            return table.version

        def ask(_: int) -> None:
            while not over.is_set():
                ask_once()

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, i) for i in range(4)]
            try:
                for i in range(reloads):
                    version = ("2026.1.11", "2026.1.4")[i % 2]
                    store.pin(version, actor="test")
                    assert bot.reload_if_changed(), bot.health()
                    assert ask_once() == version
                    if i == reloads // 4:
                        started = _resident()
            finally:
                over.set()
            for future in asking:
                future.result()
        assert bot.health().status == "ok"
        assert {level.kernel for level in bot.health().levels if level.state == "ready"} == {
            "walks the trees"
        }
    return _resident() - started


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reloads_under_four_threads_mix_nothing(installed: Kernel, tmp_path: Path) -> None:
    _reload(tmp_path, 12)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_reloads_under_four_threads_mix_nothing_and_leave_no_memory(
    installed: Kernel, tmp_path: Path
) -> None:
    grown = _reload(tmp_path, 1000)
    print(f"750 reloads: {grown / 1024:,.0f} KiB more")
    assert grown < 8 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_session_gives_its_layout_back(installed: Kernel) -> None:
    """Twenty layouts of 600 KB or more, kept, would be 12 MB."""
    forest = random_forest(1, trees=150, depth=9)
    members = [VotingMember("m", 1, forest, (0, 1, 2))]
    model = build_level(members, list("abcd"), list("xyz"), metadata={}).model_bytes
    rows = np.zeros((300, 4), np.float32)

    def ask() -> None:
        opened = open_session(model, "compact", 1, kernel=installed)
        opened.session.run(["probabilities"], {"features": rows})
        assert opened.walk == "kernel"

    for _ in range(5):
        ask()
    before = _resident()
    for _ in range(20):
        ask()
    assert _resident() - before < 6 << 20
