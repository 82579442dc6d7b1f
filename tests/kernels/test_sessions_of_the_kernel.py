"""Sessions under four threads, by sanitizers: no race, no memory that is not given back, no other answer.

The usual form opens some dozen sessions; `make kernels-fuzz` a thousand with each sanitizer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.native_kernel import ADDRESSES, build, environment, write_calls

RACES = ("-fsanitize=thread", "-fno-omit-frame-pointer")
WRAPPED = [f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "realloc", "free")] + ["-lpthread"]


@pytest.fixture(scope="module", params=[ADDRESSES, RACES], ids=["addresses", "races"])
def sessions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = os.environ.get("GRADUS_FUZZ_CLANG") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler with sanitizers is installed")
    return build(compiler, request.param, "sessions", tmp_path_factory.mktemp("sessions"), WRAPPED)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_calls(tmp_path_factory.mktemp("calls"))


def run(
    sessions: str, calls: list[str], loads: int, *, kept: int = 0, isa: str = "avx512", leaks: int = 1
) -> subprocess.CompletedProcess[str]:
    command = [sessions, str(loads), str(kept), *calls]
    settings = environment(ASAN_OPTIONS=f"detect_leaks={leaks}", GRADUS_KERNELS_ISA=isa)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=settings)


def clean(sessions: str, calls: list[str], loads: int, isa: str) -> None:
    done = run(sessions, calls, loads, isa=isa)
    assert done.returncode == 0, done.stderr[-3000:]
    taken, left, wrong = (int(word) for word in done.stdout.split()[1::2])
    assert (left, wrong) == (0, 0)
    assert taken > 20 * loads


@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2"])
def test_sessions_under_threads_give_all_memory_back_and_race_for_nothing(
    sessions: str, calls: list[str], isa: str
) -> None:
    clean(sessions, calls, 24, isa)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2"])
def test_a_thousand_sessions_under_threads_give_all_memory_back_and_race_for_nothing(
    sessions: str, calls: list[str], isa: str
) -> None:
    clean(sessions, calls, 1000, isa)


def test_a_session_that_is_never_closed_is_noticed(sessions: str, calls: list[str]) -> None:
    done = run(sessions, calls, 8, kept=1, leaks=0)
    taken, left, wrong = (int(word) for word in done.stdout.split()[1::2])
    assert taken > left > 3  # the session, its runs and widths, its layout
    assert wrong == 0


def chosen(sessions: str, **settings: str) -> str:
    command = subprocess.run(
        [sessions], capture_output=True, text=True, check=True, env=environment(**settings)
    )
    return command.stdout.strip()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads /proc")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="asks an x86-64 processor")
def test_the_best_instruction_set_of_the_processor_is_chosen_and_lower_ones_on_demand(sessions: str) -> None:
    """The oracle is Linux's list; it also registers nothing with an onnxruntime without the API."""
    (line, *_) = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("flags")]
    flags = set(line.split())
    best = ["sse2"]
    if {"avx2", "bmi2"} <= flags:
        best.insert(0, "avx2")
        if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags:
            best.insert(0, "avx512")
    assert chosen(sessions, GRADUS_KERNELS_ISA="") == best[0]
    for isa in ("avx512", "avx2", "sse2", "neon"):
        assert chosen(sessions, GRADUS_KERNELS_ISA=isa) == (isa if isa in best else best[0])
