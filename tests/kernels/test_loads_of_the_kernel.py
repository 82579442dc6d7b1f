"""Sessions with the kernel come and go under threads: answers stay right, and memory is given back."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.support.forests import random_forest
from tests.vectors import make

from gradus_convert.graphs import VotingMember, build_level
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


def test_loads_in_four_threads_all_answer_right(installed: Kernel) -> None:
    _loads(installed, 40)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_loads_in_four_threads_all_answer_right(installed: Kernel) -> None:
    _loads(installed, 1000)


def _resident() -> int:
    """Bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


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
